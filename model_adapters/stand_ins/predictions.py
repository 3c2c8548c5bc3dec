"""Answers produced elsewhere, read from a file: scoring for people with inference code of their own."""

import glob
from collections.abc import Mapping, Sequence
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

_TASK = "{task}"
_SHOWN_IDS = 3

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
        self._answers: dict[str, dict[str, str]] = {}
        self._not_asked: dict[str, set[str]] = {}
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
            unused = [identity for identity in self._answers[key] if identity in self._not_asked[key]]
            if unused:
                shown = ", ".join(unused[:_SHOWN_IDS]) + (", …" if len(unused) > _SHOWN_IDS else "")
                total = len(self._answers[key])
                say(f"{self._file(key)}: {len(unused):,} of its {total:,} ids are of no sample asked: {shown}")

    def _respond(self, request: Request) -> Response:
        key = self._key(request.task)
        answers = self._answers_of(key)
        self._not_asked[key].discard(request.sample_id)
        if request.sample_id in answers:
            return Response(text=answers[request.sample_id])
        similar = "" if key in self._missed else hint(request.sample_id, answers)  # a search through all is slow
        self._missed.add(key)
        return Response(
            failure=Failure("refused", f"no prediction for {request.sample_id} in {self._file(key)}{similar}")
        )

    def _key(self, task: str) -> str:
        return task if _TASK in self._path else ""

    def _file(self, key: str) -> Path:
        return Path(self._path.replace(_TASK, key))

    def _answers_of(self, key: str) -> dict[str, str]:
        if key not in self._answers:
            self._answers[key] = self._read(self._file(key))
            self._not_asked[key] = set(self._answers[key])
        return self._answers[key]

    def _read(self, path: Path) -> dict[str, str]:
        answers: dict[str, str] = {}
        for place, row in placed_rows(path, halves=True):
            identity = self._identity(row, place)
            if identity in answers:
                rows = placed_rows(path, halves=True)
                first = next(earlier for earlier, row in rows if self._identity(row, earlier) == identity)
                raise DataError(f"{place}: id {identity!r} was already used at {first}; ids must be unique")
            answers[identity] = self._text(row, place)
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
