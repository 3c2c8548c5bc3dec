"""Cuts of Lhotse, in which WenetSpeech is distributed on the hub: JSON Lines, packed or not, beside the recordings."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.audio import Audio
from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.column_mapping import checked_id
from evalkit.datasets.dataset import Dataset
from evalkit.datasets.tables import placed_rows
from evalkit.errors import DataError
from evalkit.types import Sample

CUTS = ("*cuts*.jsonl.gz", "*cuts*.jsonl")


class LhotseCuts(Dataset):
    """A file of cuts, or all of a folder's, ``cuts_TEST_NET.00000000.jsonl.gz``, in the order of their names.

    A cut is known by its own id, and clustered by its speaker, where its supervisions name one. Its reference is the
    text of its supervisions, joined by blanks; its audio the part of the recording that it says, which has to be a
    file: what lies at addresses, or comes out of commands, is not fetched and not run.

    Args:
        path: the file, or the folder, in which archives of recordings are unpacked beside the files of cuts.
        root: a folder that audio may not leave; by default the folder.
        language: of cuts that name none.
    """

    def __init__(self, path: str | Path, *, root: str | Path | None = None, language: str | None = None) -> None:
        self._path = Path(path).expanduser()
        self._root = root
        self._language = language
        self.source = str(self._path)

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        files = cut_files(self._path)
        if not files:
            raise DataError(f"{self._path}: no cuts_*.jsonl.gz there")
        for file in files:
            folder = AudioFolder(file.parent, self._root)
            for place, cut in placed_rows(file):
                texts = [item.get("text") for item in _objects(cut, "supervisions", place)]
                if not texts or not all(isinstance(text, str) for text in texts):
                    raise DataError(f"{place}: a cut without the text of what is said in it")
                yield (
                    place,
                    Sample(
                        checked_id(cut.get("id"), place),
                        (_audio(cut, folder, place),),
                        (" ".join(map(str, texts)),),
                        self._language,
                        clusters=_speaker(cut, place),
                    ),
                )


def cut_files(path: Path) -> list[Path]:
    """Return the files of cuts in a folder, the packed ones if there are such; return a file of cuts alone."""
    if path.is_file():
        return [path] if any(path.match(pattern) for pattern in CUTS) else []
    return next((files for pattern in CUTS if (files := sorted(path.glob(pattern)))), [])


def _speaker(cut: Mapping[str, Any], place: str) -> dict[str, str]:
    """Return the cluster of a cut by its speaker; a cut of several is of none, and of one that is not named too."""
    speakers = {item.get("speaker") for item in _objects(cut, "supervisions", place)}
    if len(speakers) > 1 or speakers <= {None, ""}:
        return {}
    return {"speaker": str(*speakers)}


def _audio(cut: Mapping[str, Any], folder: AudioFolder, place: str) -> Audio:
    recording = cut.get("recording")
    recording = recording if isinstance(recording, dict) else {}
    sources = _objects(recording, "sources", place) if recording else []
    if len(sources) != 1:
        raise DataError(f"{place}: a cut of {len(sources)} recordings; cuts of one are read")
    (source,) = sources
    if source.get("type") != "file" or not isinstance(source.get("source"), str):
        raise DataError(f"{place}: its recording is of the type {source.get('type')!r}; only files are read")
    start, seconds, whole = (
        _seconds(value, place) for value in (cut.get("start", 0), cut.get("duration"), recording.get("duration"))
    )
    span = None if (start, seconds) == (0, whole) else (start, start + seconds)
    return folder.audio(source["source"], place, seconds, span)


def _objects(record: Mapping[str, Any], key: str, place: str) -> list[dict[str, Any]]:
    values = record.get(key)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise DataError(f"{place}: its {key!r} are not a list of objects, as in a cut of Lhotse")
    return values


def _seconds(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise DataError(f"{place}: a cut or its recording begins at, or is as long as, {value!r}, no number of seconds")
    return float(value)
