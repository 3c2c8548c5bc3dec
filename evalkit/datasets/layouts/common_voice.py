"""What data sets built on Common Voice share: its tables, and the names of its clips."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from evalkit.datasets.text_file import placed_lines
from evalkit.errors import DataError
from evalkit.hints import hint

CLIPS = "clips"
SENTENCES = "validated.tsv"


def table_rows(path: Path, columns: Sequence[str], *, header: bool = True) -> Iterator[tuple[str, Mapping[str, str]]]:
    r"""Rows of a tab-separated table, each with its place; nothing is quoted, and a backslash escapes what follows.

    Args:
        path: the table.
        columns: those that are needed; all that there are, in their order, if the table has no header.
        header: whether the first line names the columns.

    Raises:
        DataError: the file cannot be read, lacks a column, or has a row of another length than its header.
    """
    lines = (line for _, line in placed_lines(path))
    reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, escapechar="\\")
    try:
        names = next(reader, []) if header else list(columns)
        for column in columns:
            if column not in names:
                raise DataError(
                    f"{path}: no column {column!r}{hint(column, names)} (there are {', '.join(names) or 'none'})"
                )
        for values in reader:
            place = f"{path} line {reader.line_num}"
            if len(values) == len(names):
                yield place, dict(zip(names, values, strict=True))
            elif values:
                raise DataError(f"{place}: {len(values)} fields, expected {len(names)} ({', '.join(names)})")
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: {error}") from error


def clip_id(clip: str) -> str:
    """The name of a clip without its extension, by which its sample is known: ``common_voice_en_1``."""
    return clip.removesuffix(".mp3")


def column_by_clip(path: Path, column: str) -> dict[str, str]:
    """One column of a Common Voice or CoVoST table by the names of the clips.

    Raises:
        DataError: as ``table_rows`` does.
    """
    return {row["path"]: row[column] for _, row in table_rows(path, ("path", column))}
