"""Lines of UTF-8 text files, each with its place, so that every complaint can name file and line."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from evalkit.errors import DataError

_LONGEST_LINE = 1 << 30  # bytes; a few packed ones can stand for more than there is memory for


def placed_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each line with its line end, preceded by its place, ``FILE line NUMBER``; a byte order mark is dropped.

    What ends in ``.gz`` is unpacked on the way.

    Raises:
        DataError: the file cannot be opened, or a line cannot be read, is not UTF-8, or is longer than any text.
    """
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        file = cast(BinaryIO, opened(path, "rb"))
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror})") from error
    name = str(path)
    with file:
        number = 0
        while content := _line(file, f"{name} line {number + 1}"):
            number += 1
            place = f"{name} line {number}"
            try:
                line = content.decode()
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{place}: byte {error.start + 1} of the line (0x{content[error.start]:02x}) "
                    "is not UTF-8; save the file again as UTF-8"
                ) from error
            yield place, line.removeprefix("\ufeff") if number == 1 else line


def _line(file: BinaryIO, place: str) -> bytes:
    try:
        line = file.readline(_LONGEST_LINE)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{place}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if len(line) == _LONGEST_LINE:
        raise DataError(f"{place}: longer than {_LONGEST_LINE / 1e9:.1f} GB; this is no text file")
    return line


def keyed_lines(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield place, first word and rest of each line that is not blank, as in Kaldi's tables; the rest may be empty.

    Raises:
        DataError: the file cannot be opened or is not UTF-8.
    """
    for place, line in placed_lines(path):
        words = line.split(maxsplit=1)
        if words:
            yield place, words[0], words[1].rstrip() if len(words) > 1 else ""
