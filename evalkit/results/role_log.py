"""One role's record of calls: a file of JSON Lines that is only appended to, and torn at most in its last line."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.errors import StoreError

_PIECE = 1 << 20  # bytes that are copied at once


class RoleLog:
    """One JSON Lines file, appended to line by line and read at the offsets it remembers.

    Args:
        path: the file.
        writable: False to read what is there; True makes the file if it is not, and cuts a torn last line off.

    Attributes:
        offsets: where records begin, by whatever their owner knows them by.
        torn: whether the file ended within a line, which is no record.

    Raises:
        StoreError: the file cannot be opened; from the methods, it cannot be read or written, or is damaged.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        self._path = path
        self.offsets: dict[int, int] = {}
        if path.exists() and not path.is_file():
            raise StoreError(f"{path}: is not a plain file")
        try:
            flags = (os.O_RDWR | os.O_CREAT) if writable else os.O_RDONLY
            self._file = os.open(path, flags, 0o666)
            size = os.fstat(self._file).st_size
            self._end = self._end_of_last_whole_line(size)
            self.torn = self._end < size
            if self.torn and writable:
                os.ftruncate(self._file, self._end)
        except OSError as error:
            raise StoreError(f"{path}: cannot be opened ({error.strerror})") from error

    def records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield every record with its offset, in the order of writing."""
        offset = 0
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if offset >= self._end:
                    break
                yield offset, self._parse(line, f"line {number}")
                offset += len(line)

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes of all whole records, in pieces."""
        position = 0
        while position < self._end:
            piece = os.pread(self._file, min(_PIECE, self._end - position), position)
            if not piece:
                raise StoreError(f"{self._path}: cut short while it was in use, at byte {position}")
            yield piece
            position += len(piece)

    def read(self, offset: int) -> dict[str, Any]:
        """Read the record that starts at ``offset``."""
        pieces: list[bytes] = []
        position = offset
        while True:
            piece = os.pread(self._file, 4096, position)
            if not piece:
                raise StoreError(f"{self._path}: cut short while it was in use, at byte {position}")
            head, newline, _ = piece.partition(b"\n")
            pieces.append(head)
            if newline:
                return self._parse(b"".join(pieces), f"byte {offset}")
            position += len(piece)

    def append(self, text: str) -> int:
        """Write one record, as JSON text without line breaks, and return its offset."""
        line = _encode(text)
        start = self._end
        try:
            written = 0
            while written < len(line):
                written += os.pwrite(self._file, line[written:], start + written)
        except OSError as error:
            os.ftruncate(self._file, start)
            raise StoreError(
                f"{self._path}: cannot be written ({error.strerror}); the answers before are kept"
            ) from error
        self._end += len(line)
        return start

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _end_of_last_whole_line(self, size: int) -> int:
        position = size
        while position > 0:
            start = max(0, position - 65_536)
            newline = os.pread(self._file, position - start, start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            position = start
        return 0

    def _parse(self, line: bytes, where: str) -> dict[str, Any]:
        try:
            record: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._damaged(where) from error
        if not (
            isinstance(record, dict)
            and isinstance(record.get("sample"), str)
            and isinstance(record.get("call"), int)
            and isinstance(record.get("request"), str)
            and "response" in record
        ):
            raise self._damaged(where)
        return record

    def _damaged(self, where: str) -> StoreError:
        return StoreError(f"{self._path}: {where} is damaged; delete that line to have its call asked again")


def _encode(text: str) -> bytes:
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:  # a model may answer with half of a surrogate pair, which JSON can only escape
        return json.dumps(json.loads(text), separators=(",", ":")).encode() + b"\n"
