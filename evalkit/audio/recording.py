"""One recording of a data set or of a model: where it lies, how it sounds, and what it is known by."""

import io
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from evalkit.audio.decoding import Waveform, read_mono, resampled, seconds_by_header
from evalkit.audio.digests import content_digest, file_digest
from evalkit.audio.wav import float_wav_of_waveform, wav_of_waveform
from evalkit.errors import AudioError


class Audio:
    """One recording: a file, or bytes inside a data set. Two are equal whose locators are.

    Args:
        locator: its name within the data set, the same on every machine; what logs show.
        path: the file, or None where the bytes come from elsewhere.
        content: gives the bytes of a recording that is not a file of its own.
        duration: seconds, where the data set says so.
        root: a folder that the file must lie in once links are followed, or None for anywhere.
        span: where in the file or bytes the recording begins and ends, in seconds, if it is a part of them.
        digest: of a recording that may not be at hand, as it was when it was; see ``digest``.
        tables: files of the data set, parquet or arrow, one of which holds the bytes.

    Attributes:
        locator: its name within the data set, the same on every machine.
        duration: seconds, where the data set says so or the audio has been decoded; else None.
        tables: as given.
        recorded_digest: ``digest`` as given, whatever the recording is now.
    """

    __slots__ = (
        "_content",
        "_digest",
        "_identified",
        "_path",
        "_root",
        "_span",
        "_stated",
        "_waveform",
        "duration",
        "locator",
        "recorded_digest",
        "tables",
    )

    def __init__(
        self,
        locator: str,
        path: str | PathLike[str] | None = None,
        *,
        content: Callable[[], bytes] | None = None,
        duration: float | None = None,
        root: str | PathLike[str] | None = None,
        span: tuple[float, float] | None = None,
        digest: str | None = None,
        tables: Sequence[str] = (),
    ) -> None:
        self.locator = locator
        self._path = path
        self.duration = duration
        self._stated = duration
        self._content = content
        self._root = root
        self._span = span
        self._waveform: tuple[int, Waveform] | None = None
        self._digest = self.recorded_digest = digest
        self._identified = False
        self.tables = tables

    @classmethod
    def of_waveform(cls, locator: str, waveform: Waveform, sample_rate: int, *, digest: str | None = None) -> "Audio":
        """Return a recording that is decoded already.

        Args:
            locator: see ``Audio``.
            waveform: mono float32 [samples] in -1..1.
            sample_rate: of it, in hertz.
            digest: of the bytes that it was decoded from; that of a WAV file of it where none is given.
        """
        audio = cls(locator, content=lambda: wav_of_waveform(waveform, sample_rate), digest=digest)
        audio.duration = len(waveform) / sample_rate
        audio._waveform = (sample_rate, waveform)
        return audio

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Audio) and self.locator == other.locator

    def __hash__(self) -> int:
        return hash(self.locator)

    def __repr__(self) -> str:
        return f"Audio({self.locator!r})"

    @property
    def path(self) -> Path | None:
        """The file, or None where the bytes come from elsewhere."""
        return None if self._path is None else Path(self._path)

    def waveform(self, sample_rate: int) -> Waveform:
        """Decode to mono float32 [samples] in -1..1 at ``sample_rate`` hertz; kept until ``release``.

        Channels are averaged, then resampled with soxr at its high quality. Sets ``duration``.

        Raises:
            AudioError: the file is missing, not audio, damaged, cut short, out of bounds, or holds no samples.
        """
        if self._waveform is None or self._waveform[0] != sample_rate:
            self._waveform = (sample_rate, self._decode(sample_rate))
        return self._waveform[1]

    def encoded(self) -> bytes:
        """Return the bytes as they lie on disk or in the data set, in whatever container; of a part, a WAV file.

        Raises:
            AudioError: they are not at hand, or the part cannot be decoded.
        """
        if self._span is not None:
            return wav_of_waveform(*self.read_mono())
        source = self._source()
        try:
            if isinstance(source, io.BytesIO):
                return source.getvalue()
            with open(source, "rb") as file:
                return file.read()
        except (OSError, MemoryError) as error:
            raise AudioError(f"{source}: cannot be read ({getattr(error, 'strerror', None) or error!r})") from error

    def digest(self) -> str | None:
        """Return the hexadecimal digest of the bytes, the recording's identity under any name; None if it is not known.

        It is found out once: what was asked about a recording and what is recorded of it name the same bytes.
        """
        if not self._identified:
            self._digest = self._identify()
            self._identified = True
        return self._digest

    def seconds(self, *, decode: bool = False) -> float:
        """Return the length by the header, decoding no more than shows that the file is whole; or by decoding it all.

        Raises:
            AudioError: the recording cannot be read; see ``waveform``.
        """
        if not decode and self._span is None:
            return seconds_by_header(self._source(), self.name)
        mono, rate = self.read_mono()
        resampled(mono, rate, rate, self.name)
        if len(mono) == 0:
            raise AudioError(f"{self.name}: the audio holds no samples")
        return len(mono) / rate

    def part(self, start: float, end: float) -> "Audio":
        """Return a stretch of the recording, in seconds from its beginning; it shares what is decoded already.

        It is named by a media fragment (W3C, Media Fragments URI 1.0), such as ``long.wav#t=0,30``.
        """
        begins = self._span[0] if self._span is not None else 0.0
        part = Audio(
            f"{self.locator}#t={start:g},{end:g}",
            self._path,
            content=self._content,
            duration=end - start,
            root=self._root,
            span=(begins + start, begins + end),
        )
        if self._waveform is not None:
            rate, waveform = self._waveform
            part._waveform = rate, waveform[round(start * rate) : round(end * rate)]
        return part

    def read_mono(self) -> tuple[Waveform, int]:
        """Decode to mono float32 [samples] in -1..1 at the recording's own rate, and that rate in hertz.

        Raises:
            AudioError: as ``waveform`` does, but for a recording without samples.
        """
        return read_mono(self._source(), self.name, self._span)

    def portable(self, *, with_content: bool) -> "Audio":
        """Return the same recording in a form that can be sent to another process, decoded samples left behind.

        Args:
            with_content: whether its bytes go along, of a part those of the part. Without them a recording that is a
                file is read where it arrives, under the same path; bytes from inside a data set go along in any case.

        Raises:
            AudioError: it cannot be read.
        """
        content, span = self._content, self._span
        if content is not None or with_content:
            encoded, span = self._encoded_exactly()
            content = partial(bytes, encoded)  # a function that can be sent, unlike whatever gave the bytes here
        # The path is what messages name, also where the bytes go along.
        sent = Audio(self.locator, self._path, content=content, duration=self.duration, root=self._root, span=span)
        sent._digest, sent._identified = self.digest(), True
        return sent

    def release(self) -> None:
        """Forget the decoded samples."""
        self._waveform = None

    def to_json(self) -> dict[str, Any]:
        """Name, duration and, where it is known, digest; the sound stays where it is.

        The duration is the one that the data set says: whether a recording has been decoded makes no difference.
        """
        record: dict[str, Any] = {"locator": self.locator, "duration": self._stated}
        digest = self.digest()
        return record if digest is None else {**record, "digest": digest}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Audio":
        """Return a recording known by name only: it can be listed and scored, not decoded."""
        return cls(record["locator"], duration=record["duration"], digest=record.get("digest"))

    @property
    def name(self) -> str:
        """What messages call it: the file, or the locator where it is none."""
        return str(self._path or self.locator)

    def _identify(self) -> str | None:
        digest = None if self._path is None else file_digest(os.fspath(self._path))
        if digest is None and self._digest is None and self._content is not None:
            digest = content_digest(self._content())
        if digest is None or self._span is None:
            return digest or self._digest
        return f"{digest} {self._span[0]:g}-{self._span[1]:g}"

    def _decode(self, sample_rate: int) -> Waveform:
        mono, original_rate = self.read_mono()
        self.duration = len(mono) / original_rate
        waveform = resampled(mono, original_rate, sample_rate, self.name)
        if len(waveform) == 0:
            raise AudioError(f"{self.name}: the audio holds no samples")
        return waveform

    def _encoded_exactly(self) -> tuple[bytes, tuple[float, float] | None]:
        """Return bytes that decode to the recording's own samples, and where in them it lies if it is a part."""
        if self._span is None:
            return self.encoded(), None
        mono, rate = self.read_mono()
        return float_wav_of_waveform(mono, rate), (0.0, len(mono) / rate)

    def _source(self) -> str | io.BytesIO:
        """Return what soundfile is to open."""
        if self._content is not None:
            return io.BytesIO(self._content())
        if self._path is None:
            raise AudioError(f"{self.locator}: the audio itself is not at hand")
        # os.path: making a Path takes longer than all else here, and a server's client comes by for every request.
        path = os.fspath(self._path)
        if not os.path.isfile(path):
            problem = "is a folder, not an audio file" if os.path.isdir(path) else "no such audio file"
            raise AudioError(f"{path}: {problem}")
        if self._root is not None and not _lies_in(os.path.realpath(path), os.path.realpath(self._root)):
            raise AudioError(
                f"{path}: a link leads out of the data root {self._root}; allow it with "
                f"{root_to_type(os.path.realpath(path), os.fspath(self._root))}"
            )
        return path


def root_to_type(file: str, root: str) -> str:
    """Return what to type so that a data set may use a file outside its root; it holds both."""
    both = os.path.commonpath([os.path.dirname(os.path.abspath(file)), os.path.abspath(root)])
    return f"++tasks.<name>.dataset.root={both}"


def _lies_in(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)
