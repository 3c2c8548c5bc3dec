"""Texts by id, or by number of line, from the files in which recognisers and corpora keep them."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from evalkit.datasets.tables import LARGEST_FIELD, parsed_json, placed_rows
from evalkit.errors import DataError

_Rows = Iterator[tuple[str, str, str]]


def read_texts(path: Path, *, ids: bool = False) -> dict[str, str]:
    """Read a file of texts: ``.trn``, ``.ctm``, ``.tsv``, ``.csv``, ``.jsonl``, or one text a line.

    Args:
        path: the file, in UTF-8.
        ids: whether the lines of a file of no such ending begin with an id.

    Returns:
        The texts by their ids, or by ``line N`` where lines have none, in the order of the file.

    Raises:
        DataError: it cannot be read, a line is not of the form, or an id stands in it twice.
    """
    suffix = path.suffix.lower()
    if suffix in (".trn", ".ctm"):
        rows: _Rows = ((place, row["id"], row["text"]) for place, row in placed_rows(path))
    elif suffix in (".tsv", ".csv"):
        rows = _table(path, _lines(path), "\t" if suffix == ".tsv" else ",")
    elif suffix == ".jsonl":
        rows = _json_lines(path, _lines(path))
    elif ids:
        rows = _kaldi(path, _lines(path))
    else:
        rows = ((place, f"line {number}", line) for number, (place, line) in enumerate(_placed(path, _lines(path)), 1))
    texts: dict[str, str] = {}
    for place, identity, text in rows:
        if identity in texts:
            raise DataError(f"{place}: the id '{identity}' stands in the file before")
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


def _placed(path: Path, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    return ((f"{path}, line {number}", line) for number, line in enumerate(lines, start=1))


def _kaldi(path: Path, lines: Sequence[str]) -> _Rows:
    for place, line in _placed(path, lines):
        if line.strip():
            identity, *words = line.split(maxsplit=1)
            yield place, identity, words[0].strip() if words else ""


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
        place = f"{path}, line {rows.line_num}"
        if row and len(row) != len(heading):
            raise DataError(f"{place}: {len(row)} fields under {len(heading)} columns")
        if row:
            yield place, row[heading.index("id")], row[heading.index("text")]


def _json_lines(path: Path, lines: Sequence[str]) -> _Rows:
    for place, line in _placed(path, lines):
        if not line.strip():
            continue
        record = parsed_json(line, place, halves=True)
        if not isinstance(record, dict) or not all(isinstance(record.get(key), str) for key in ("id", "text")):
            raise DataError(f"{place}: not an object with texts under 'id' and 'text'")
        yield place, record["id"], record["text"]
