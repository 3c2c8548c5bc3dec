"""The folders in which the benchmark's authors distribute it, and the choice between these and the hub's tables."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from evalkit.audio import Audio
from evalkit.datasets import Dataset, open_dataset
from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.tables import placed_rows
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
        root: a folder that recordings may not leave; by default ``path``.
    """

    def __init__(self, path: str | Path, *, language: str | None = "zh", root: str | Path | None = None) -> None:
        self._path = Path(path).expanduser()
        self._root = root
        self._language = language
        self.source = str(self._path)

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        folder = AudioFolder(self._path, self._root)
        for dimension in DIMENSIONS:
            if not (self._path / dimension).is_dir():
                continue
            for place, entry in placed_rows(self._path / dimension / f"{dimension}.json"):
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
    """Return the authors' folders if they lie at ``path``, else whatever ``open_dataset`` finds there or on the hub.

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
            return DimensionFolders(place, language=language, root=options.get("root"))
    return open_dataset(folder, hub=hub, language=language, **options)


def _text(record: Mapping[str, Any], key: str, place: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{place}: {key!r} is {value!r}, not a text")
    return value
