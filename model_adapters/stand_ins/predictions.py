"""Answers produced elsewhere, read from a file: scoring for people with inference code of their own."""

import csv
import glob
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.errors import ConfigurationError
from evalkit.types import Failure, Request, Response
from model_adapters.shared.weights import file_digest

_TASK = "{task}"
_DELIMITERS = {".csv": ",", ".tsv": "\t"}


class Predictions(ModelAdapter):
    """A file of answers, or one file per task, in the place of a model.

    The ending of the name tells the format: ``.jsonl`` or ``.json`` for JSON Lines, one object with an id and a text
    per line; ``.csv`` and ``.tsv`` for tables with a heading; anything else for Kaldi's ``text`` files, an id and the
    words after it on each line. All are UTF-8. A sample without an answer in the file gets a failed response.

    Args:
        path: the file; ``{task}`` in it stands for the name of the task.
        id_key: key or column of the sample's id.
        text_key: key or column of the answer.

    Raises:
        ConfigurationError: there is no such file.
    """

    capabilities = Capabilities(sample_rate=None, batch_size=256)

    def __init__(self, path: str, *, id_key: str = "id", text_key: str = "text") -> None:
        self._path = path
        self._id_key = id_key
        self._text_key = text_key
        self._answers: dict[str, dict[str, str]] = {}
        self._files = sorted(Path(name) for name in glob.glob(glob.escape(path).replace(_TASK, "*")))
        if not self._files:
            raise ConfigurationError(f"{path}: no such file of predictions")
        if _TASK not in path:
            self._answers_of("")

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Look each request's sample up in its task's file."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Request) -> Response:
        text = self._answers_of(request.task).get(request.sample_id)
        if text is None:
            path = self._path.replace(_TASK, request.task)
            return Response(failure=Failure("refused", f"no prediction for {request.sample_id} in {path}"))
        return Response(text=text)

    def _answers_of(self, task: str) -> dict[str, str]:
        key = task if _TASK in self._path else ""
        if key not in self._answers:
            self._answers[key] = self._read(Path(self._path.replace(_TASK, key)))
        return self._answers[key]

    def _read(self, path: Path) -> dict[str, str]:
        answers: dict[str, str] = {}
        lines: dict[str, int] = {}
        for line, identity, text in self._rows(path):
            if identity in answers:
                raise ConfigurationError(f"{path}: id '{identity}' stands in line {lines[identity]} and in line {line}")
            answers[identity] = text
            lines[identity] = line
        return answers

    def _rows(self, path: Path) -> Iterator[tuple[int, str, str]]:
        """Line number, id and text of every answer."""
        suffix = path.suffix.lower()
        if suffix in (".jsonl", ".json"):
            return self._json_rows(path)
        if suffix in _DELIMITERS:
            return self._table_rows(path, _DELIMITERS[suffix])
        return _kaldi_rows(path)

    def _json_rows(self, path: Path) -> Iterator[tuple[int, str, str]]:
        for number, line in _text_lines(path):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                raise ConfigurationError(f"{path}, line {number}: not a JSON object ({error})") from error
            if not isinstance(record, dict):
                raise ConfigurationError(f"{path}, line {number}: not a JSON object")
            for key in (self._id_key, self._text_key):
                if not isinstance(record.get(key), str):
                    raise ConfigurationError(
                        f"{path}, line {number}: no text under the key '{key}'; its keys are {', '.join(record)}"
                    )
            yield number, record[self._id_key], record[self._text_key]

    def _table_rows(self, path: Path, delimiter: str) -> Iterator[tuple[int, str, str]]:
        rows = csv.reader((line for _, line in _text_lines(path)), delimiter=delimiter, strict=True)
        try:
            heading = next(rows, [])
            for key in (self._id_key, self._text_key):
                if heading.count(key) != 1:
                    raise ConfigurationError(f"{path}: needs one column '{key}'; its columns are {', '.join(heading)}")
            id_column, text_column = heading.index(self._id_key), heading.index(self._text_key)
            for row in rows:
                if row and len(row) != len(heading):
                    raise ConfigurationError(
                        f"{path}, line {rows.line_num}: {len(row)} fields under {len(heading)} columns"
                    )
                if row:
                    yield rows.line_num, row[id_column], row[text_column]
        except csv.Error as error:
            raise ConfigurationError(f"{path}, line {rows.line_num}: {error}") from error

    def fingerprint(self) -> Mapping[str, Any]:
        """The content of the files that the path stands for."""
        return {
            "adapter": "predictions",
            "sha256": [file_digest(path) for path in self._files],
            "keys": [self._id_key, self._text_key],
        }


def _kaldi_rows(path: Path) -> Iterator[tuple[int, str, str]]:
    for number, line in _text_lines(path):
        if line.strip():
            identity, *words = line.split(maxsplit=1)
            yield number, identity, words[0].rstrip() if words else ""


def _text_lines(path: Path) -> Iterable[tuple[int, str]]:
    """The numbered lines of a UTF-8 file, with their ends."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}, line {number}: not UTF-8 ({error.reason})") from error
