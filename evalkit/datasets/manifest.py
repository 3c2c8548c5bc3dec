"""Manifests: one row per sample in JSON Lines, a JSON array, CSV or TSV."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.columns import Columns, Row
from evalkit.datasets.dataset import Dataset
from evalkit.datasets.text_file import placed_lines
from evalkit.errors import ConfigurationError, DataError
from evalkit.types import Sample

MANIFEST_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv")


class Manifest(Dataset):
    """Rows of a JSON Lines (``.jsonl``), JSON (``.json``), CSV (``.csv``, quoted) or TSV (``.tsv``, unquoted) file.

    A row has ``id``, ``audio`` (a path relative to the manifest's folder), ``text`` (the reference, which may
    be empty), and, optionally, ``language`` or ``lang``, ``duration`` in seconds, and any columns more. A row
    without an id is known by the name of its audio file, without folder and extension: the same on every
    machine and in every order. A JSON file is one array of rows, and alone is held in memory as a whole.

    Args:
        path: the manifest.
        root: a folder that audio may not leave; by default the manifest's.
        columns, groups, metadata, where, language: see ``Columns``.

    Raises:
        ConfigurationError: the file name's extension or an option is unknown.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        root: str | Path | None = None,
        columns: Mapping[str, str | None] | None = None,
        groups: Mapping[str, str] | Sequence[str] = (),
        metadata: Mapping[str, str] | Sequence[str] = (),
        where: Mapping[str, Any] | None = None,
        language: str | None = None,
    ) -> None:
        self._path = Path(path).expanduser()
        self._root = root
        self._columns = Columns(columns, groups, metadata, where, language)
        self.source = str(self._path)
        if self._path.suffix.lower() not in MANIFEST_SUFFIXES:
            raise ConfigurationError(f"{self._path}: a manifest's name ends in {', '.join(MANIFEST_SUFFIXES)}")

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        columns, folder = self._columns, AudioFolder(self._path.parent, self._root)
        selection = columns.selection()
        for place, row in self._rows():
            if not selection.wants(row):
                continue
            path = columns.audio_path(row, place)
            audio = () if path is None else (folder.audio(path, place, columns.duration(row, place)),)
            yield place, columns.sample(row, place, columns.id(row, place, path), audio)
        selection.check(self.source)

    def _rows(self) -> Iterator[tuple[str, Row]]:
        suffix = self._path.suffix.lower()
        if suffix == ".csv":
            return self._table_rows(csv.reader(self._lines(), strict=True))
        if suffix == ".tsv":
            return self._table_rows(csv.reader(self._lines(), delimiter="\t", quoting=csv.QUOTE_NONE))
        return self._array_rows() if suffix == ".json" else self._json_rows()

    def _lines(self) -> Iterator[str]:
        return (line for _, line in placed_lines(self._path))

    def _json_rows(self) -> Iterator[tuple[str, Row]]:
        for place, line in placed_lines(self._path):
            if line.isspace():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"{place}: not JSON ({error.msg} at character {error.colno})") from error
            if not isinstance(row, dict):
                raise DataError(f"{place}: not a JSON object; each line must be one, in braces")
            yield place, row

    def _array_rows(self) -> Iterator[tuple[str, Row]]:
        try:
            rows = json.loads("".join(self._lines()))
        except json.JSONDecodeError as error:
            raise DataError(
                f"{self._path} line {error.lineno}: not JSON ({error.msg} at character {error.colno}); "
                "a file of one JSON object a line is named .jsonl"
            ) from error
        if not isinstance(rows, list):
            raise DataError(f"{self._path}: not a JSON array; a .json manifest is a list of objects")
        for number, row in enumerate(rows, 1):
            place = f"{self._path} item {number}"
            if not isinstance(row, dict):
                raise DataError(f"{place}: not a JSON object; each item must be one, in braces")
            yield place, row

    def _table_rows(self, reader: Any) -> Iterator[tuple[str, Row]]:
        """Rows of a ``csv.reader``; a row's place is the line it ends on."""
        name = str(self._path)
        try:
            header: list[str] = next(reader, [])
            self._columns.check(header, f"{name} line 1")
            for values in reader:
                place = f"{name} line {reader.line_num}"
                if len(values) == len(header):
                    yield place, dict(zip(header, values, strict=True))
                elif values:
                    raise DataError(f"{place}: {len(values)} fields, but the header names {len(header)}")
        except csv.Error as error:
            raise DataError(f"{name} line {reader.line_num}: {error}") from error
