"""Rows of the tables that people have: the one reader of manifests, predictions and corpora's own lists.

The end of a file's name tells the format; ``.gz`` after it is unpacked on the way.

- ``.jsonl``, ``.ndjson``: a JSON object a line
- ``.list``: wenet's, the same, with ``key``, ``wav`` and ``txt`` for ``id``, ``audio`` and ``text``
- ``.json``: an array of objects, which alone is held in memory as a whole, or an object a line (NeMo)
- ``.csv``: quoted as spreadsheets do
- ``.tsv``: not quoted, nothing is escaped: a quotation mark is one
- ``.trn``: ``words (id)`` a line, as sclite reads them
- ``.ctm``: a recognised word with its time a line, as sclite reads them; a row is all of a recording
- ``.txt`` and names without an end, such as Kaldi's ``text``: the id, then the words, a line
"""

import csv
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.datasets.nist import ctm_rows, trn_rows
from evalkit.datasets.text_file import keyed_lines, placed_lines
from evalkit.errors import DataError

Row = Mapping[str, Any]
Check = Callable[[Collection[str], str], None]

MANIFEST_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".ndjson", ".list")
"""Of tables with named columns, in the order in which a folder is searched for one; ``.gz`` may follow."""

_WENET_NAMES = {"key": "id", "wav": "audio", "txt": "text"}
LARGEST_FIELD = 2**31 - 1


def table_suffix(path: Path) -> str:
    """Return the end of a table's name in lower case, without ``.gz``."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def placed_rows(path: Path, check: Check | None = None, *, halves: bool = False) -> Iterator[tuple[str, Row]]:
    """Read rows, each with its place, ``FILE line NUMBER``, which of a CSV row is the line that it ends on.

    Args:
        path: the table.
        check: given the columns of a CSV or TSV table and the place of its heading, before any row is read.
        halves: whether texts may hold halves of characters, as what models write may; see ``parsed_json``.

    Raises:
        DataError: the file cannot be read, or a row is malformed; the message names it.
    """
    suffix = table_suffix(path)
    if suffix == ".csv":
        return _csv_rows(path, check)
    if suffix == ".tsv":
        return _tsv_rows(path, check)
    if suffix == ".json":
        return _json_rows(path, halves)
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines(placed_lines(path), halves)
    if suffix == ".list":
        return _wenet_rows(path, halves)
    readers = {".trn": trn_rows, ".ctm": ctm_rows}
    return readers.get(suffix, _keyed_rows)(path)


def parsed_json(text: str, place: str, *, halves: bool = False) -> Any:
    """Return the value of a JSON text.

    Args:
        text: to be parsed.
        place: where it stands.
        halves: whether it may hold halves of characters, one half of a surrogate pair, which nothing can store.

    Raises:
        DataError: it is not JSON, nested beyond reason, or holds half of a character, which nothing could store.
    """
    try:
        value = json.loads(text)
        if "\\u" in text and not halves:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise DataError(f"{place}: not JSON ({error.msg} at character {error.colno})") from error
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])[1:-1]
        raise DataError(f"{place}: holds half of a character ({half} alone); write the whole character") from error
    except RecursionError as error:
        raise DataError(f"{place}: not JSON that can be read (nested too deep)") from error
    except ValueError as error:
        raise DataError(f"{place}: not JSON that can be read ({error})") from error
    return value


def _json_lines(lines: Iterator[tuple[str, str]], halves: bool) -> Iterator[tuple[str, Row]]:
    for place, line in lines:
        if line.isspace():
            continue
        row = parsed_json(line, place, halves=halves)
        if not isinstance(row, dict):
            raise DataError(f"{place}: not a JSON object; each line must be one, in braces")
        yield place, row


def _wenet_rows(path: Path, halves: bool) -> Iterator[tuple[str, Row]]:
    for place, row in _json_lines(placed_lines(path), halves):
        yield place, {_WENET_NAMES.get(name, name): value for name, value in row.items()}


def _json_rows(path: Path, halves: bool) -> Iterator[tuple[str, Row]]:
    lines = list(placed_lines(path))
    first = next((line.lstrip() for _, line in lines if not line.isspace()), "")
    if first.startswith("{"):
        yield from _json_lines(iter(lines), halves)
        return
    text = "".join(line for _, line in lines)
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path} line {error.lineno}: not JSON ({error.msg} at character {error.colno})") from error
    except RecursionError:
        rows = parsed_json(text, str(path))
    except ValueError as error:
        raise DataError(f"{path}: not JSON that can be read ({error})") from error
    if not isinstance(rows, list):
        raise DataError(f"{path}: not a JSON array; a .json table is a list of objects, or an object a line")
    for number, row in enumerate(rows, 1):
        place = f"{path} item {number}"
        if not isinstance(row, dict):
            raise DataError(f"{place}: not a JSON object; each item must be one, in braces")
        if "\\u" in text and not halves:
            parsed_json(json.dumps(row), place)
        yield place, row


def _csv_rows(path: Path, check: Check | None) -> Iterator[tuple[str, Row]]:
    # A recogniser that loops, or hours of speech, give more than the usual 131,072 characters.
    csv.field_size_limit(LARGEST_FIELD)
    reader = csv.reader((line for _, line in placed_lines(path)), strict=True)
    try:
        header = _checked_header(next(reader, []), path, check)
        for values in reader:
            if values:
                place = f"{path} line {reader.line_num}"
                yield place, _row(header, values, place)
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: {error}") from error


def _tsv_rows(path: Path, check: Check | None) -> Iterator[tuple[str, Row]]:
    header: list[str] | None = None
    for place, line in placed_lines(path):
        line = line.rstrip("\r\n")
        if header is None:
            header = _checked_header(line.split("\t"), path, check)
        elif line:
            yield place, _row(header, line.split("\t"), place)
    if header is None:
        _checked_header([], path, check)


def _checked_header(header: list[str], path: Path, check: Check | None) -> list[str]:
    place = f"{path} line 1"
    if check is not None:
        check(header, place)
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{place}: the column {twice!r} is there {header.count(twice)} times; rename all but one")
    return header


def _row(header: list[str], values: list[str], place: str) -> Row:
    if len(values) != len(header):
        raise DataError(f"{place}: {len(values)} fields, but the header names {len(header)}")
    return dict(zip(header, values, strict=True))


def _keyed_rows(path: Path) -> Iterator[tuple[str, Row]]:
    for place, key, text in keyed_lines(path):
        yield place, {"id": key, "text": text}
