"""Reading audio: any container libsndfile knows, any rate and channel count, to mono float32 at one rate."""

import io
import os
import re
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.errors import AudioError

Waveform = npt.NDArray[np.float32]

# Frames decoded at a time, so that a long recording of many channels is mixed down before it is held whole.
_BLOCK_FRAMES = 1 << 20

# Seconds by which a header may promise more than the file holds: MP3 headers count padding that decoders
# trim, and some WAV writers count their own header as sound.
_TOLERANCE = 0.1

# What programs that write to a pipe put in a WAV header instead of a length that they cannot know.
_STREAMED_SIZE = 0x7FFFF000

# libsndfile's count where a header gives none; soundfile cannot read to the end of such a file.
_UNKNOWN_LENGTH = (1 << 63) - 1

# libsndfile corrects a header that promises too much, and says so only in its log: WAV, AIFF, AU; then Ogg.
_LOGGED_SHORTAGE = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_LOGGED_BROKEN_PAGE = re.compile(r"^Ogg ?: Junk after the last page", re.MULTILINE)


class Audio:
    """One recording: a file, or bytes inside a data set.

    Args:
        locator: its name within the data set, the same on every machine; what logs and hashes show.
        path: the file, or None where the bytes come from elsewhere.
        content: gives the bytes of a recording that is not a file of its own.
        duration: seconds, where the data set says so.
        root: a folder that the file must lie in once links are followed, or None for anywhere.

    Attributes:
        locator: see above.
        duration: seconds, where the data set says so or the audio has been decoded; else None.
    """

    __slots__ = ("_content", "_path", "_root", "_waveform", "duration", "locator")

    def __init__(
        self,
        locator: str,
        path: str | PathLike[str] | None = None,
        *,
        content: Callable[[], bytes] | None = None,
        duration: float | None = None,
        root: str | PathLike[str] | None = None,
    ) -> None:
        self.locator = locator
        self._path = path
        self.duration = duration
        self._content = content
        self._root = root
        self._waveform: tuple[int, Waveform] | None = None

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
            AudioError: the file is missing, not audio, damaged or cut short, or holds no samples.
        """
        if self._waveform is None or self._waveform[0] != sample_rate:
            self._waveform = (sample_rate, self._decode(sample_rate))
        return self._waveform[1]

    def encoded(self) -> bytes:
        """The bytes as they lie on disk or in the data set, in whatever container they are.

        Raises:
            AudioError: they are not at hand.
        """
        source = self._source()
        try:
            if isinstance(source, io.BytesIO):
                return source.getvalue()
            with open(source, "rb") as file:
                return file.read()
        except OSError as error:
            raise AudioError(f"{source}: cannot be read ({error.strerror})") from error

    def release(self) -> None:
        """Forget the decoded samples."""
        self._waveform = None

    def to_json(self) -> dict[str, Any]:
        """Name and duration; the sound stays where it is."""
        return {"locator": self.locator, "duration": self.duration}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Audio":
        """A recording known by name only: it can be listed and scored, not decoded."""
        return cls(record["locator"], duration=record["duration"])

    def _decode(self, sample_rate: int) -> Waveform:
        name = str(self._path or self.locator)
        mono, original_rate = _read_mono(self._source(), name)
        self.duration = len(mono) / original_rate
        if original_rate != sample_rate:
            import soxr

            mono = soxr.resample(mono, original_rate, sample_rate)
        if len(mono) == 0:
            raise AudioError(f"{name}: the audio holds no samples")
        if not np.isfinite(mono).all():
            raise AudioError(f"{name}: the audio holds samples that are not finite numbers")
        return np.ascontiguousarray(mono, dtype=np.float32)

    def _source(self) -> str | io.BytesIO:
        """What soundfile is to open."""
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
                f"{path}: a link leads out of the data root {self._root}; "
                "set the data set's root= to a folder that holds both"
            )
        return path


def _lies_in(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def write_flac(audio: Audio, path: Path) -> float:
    """Write a recording's mono mix as FLAC with 16 bits at its own rate; returns its length in seconds.

    Raises:
        AudioError: the recording cannot be read.
        OSError: the file cannot be written.
    """
    import soundfile

    waveform, rate = _read_mono(audio._source(), audio.locator)
    encoded = io.BytesIO()
    soundfile.write(encoded, waveform, rate, format="FLAC", subtype="PCM_16")
    path.write_bytes(encoded.getbuffer())
    return len(waveform) / rate


def _read_mono(source: str | io.BytesIO, name: str) -> tuple[Waveform, int]:
    """The mean of all channels and the sample rate; errors are reported under ``name``."""
    import soundfile

    try:
        file = soundfile.SoundFile(source)
    # A TypeError is about headerless .raw files.
    except (soundfile.LibsndfileError, TypeError) as error:
        raise AudioError(
            f"{name}: cannot be read as audio ({_reason(error)}): it is empty, damaged, "
            "or of a kind to convert to WAV or FLAC first"
        ) from error
    with file:
        if file.frames == _UNKNOWN_LENGTH:
            raise AudioError(
                f"{name}: the header does not say how long the audio is, as happens when FLAC is written "
                "to a pipe; encode it again to a file"
            )
        blocks = []
        try:
            while len(block := file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
                # Adding up columns is ten times as fast as a mean over such a short axis.
                blocks.append(sum(block.T) / np.float32(file.channels))
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{name}: the audio is cut short or damaged ({_reason(error)})") from error
        mono = np.concatenate(blocks) if blocks else np.empty(0, np.float32)
        _check_complete(file, source, len(mono), name)
        return mono, file.samplerate


def _check_complete(file: Any, source: str | io.BytesIO, frames: int, name: str) -> None:
    """Refuse an open ``soundfile.SoundFile`` that gave fewer frames than its maker wrote."""
    if _LOGGED_BROKEN_PAGE.search(file.extra_info):
        raise AudioError(f"{name}: the audio is cut short or damaged, its last Ogg page is incomplete")
    if file.format == "MP3" and not _has_length_tag(file, source):
        return
    promised = file.frames
    shortage = _LOGGED_SHORTAGE.search(file.extra_info)
    if shortage:
        promised_bytes, actual_bytes = map(int, shortage.groups())
        if 0 < actual_bytes < promised_bytes < _STREAMED_SIZE:
            promised = file.frames * promised_bytes // actual_bytes
    if promised - frames > _TOLERANCE * file.samplerate:
        raise AudioError(
            f"{name}: the audio is cut short, it holds {frames / file.samplerate:.2f} "
            f"of the {promised / file.samplerate:.2f} seconds that its header promises"
        )


def _has_length_tag(file: Any, source: str | io.BytesIO) -> bool:
    """Whether an MP3 begins with a Xing or Info tag; the length is a guess from the bit rate if not."""
    id3 = re.search(r"ID3v2\.\d header length :\s*(\d+)", file.extra_info)
    start = int(id3[1]) if id3 else 0
    if isinstance(source, io.BytesIO):
        first_frame = bytes(source.getbuffer()[start : start + 64])
    else:
        with open(source, "rb") as stream:
            stream.seek(start)
            first_frame = stream.read(64)
    return b"Xing" in first_frame or b"Info" in first_frame


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).removeprefix("Error : ").rstrip(".")
