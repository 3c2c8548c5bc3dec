"""Reads the benchmark's own layout: ``{basic,pro}/<subset>/test.jsonl`` with the recordings that it names, or tables.

Facts about the layout: github.com/Ruiqi-Yan/URO-Bench, commit 9e74bc0, and its data on the hub, Honggao/URO-Bench.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.audio import Audio
from evalkit.datasets import Dataset
from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.column_mapping import checked_id
from evalkit.datasets.tables import placed_rows
from evalkit.errors import DataError, first_line
from evalkit.types import Sample

GROUPS = ("emotion", "style", "requirement")
"""Columns that some subsets have: the speaker's or the wanted emotion, the wanted style, the wanted language."""

_FILE = "test.jsonl"
_TABLES = ("test-*.parquet", "test/*.parquet", "data/test-*.parquet")
_BETWEEN_ANSWERS = " / "
_ROUND_PARTS = ("source_wav", "source_text", "target_text")
_ROWS_AT_A_TIME = 64


class UroBenchSubset(Dataset):
    """One subset: a question a row, or a conversation of several rounds a row.

    A row of one round has ``id``, ``source_wav`` (relative to the file), ``source_text`` and ``target_text``, which may
    be a number, or a list of accepted answers, or absent, where ``source_text`` is the answer. A row of several has
    ``id``, ``num_round`` and ``dialogue``, a list of such rounds. In the hub's tables recordings are bytes, and the
    parts of several rounds are numbered, ``source_wav0``, ``source_wav1`` and so on. Where ids repeat, as the authors
    count rows instead, samples are known by the numbers of their rows.

    A sample has a recording and a reference for each round, the questions' wording as metadata ``questions``, and
    ``emotion``, ``style`` and ``requirement`` as groups.

    Args:
        path: the subset's folder, its ``test.jsonl``, or one of its tables.
        language: of the questions, or None where they are in several.
        root: a folder that recordings may not leave; by default the subset's.
    """

    def __init__(self, path: str | Path, *, language: str | None = None, root: str | Path | None = None) -> None:
        self._path = Path(path).expanduser()
        self._language = language
        self._root = root
        self.source = str(self._path if self._path.is_file() else self._path / _FILE)

    @property
    def at_hand(self) -> bool:
        """Whether the subset lies on this machine."""
        return bool(self._files())

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        if not self.at_hand:
            raise DataError(
                f"{self.source}: no such file; unpack URO-Bench-data.zip of the hub's Honggao/URO-Bench into "
                "data_root, or say where the subset lies with tasks.<name>.dataset.path="
            )
        ids = Counter(checked_id(row.get("id"), place) for place, row in self._rows(recordings=False))
        repeated = any(count > 1 for count in ids.values())
        for number, (place, row) in enumerate(self._rows()):
            sample_id = str(number) if repeated else str(row["id"])
            yield place, self._sample(row, sample_id, AudioFolder(Path(self._files()[0]).parent, self._root), place)

    def _files(self) -> list[Path]:
        if self._path.suffix in (".jsonl", ".parquet"):
            return [self._path] if self._path.is_file() else []
        if (self._path / _FILE).is_file():
            return [self._path / _FILE]
        return next((files for pattern in _TABLES if (files := sorted(self._path.glob(pattern)))), [])

    def _rows(self, *, recordings: bool = True) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for file in self._files():
            yield from _table_rows(file, recordings) if file.suffix == ".parquet" else placed_rows(file)

    def _sample(self, row: Mapping[str, Any], sample_id: str, folder: AudioFolder, place: str) -> Sample:
        rounds = _rounds(row, place)
        return Sample(
            sample_id,
            tuple(_recording(turn, folder, place) for turn in rounds),
            tuple(_reference(turn, place) for turn in rounds),
            self._language,
            {name: _text(row, name, place) for name in GROUPS if name in row},
            {"questions": [_text(turn, "source_text", place) for turn in rounds]},
        )


def _table_rows(file: Path, recordings: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield rows of a parquet file with their numbers; without recordings the ids alone, which are quick to read."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            number = 0
            for batch in table.iter_batches(_ROWS_AT_A_TIME, columns=None if recordings else ["id"]):
                for row in batch.to_pylist():
                    number += 1
                    # A table has the columns of all its rows in each.
                    yield f"{file} row {number}", {name: value for name, value in row.items() if value is not None}
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{file}: cannot be read as a table ({first_line(error)})") from error


def _rounds(row: Mapping[str, Any], place: str) -> Sequence[Mapping[str, Any]]:
    """Return the rounds of a conversation, or the row itself as its only one."""
    if "source_wav0" in row:
        rounds = [
            {part: row[f"{part}{number}"] for part in _ROUND_PARTS if f"{part}{number}" in row}
            for number in range(len(row))
        ]
        return [turn for turn in rounds if "source_wav" in turn]
    if "dialogue" not in row:
        return [row]
    rounds = row["dialogue"]
    if not isinstance(rounds, list) or not rounds or not all(isinstance(turn, dict) for turn in rounds):
        raise DataError(f"{place}: 'dialogue' is not a list of rounds, each an object in braces")
    if row.get("num_round") != len(rounds):
        raise DataError(f"{place}: 'num_round' is {row.get('num_round')!r}, but 'dialogue' has {len(rounds)} rounds")
    return rounds


def _recording(turn: Mapping[str, Any], folder: AudioFolder, place: str) -> Audio:
    wav = turn.get("source_wav")
    if isinstance(wav, Mapping) and isinstance(content := wav.get("bytes"), bytes):
        file = place.rpartition(" row ")[0]
        return Audio(str(wav.get("path") or place.rpartition("/")[2]), content=lambda: content, tables=(file,))
    path = _text(wav if isinstance(wav, Mapping) else turn, "path" if isinstance(wav, Mapping) else "source_wav", place)
    if not path:
        raise DataError(f"{place}: 'source_wav' is empty; it must name a recording")
    return folder.audio(path, place)


def _reference(turn: Mapping[str, Any], place: str) -> str:
    answers = turn.get("target_text")
    if isinstance(answers, int | float) and not isinstance(answers, bool):
        return str(answers)
    if isinstance(answers, list) and answers and all(isinstance(answer, str) for answer in answers):
        return _BETWEEN_ANSWERS.join(answers)
    return _text(turn, "target_text" if "target_text" in turn else "source_text", place)


def _text(record: Mapping[str, Any], key: str, place: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise DataError(f"{place}: '{key}' is {value!r}, not a text")
    return value
