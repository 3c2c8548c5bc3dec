"""The sounds of a report: recordings and spoken answers, played from where they lie or from copies beside the pages."""

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from evalkit.audio import Audio
from evalkit.datasets.recordings_in_tables import recordings_in_tables
from evalkit.datasets.recordings_place import RecordingsPlace, find_recording
from evalkit.errors import AudioError
from evalkit.results.folder import PROVENANCE, read_json
from evalkit.results.metrics_file import RunResult
from reports.site.waveform import peaks, spectrogram

AudioMode = Literal["link", "copy", "none"]
AudioFormat = Literal["same", "mp3", "opus"]

FOLDER = "audio"
# What browsers play, as files end and as libsndfile calls it; the rest is copied as FLAC.
_PLAYED = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"})
_ENDS = {"WAV": ".wav", "FLAC": ".flac", "MP3": ".mp3", "OGG": ".ogg"}
_SOUNDS = _PLAYED | {".aif", ".aiff", ".au", ".caf", ".oga", ".sph", ".w64"}
_CONTAINERS = {"flac": ("FLAC", "PCM_16"), "mp3": ("MP3", None), "opus": ("OGG", "OPUS")}
_OPUS_RATE = 48_000


class Sounds:
    """Finds sounds and says where pages find them; files that run folders name are someone else's until found there.

    Args:
        mode: ``link`` to the files where they lie, ``copy`` them, or ``none``. Recordings inside tables are no files,
            and copied where others are linked.
        folder: in which the report is being written, for copies.
        home: where the report will lie, from which links to neighbouring folders lead.
        copy_as: the form of copies: ``same`` as the file where browsers play it, or ``mp3`` or ``opus``, which are
            smaller.
        drawn: whether linked sounds are decoded, so that their waveforms are drawn by pages from disk too.
        link: gives the address of a linked file, where pages are not opened from disk.
    """

    def __init__(
        self,
        mode: AudioMode,
        folder: Path,
        home: Path,
        copy_as: AudioFormat = "same",
        *,
        drawn: bool = True,
        link: Callable[[Path], str] | None = None,
    ) -> None:
        self._mode = mode
        self._draws = drawn
        self._folder = folder
        self._home = Path(os.path.abspath(home))
        self._copy_as = copy_as
        self._link_to = link
        self._kept: dict[tuple[str, str], dict[str, Any] | None] = {}
        self._unpacked: dict[str, dict[str, Any] | None] = {}
        self._written: dict[str, None] = {}

    @property
    def written(self) -> list[str]:
        """The names of the files that were copied and drawn, relative to the folder."""
        return list(self._written)

    def unpack(self, tables: Iterable[str], digests: Collection[str]) -> None:
        """Copy recordings out of tables, so that ``recording`` finds them.

        Args:
            tables: of a data set, as ``RecordingsPlace`` has them.
            digests: of the recordings that are wanted.
        """
        if self._mode == "none":
            return
        wanted = set(digests).difference(self._unpacked)
        for digest, content in recordings_in_tables(tables, wanted):
            sound = Audio(digest, content=partial(bytes, content))
            self._unpacked[digest] = self._copied(sound, _end_of(content))

    def recording(self, folder: str | None, record: Mapping[str, Any]) -> dict[str, Any]:
        """Describe a recording of a data set: its name, its length, and where it is played from if it can be.

        Args:
            folder: in which the run's recordings lay when it was made, or None if that is not known.
            record: the recording as the scores name it.
        """
        locator, digest = str(record.get("locator")), str(record.get("digest") or "")
        described = {"name": locator, "seconds": record.get("duration")}
        if self._mode == "none":
            return described
        if folder is None:
            return described | (self._unpacked.get(digest) or {})
        path = find_recording(folder, locator)
        return described | (self._played(path, digest.partition(" ")[2]) if path else {})

    def speech(self, run_folder: Path, locator: str) -> dict[str, Any]:
        """Describe what a model said, a file of the run folder."""
        described: dict[str, Any] = {"name": locator, "seconds": None}
        path = None if self._mode == "none" else find_recording(run_folder, locator)
        return described | (self._played(path, "", run_folder) if path else {})

    def _played(self, path: Path, span: str, run_folder: Path | None = None) -> dict[str, Any]:
        key = str(path), span
        sound = Audio(path.name, path, span=_seconds(span))
        if self._mode == "copy":
            if key not in self._kept:  # one recording may be asked about many times
                self._kept[key] = self._copied(sound, "" if span else path.suffix.lower())
            return self._kept[key] or {}
        drawn = _drawn(sound) if self._draws else {}
        if drawn is None or path.suffix.lower() not in _SOUNDS:  # damaged, or no audio: nothing to play
            return {}
        between = f"#t={span.replace('-', ',', 1)}" if span else ""
        return drawn | {"url": self._link(path, run_folder) + between}

    def _link(self, path: Path, run_folder: Path | None) -> str:
        if self._link_to is not None:
            return self._link_to(path)
        # What moves together is linked together: a report in the run folder finds the run's speech wherever it is.
        if run_folder is not None and self._home.is_relative_to(run_folder.resolve()):
            return quote(os.path.relpath(path, self._home))
        return path.as_uri()

    def _copied(self, sound: Audio, end: str) -> dict[str, Any] | None:
        """Copy a sound whose file would have this end, if it is a whole one, and return how it is played."""
        drawn = _drawn(sound)
        if drawn is None:
            return None
        content = hashlib.blake2b(sound.encoded(), digest_size=12).hexdigest()
        as_it_is = self._copy_as == "same" and end in _PLAYED
        extension = end if as_it_is else f".{'flac' if self._copy_as == 'same' else self._copy_as}"
        name = f"{FOLDER}/{content}{extension}"
        drawing = f"{FOLDER}/{content}.js"
        if name not in self._written:
            target = self._folder / name
            target.parent.mkdir(exist_ok=True)
            if as_it_is:
                target.write_bytes(sound.encoded())
            else:
                _convert(sound, target)
            (self._folder / drawing).write_text(spectrogram(sound, content), encoding="utf-8")
            self._written |= {name: None, drawing: None}
        return drawn | {"url": name, "spectrogram": content}


def recordings_places(run: RunResult) -> dict[str, RecordingsPlace]:
    """Return for each task of a run where its recordings lay, as far as that was recorded."""
    if run.folder is None or not (run.folder / PROVENANCE).is_file():
        return {}
    data = read_json(run.folder / PROVENANCE).get("data")
    entries = data.items() if isinstance(data, dict) else ()
    return {name: RecordingsPlace.from_json(entry) for name, entry in entries if isinstance(entry, dict)}


def _drawn(sound: Audio) -> dict[str, Any] | None:
    try:
        waveform, rate = sound.read_mono()
    except AudioError:
        return None
    return {"seconds": round(len(waveform) / rate, 3), "peaks": peaks(waveform)} if len(waveform) else None


def _end_of(content: bytes) -> str:
    """Return how a file of these bytes would end, empty for a form that browsers do not play."""
    import soundfile

    try:
        return _ENDS.get(soundfile.info(BytesIO(content)).format, "")
    except soundfile.LibsndfileError:
        return ""


def _convert(sound: Audio, target: Path) -> None:
    import soundfile

    container, subtype = _CONTAINERS[target.suffix[1:]]
    if container == "OGG":
        waveform, rate = sound.waveform(_OPUS_RATE), _OPUS_RATE
    else:
        waveform, rate = sound.read_mono()
    soundfile.write(target, waveform, rate, format=container, subtype=subtype)
    sound.release()


def _seconds(span: str) -> tuple[float, float] | None:
    """Read ``1.5-3``, as a recording's digest names the part of a file that it is."""
    begin, _, end = span.partition("-")
    try:
        return float(begin), float(end)
    except ValueError:
        return None
