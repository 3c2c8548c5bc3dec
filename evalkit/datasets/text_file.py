"""Lines of UTF-8 text files, each with its place, so that every complaint can name file and line."""

from collections.abc import Iterator
from pathlib import Path

from evalkit.errors import DataError


def placed_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Each line with its line end, preceded by its place, ``FILE line NUMBER``; a byte order mark is dropped.

    Raises:
        DataError: the file cannot be opened or is not UTF-8.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror})") from error
    name = str(path)
    with file:
        for number, content in enumerate(file, 1):
            place = f"{name} line {number}"
            try:
                line = content.decode()
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{place}: byte {error.start + 1} of the line (0x{content[error.start]:02x}) "
                    "is not UTF-8; save the file again as UTF-8"
                ) from error
            yield place, line.removeprefix("\ufeff") if number == 1 else line


def keyed_lines(path: Path) -> Iterator[tuple[str, str, str]]:
    """Place, first word and rest of each line that is not blank, as in Kaldi's tables; the rest may be empty.

    Raises:
        DataError: the file cannot be opened or is not UTF-8.
    """
    for place, line in placed_lines(path):
        words = line.split(maxsplit=1)
        if words:
            yield place, words[0], words[1].rstrip() if len(words) > 1 else ""
