"""One role's record of calls: a file of JSON Lines that is only appended to, and torn at most in its last line."""

import json
import os
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zlib import crc32

from evalkit.errors import StoreError

_PIECE = 1 << 20  # bytes that are copied at once
_READ_AT_ONCE = 1 << 14  # bytes: the record that is asked for next mostly lies next
_JSON_SPACE = " \t\n\r"
_read_value = json.JSONDecoder().raw_decode


class RoleLog:
    """One JSON Lines file, appended to line by line and read at the offsets of its records.

    Args:
        path: the file.
        writable: False to read what is there; True makes the file if it is not, and cuts a torn last line off.

    Attributes:
        path: the file.
        end: bytes of its whole records.
        torn: whether the file ended within a line, which is no record.

    Raises:
        StoreError: the file cannot be opened; from the methods, it cannot be read or written, or is damaged.
    """

    _fields: Mapping[str, type] = MappingProxyType({"sample": str, "call": int, "request": str, "response": object})
    _remedy = "delete that line to have its call asked again"

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.path = path
        self._latest = 0, b""  # what was read last, and where it begins
        if path.exists() and not path.is_file():
            raise StoreError(f"{path}: is not a plain file")
        try:
            flags = (os.O_RDWR | os.O_CREAT) if writable else os.O_RDONLY
            self._file = os.open(path, flags, 0o666)
            size = os.fstat(self._file).st_size
            self.end = self._end_of_last_whole_line(size)
            self.torn = self.end < size
            if self.torn and writable:
                os.ftruncate(self._file, self.end)
        except OSError as error:
            raise StoreError(f"{path}: cannot be opened ({error.strerror})") from error

    def records(self, offset: int = 0, number: int = 1) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield every record with its offset, in the order of writing.

        Args:
            offset: of the first record wanted.
            number: of its line, for messages.
        """
        with self.path.open("rb") as file:
            file.seek(offset)
            for line_number, line in enumerate(file, start=number):
                if offset >= self.end:
                    break
                yield offset, self._parse(line, offset, line_number)
                offset += len(line)

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of all whole records, or of those in a part of the file, in pieces."""
        position, end = start, self.end if end is None else end
        while position < end:
            piece = os.pread(self._file, min(_PIECE, end - position), position)
            if not piece:
                raise StoreError(f"{self.path}: cut short while it was in use, at byte {position}")
            yield piece
            position += len(piece)

    def checksum(self, start: int = 0, before: int = 0, end: int | None = None) -> int:
        """Return the CRC-32 of the bytes of all whole records, or of those up to ``end``.

        Args:
            start: from where on bytes are read.
            before: the checksum of those before.
            end: byte after the last one.
        """
        return reduce(lambda checksum, piece: crc32(piece, checksum), self.pieces(start, end), before)

    def read(self, offset: int) -> dict[str, Any]:
        """Read the record that starts at ``offset``."""
        return self._parse(self._line(offset), offset)

    def read_last(self, offset: int, before: str) -> Any:
        """Read the last field of a record whose other fields are known; None of a record that begins otherwise.

        Args:
            offset: of the record.
            before: its JSON text up to that field.
        """
        text = self._line(offset).decode("utf-8", "surrogatepass")
        if not text.startswith(before):
            return None
        try:
            value, end = _read_value(text, len(before))
        except (ValueError, RecursionError):
            return None
        return value if text[end:] == "}" else None

    def append(self, text: str) -> int:
        """Write one record, as JSON text without line breaks, and return its offset."""
        line = _encode(text)
        start = self.end
        try:
            written = 0
            while written < len(line):
                written += os.pwrite(self._file, line[written:], start + written)
        except OSError as error:
            os.ftruncate(self._file, start)
            raise StoreError(
                f"{self.path}: cannot be written ({error.strerror}); the answers before are kept"
            ) from error
        self.end += len(line)
        return start

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _bytes_from(self, offset: int) -> bytes:
        """Read on from the start of a record, until the end of its line at the least."""
        read = b""
        while b"\n" not in read:
            piece = os.pread(self._file, _READ_AT_ONCE, offset + len(read))
            if not piece:
                raise StoreError(f"{self.path}: cut short while it was in use, at byte {offset + len(read)}")
            read += piece
        return read

    def _end_of_last_whole_line(self, size: int) -> int:
        position = size
        while position > 0:
            start = max(0, position - 65_536)
            newline = os.pread(self._file, position - start, start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            position = start
        return 0

    def _line(self, offset: int) -> bytes:
        start, piece = self._latest
        end = piece.find(b"\n", offset - start) if start <= offset else -1
        if end < 0:
            start, piece = self._latest = offset, self._bytes_from(offset)
            end = piece.index(b"\n")
        return piece[offset - start : end]

    def _parse(self, line: bytes, offset: int, line_number: int = 0) -> dict[str, Any]:
        record = self._value(line, offset, line_number)
        if not isinstance(record, dict):
            raise self._damaged(offset, line_number)
        for name, type_ in self._fields.items():
            if name not in record or not isinstance(record[name], type_):
                raise self._damaged(offset, line_number)
        return record

    def _value(self, text: bytes, offset: int, line_number: int = 0) -> Any:
        try:
            whole = text.decode("utf-8", "surrogatepass").strip(_JSON_SPACE)
            value, end = _read_value(whole)
        except (ValueError, RecursionError) as error:
            raise self._damaged(offset, line_number) from error
        if end < len(whole):
            raise self._damaged(offset, line_number)
        return value

    def _damaged(self, offset: int, line_number: int) -> StoreError:
        where = f"line {line_number}" if line_number else f"byte {offset}"
        return StoreError(f"{self.path}: {where} is damaged; {self._remedy}")


def _encode(text: str) -> bytes:
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:  # a model may answer with half of a surrogate pair, which JSON can only escape
        return json.dumps(json.loads(text), separators=(",", ":")).encode() + b"\n"
