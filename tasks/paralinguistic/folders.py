"""The folders in which the benchmark's authors distribute it, and the choice between these and the hub's tables."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from evalkit.audio import Audio
from evalkit.datasets import Dataset, open_dataset
from evalkit.datasets.audio_folder import AudioFolder
from evalkit.errors import DataError
from evalkit.types import Sample
from tasks.paralinguistic.dimensions import DIMENSIONS

_FOLDER_IN_REPOSITORY = "Step-Audio_Paralinguistic"  # of github.com/stepfun-ai/Step-Audio2


class DimensionFolders(Dataset):
    """``DIMENSION/DIMENSION.json`` with the recordings it names, ``DIMENSION/audio/*.wav``.

    The JSON is a list of ``{"audio": path, "task": {"name": …, "label": …, "answer": …}}``. Many recordings have the
    same name in several dimensions although another question is attached, so ids and audio names begin with the
    dimension. A dimension whose folder is absent has no samples.

    Args:
        path: the folder that holds the dimensions' folders.
        language: of all samples.
    """

    def __init__(self, path: str | Path, *, language: str | None = "zh") -> None:
        self._path = Path(path).expanduser()
        self._language = language
        self.source = str(self._path)

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        folder = AudioFolder(self._path)
        for dimension in DIMENSIONS:
            if not (self._path / dimension).is_dir():
                continue
            for place, entry in _entries(self._path / dimension / f"{dimension}.json"):
                audio = _text(entry, "audio", place)
                task = entry.get("task")
                if not isinstance(task, dict):
                    raise DataError(f"{place}: 'task' is {task!r}, not an object with name, label and answer")
                yield place, self._sample(dimension, folder.audio(f"{dimension}/{audio}", place), task, place)

    def _sample(self, dimension: str, audio: Audio, task: Mapping[str, Any], place: str) -> Sample:
        return Sample(
            f"{dimension}/{PurePosixPath(audio.locator).stem}",
            (audio,),
            (_text(task, "answer", place),),
            self._language,
            {"dimension": dimension},
            {"task_name": _text(task, "name", place), "label": _text(task, "label", place)},
        )


def open_questions(
    path: str | Path, *, hub: Mapping[str, Any] | None = None, language: str = "zh", **options: Any
) -> Dataset:
    """The authors' folders if they lie at ``path``, else whatever ``open_dataset`` finds there or on the hub.

    Args:
        path: a folder of dimensions, a clone of a repository that has one, or a data set with a group ``dimension``.
        hub: arguments of ``HubDataset``.
        language: of samples that do not name theirs.
        **options: further arguments of ``open_dataset``.

    Raises:
        ConfigurationError: an option is unknown.
    """
    folder = Path(path).expanduser()
    for place in (folder, folder / _FOLDER_IN_REPOSITORY):
        if any((place / dimension / f"{dimension}.json").is_file() for dimension in DIMENSIONS):
            return DimensionFolders(place, language=language)
    return open_dataset(folder, hub=hub, language=language, **options)


def _entries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each entry of a dimension's JSON with its place."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON in UTF-8 ({error})") from error
    if not isinstance(entries, list):
        raise DataError(f"{path}: not a list of entries")
    for number, entry in enumerate(entries, 1):
        place = f"{path} entry {number}"
        if not isinstance(entry, dict):
            raise DataError(f"{place}: not an object")
        yield place, entry


def _text(record: Mapping[str, Any], key: str, place: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{place}: {key!r} is {value!r}, not a text")
    return value
