"""Reads the benchmark's own layout: ``{basic,pro}/<subset>/test.jsonl`` with the recordings that it names.

Facts about the layout: github.com/Ruiqi-Yan/URO-Bench, commit 9e74bc0, and its data on the hub, Honggao/URO-Bench.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.audio import Audio
from evalkit.datasets import Dataset
from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.text_file import placed_lines
from evalkit.errors import DataError
from evalkit.types import Sample

GROUPS = ("emotion", "style", "requirement")
"""Columns that some subsets have: the speaker's or the wanted emotion, the wanted style, the wanted language."""

_FILE = "test.jsonl"
_BETWEEN_ANSWERS = " / "


class UroBenchSubset(Dataset):
    """One subset: a question a row, or a conversation of several rounds a row.

    A row of one round has ``id``, ``source_wav`` (relative to the file), ``source_text`` and ``target_text``, which may
    be a list of accepted answers or absent, where ``source_text`` is the answer. A row of several has ``id``,
    ``num_round`` and ``dialogue``, a list of such rounds. A sample has a recording and a reference for each round, the
    questions' wording as metadata ``questions``, and ``emotion``, ``style`` and ``requirement`` as groups.

    Args:
        path: the subset's folder, or its ``test.jsonl``.
        language: of the questions, or None where they are in several.
    """

    def __init__(self, path: str | Path, *, language: str | None = None) -> None:
        path = Path(path).expanduser()
        self._file = path if path.suffix == ".jsonl" else path / _FILE
        self._language = language
        self.source = str(self._file)

    @property
    def at_hand(self) -> bool:
        """Whether the subset lies on this machine."""
        return self._file.is_file()

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        if not self.at_hand:
            raise DataError(
                f"{self._file}: no such file; unpack URO-Bench-data.zip of the hub's Honggao/URO-Bench into data_root, "
                "or say where the subset lies with tasks.<name>.dataset.path="
            )
        folder = AudioFolder(self._file.parent)
        for place, line in placed_lines(self._file):
            if not line.isspace():
                yield place, self._sample(_row(line, place), folder, place)

    def _sample(self, row: Mapping[str, Any], folder: AudioFolder, place: str) -> Sample:
        identity = row.get("id")
        if isinstance(identity, bool) or not isinstance(identity, str | int) or identity == "":
            raise DataError(f"{place}: 'id' is {identity!r}, not a name or a number")
        rounds = _rounds(row, place)
        return Sample(
            str(identity),
            tuple(_recording(turn, folder, place) for turn in rounds),
            tuple(_reference(turn, place) for turn in rounds),
            self._language,
            {name: _text(row, name, place) for name in GROUPS if name in row},
            {"questions": [_text(turn, "source_text", place) for turn in rounds]},
        )


def _row(line: str, place: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON ({error})") from error
    if not isinstance(row, dict):
        raise DataError(f"{place}: not a JSON object; each line must be one, in braces")
    return row


def _rounds(row: Mapping[str, Any], place: str) -> Sequence[Mapping[str, Any]]:
    """The rounds of a conversation, or the row itself as its only one."""
    if "dialogue" not in row:
        return [row]
    rounds = row["dialogue"]
    if not isinstance(rounds, list) or not rounds or not all(isinstance(turn, dict) for turn in rounds):
        raise DataError(f"{place}: 'dialogue' is not a list of rounds, each an object in braces")
    if row.get("num_round") != len(rounds):
        raise DataError(f"{place}: 'num_round' is {row.get('num_round')!r}, but 'dialogue' has {len(rounds)} rounds")
    return rounds


def _recording(turn: Mapping[str, Any], folder: AudioFolder, place: str) -> Audio:
    path = _text(turn, "source_wav", place)
    if not path:
        raise DataError(f"{place}: 'source_wav' is empty; it must name a recording")
    return folder.audio(path, place)


def _reference(turn: Mapping[str, Any], place: str) -> str:
    answers = turn.get("target_text")
    if isinstance(answers, list) and answers and all(isinstance(answer, str) for answer in answers):
        return _BETWEEN_ANSWERS.join(answers)
    return _text(turn, "target_text" if "target_text" in turn else "source_text", place)


def _text(record: Mapping[str, Any], key: str, place: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise DataError(f"{place}: '{key}' is {value!r}, not a text")
    return value
