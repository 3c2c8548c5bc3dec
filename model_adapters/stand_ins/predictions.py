"""Answers produced elsewhere, read from a file: scoring for people with inference code of their own."""

import glob
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.datasets.column_mapping import checked_id
from evalkit.datasets.tables import Row, placed_rows
from evalkit.errors import ConfigurationError, DataError
from evalkit.hints import hint
from evalkit.progress import say
from evalkit.types import Failure, Request, Response
from model_adapters.shared.weights import file_digest
from model_adapters.stand_ins.answer_file import AnswerFile

_TASK = "{task}"
_SHOWN_IDS = 3
_SEARCHED_IDS = 10_000

# The usual names, of which a row's first is taken. NeMo's files of predictions keep the reference as the text.
_ID_KEY = "id"
_AUDIO_KEYS = ("audio", "audio_filepath", "file_name")
_TEXT_KEYS = ("pred_text", "prediction", "hypothesis", "text", "transcription", "sentence")


class Predictions(ModelAdapter):
    """A file of answers, or one file per task, in the place of a model.

    The formats are those of ``evalkit.datasets.tables``: JSON Lines, JSON, CSV, TSV, ``.trn``, and Kaldi's ``text``. A
    sample without an answer in the file gets a failed response, and where there are such, the ids that no sample asked
    for are said in the end.

    Args:
        path: the file; ``{task}`` in it stands for the name of the task.
        id_key: key or column of the sample's id; by default ``id``, else the name of the recording in ``audio``,
            ``audio_filepath`` or ``file_name``, without folder and extension, as in manifests.
        text_key: key or column of the answer; by default ``pred_text``, ``prediction``, ``hypothesis``, ``text``,
            ``transcription`` or ``sentence``.

    Raises:
        ConfigurationError: there is no such file.
        DataError: the file cannot be read; the message names the line.
    """

    capabilities = Capabilities(sample_rate=None, batch_size=256)

    def __init__(self, path: str, *, id_key: str | None = None, text_key: str | None = None) -> None:
        self._path = path
        self._id_key = id_key
        self._text_key = text_key
        self._answers: dict[str, AnswerFile] = {}
        self._missed: set[str] = set()
        self._files = sorted(Path(name) for name in glob.glob(glob.escape(path).replace(_TASK, "*")))
        if not self._files:
            raise ConfigurationError(f"{path}: no such file of predictions")
        if _TASK not in path:
            self._answers_of("")

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Look each request's sample up in its task's file."""
        return [self._respond(request) for request in requests]

    def close(self) -> None:
        """Say which ids of a file no sample asked for, where samples found no answer."""
        for key in sorted(self._missed):
            count, first = self._answers[key].not_asked(_SHOWN_IDS)
            if count:
                shown = ", ".join(first) + (", …" if count > _SHOWN_IDS else "")
                total = len(self._answers[key])
                say(f"{self._file(key)}: {count:,} of its {total:,} ids are of no sample asked: {shown}")
        for answers in self._answers.values():
            answers.close()

    def _respond(self, request: Request) -> Response:
        key = self._key(request.task)
        answers = self._answers_of(key)
        text = answers.get(request.sample_id)
        if text is not None:
            return Response(text=text)
        # Once, as the search is slow, and ids that are written otherwise all are.
        similar = "" if key in self._missed else hint(request.sample_id, islice(answers, _SEARCHED_IDS))
        self._missed.add(key)
        return Response(
            failure=Failure("refused", f"no prediction for {request.sample_id} in {self._file(key)}{similar}")
        )

    def _key(self, task: str) -> str:
        return task if _TASK in self._path else ""

    def _file(self, key: str) -> Path:
        return Path(self._path.replace(_TASK, key))

    def _answers_of(self, key: str) -> AnswerFile:
        if key not in self._answers:
            self._answers[key] = self._read(self._file(key))
        return self._answers[key]

    def _read(self, path: Path) -> AnswerFile:
        rows = placed_rows(path, halves=True)
        answers = AnswerFile((self._identity(row, place), self._text(row, place)) for place, row in rows)
        if answers.twice is not None:
            places = (
                place for place, row in placed_rows(path, halves=True) if self._identity(row, place) == answers.twice
            )
            first, again = islice(places, 2)
            raise DataError(f"{again}: id {answers.twice!r} was already used at {first}; ids must be unique")
        return answers

    def _identity(self, row: Row, place: str) -> str:
        key = self._id_key or _ID_KEY
        if row.get(key) is not None:
            return checked_id(row[key], place)
        recording = None if self._id_key else next((row[key] for key in _AUDIO_KEYS if key in row), None)
        if not isinstance(recording, str) or not recording:
            raise DataError(_missing("id", (key,), row, place))
        return Path(recording).stem

    def _text(self, row: Row, place: str) -> str:
        keys = (self._text_key,) if self._text_key else _TEXT_KEYS
        key = next((key for key in keys if key in row), None)
        if key is None:
            raise DataError(_missing("answer", keys, row, place))
        text = row[key]
        if not isinstance(text, str):
            raise DataError(f'{place}: {key!r} is {text!r}, not a text; an empty answer is written ""')
        return text

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the content of the files that the path stands for."""
        return {
            "adapter": "predictions",
            "sha256": [file_digest(path) for path in self._files],
            "keys": [self._id_key, self._text_key],
        }


def _missing(what: str, keys: Sequence[str], row: Row, place: str) -> str:
    similar = hint(keys[0], row)
    option = {"id": "id_key", "answer": "text_key"}[what]
    return (
        f"{place}: no {what} under {' or '.join(map(repr, keys))}{similar} (there are {', '.join(row)}; "
        f"model.{option}= says which to use)"
    )
