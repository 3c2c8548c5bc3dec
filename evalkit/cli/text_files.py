"""Texts by id, or by number of line, from the files in which recognisers and corpora keep them."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from evalkit.datasets.tables import LARGEST_FIELD, parsed_json
from evalkit.errors import DataError

_TRN = re.compile(r"(.*)\(([^()\s]+)\)\s*")
_Rows = Iterator[tuple[int, str, str]]


def read_texts(path: Path, *, ids: bool = False) -> dict[str, str]:
    """Read a file of texts: ``.trn``, ``.tsv``, ``.csv``, ``.jsonl``, or one text a line.

    Args:
        path: the file, in UTF-8.
        ids: whether the lines of a file of no such ending begin with an id.

    Returns:
        The texts by their ids, or by ``line N`` where lines have none, in the order of the file.

    Raises:
        DataError: it cannot be read, a line is not of the form, or an id stands in it twice.
    """
    lines = _lines(path)
    readers: dict[str, Callable[[Path, Sequence[str]], _Rows]] = {".trn": _trn, ".jsonl": _json_lines}
    suffix = path.suffix.lower()
    if suffix in (".tsv", ".csv"):
        rows = _table(path, lines, "\t" if suffix == ".tsv" else ",")
    elif suffix in readers:
        rows = readers[suffix](path, lines)
    else:
        rows = _kaldi(lines) if ids else ((number, f"line {number}", line) for number, line in _numbered(lines))
    texts: dict[str, str] = {}
    for number, identity, text in rows:
        if identity in texts:
            raise DataError(f"{path}, line {number}: the id '{identity}' stands in the file before")
        texts[identity] = text
    if not texts:
        raise DataError(f"{path}: holds no texts")
    return texts


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 ({error.reason} at byte {error.start})") from error
    except ValueError as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    # Not splitlines: other separators of lines may stand within a text.
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else []


def _numbered(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    return enumerate(lines, start=1)


def _trn(path: Path, lines: Sequence[str]) -> _Rows:
    for number, line in _numbered(lines):
        if not line.strip():
            continue
        match = _TRN.fullmatch(line)
        if match is None:
            raise DataError(f"{path}, line {number}: does not end with an id in parentheses")
        yield number, match[2], match[1].strip()


def _kaldi(lines: Sequence[str]) -> _Rows:
    for number, line in _numbered(lines):
        if line.strip():
            identity, *words = line.split(maxsplit=1)
            yield number, identity, words[0].strip() if words else ""


def _table(path: Path, lines: Sequence[str], delimiter: str) -> _Rows:
    csv.field_size_limit(LARGEST_FIELD)
    # Nothing is quoted in a table of tabs: a quotation mark there belongs to the text.
    rows = csv.reader(
        (f"{line}\n" for line in lines),
        delimiter=delimiter,
        quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL,
    )
    heading = [name.strip() for name in next(rows, [])]
    for column in ("id", "text"):
        if heading.count(column) != 1:
            raise DataError(f"{path}: needs one column '{column}'; its columns are {', '.join(heading)}")
    for row in rows:
        if row and len(row) != len(heading):
            raise DataError(f"{path}, line {rows.line_num}: {len(row)} fields under {len(heading)} columns")
        if row:
            yield rows.line_num, row[heading.index("id")], row[heading.index("text")]


def _json_lines(path: Path, lines: Sequence[str]) -> _Rows:
    for number, line in _numbered(lines):
        if not line.strip():
            continue
        record = parsed_json(line, f"{path}, line {number}", halves=True)
        if not isinstance(record, dict) or not all(isinstance(record.get(key), str) for key in ("id", "text")):
            raise DataError(f"{path}, line {number}: not an object with texts under 'id' and 'text'")
        yield number, record["id"], record["text"]
