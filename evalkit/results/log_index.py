"""Where the records of a role's log lie, kept in a file beside the log so that a gigabyte is not parsed to open it.

The index belongs to exactly the bytes that it was made of: it holds their number and checksum, so that clocks, copies
and edits cannot mislead it. What the log has beyond them is read and taken up; an index of other bytes, of another
version or damaged is made anew. It holds nothing that the log does not, and may be deleted.
"""

import hashlib
import json
import logging
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from evalkit.errors import StoreError, one_line
from evalkit.results.role_log import RoleLog
from evalkit.results.usage import RoleUsage
from evalkit.types import Response

_log = logging.getLogger("evalkit")

_VERSION = 1
_ENTRY = np.dtype([("key", "<i8"), ("offset", "<i8"), ("kind", "i1")])
_Entries = npt.NDArray[np.void]
_GOOD, _FAILED, _UNSOUND = range(3)
_LEAST_ADDED = 50_000  # records between two writings of the file; later a quarter of what there is


class LogIndex:
    """The places of a log's records, by sample and call, and what they took; 17 bytes a record, on disk and in memory.

    Args:
        log: the records.
        writable: whether the index may write its file.

    Attributes:
        usage: what the sound responses of the log took.

    Raises:
        StoreError: the log cannot be read or is damaged.
    """

    def __init__(self, log: RoleLog, *, writable: bool) -> None:
        self._log = log
        self._path = log.path.with_suffix(".index")
        self._writable = writable
        self._order(np.empty(0, _ENTRY))
        self._added: dict[int, list[tuple[int, int]]] = {}
        self._count = 0  # of those added
        self._covered, self._checksum = 0, 0  # bytes of the log that the entries are of
        self.usage = RoleUsage()
        if self._path.is_file():
            self._load()
        if self._covered < log.end:
            for offset, record in log.records(self._covered, len(self._keys) + 1):
                self._take(record["sample"], record["call"], offset, sound_response(record))
                if self._is_due():
                    self._fold()
        self._opened_at = log.end

    def find(self, sample_id: str, call: int, *, failed: bool = True) -> Iterator[int]:
        """Yield where sound records of a call lie, the latest first; seldom also another one of the same 64 bits.

        Args:
            sample_id: the sample.
            call: place in its chain.
            failed: whether failures count that were there when the log was opened.
        """
        key = _key(sample_id, call)
        place = bisect_left(self._keys, key)
        places: list[tuple[int, int]] = []
        while place < len(self._keys) and self._keys[place] == key:
            places.append((self._offsets[place], self._kinds[place]))
            place += 1
        places += self._added.get(key, ())
        for offset, kind in reversed(places):
            if kind == _GOOD or (kind == _FAILED and (failed or offset >= self._opened_at)):
                yield offset

    def add(self, sample_id: str, call: int, offset: int, response: Response) -> None:
        """Take up the record that was appended to the log last."""
        self._take(sample_id, call, offset, response)
        if self._is_due():
            self.keep()

    def keep(self) -> None:
        """Write the file, where it may be written and lacks something of the log.

        A file that cannot be written costs time at the next opening, and nothing else.
        """
        self._fold()
        if not self._writable or self._covered == self._log.end:
            return
        unfinished = self._path.with_name(self._path.name + ".unfinished")
        try:
            # Read again and not noted in passing: the checksum is of what lies there.
            checksum, end = self._log.checksum(self._covered, self._checksum), self._log.end
            about = {"version": _VERSION, "bytes": end, "checksum": checksum, "usage": self.usage.to_json()}
            content = json.dumps(about).encode() + b"\n" + self._entries().tobytes()
            unfinished.write_bytes(b"%08x\n" % crc32(content) + content)
            unfinished.replace(self._path)
        except (OSError, StoreError) as error:
            _log.info("%s: not written (%s); the next session reads the log in its place", self._path, one_line(error))
            return
        self._covered, self._checksum = end, checksum

    def _take(self, sample_id: str, call: int, offset: int, response: Response | None) -> None:
        kind = _UNSOUND if response is None else _FAILED if response.failed else _GOOD
        self._added.setdefault(_key(sample_id, call), []).append((offset, kind))
        self._count += 1
        if response is not None:
            self.usage.add(response)

    def _is_due(self) -> bool:
        return self._count >= max(_LEAST_ADDED, len(self._keys) // 4)

    def _fold(self) -> None:
        """Put what was added among the ordered entries."""
        added = [(key, *place) for key, places in self._added.items() for place in places]
        self._order(np.concatenate([self._entries(), np.array(added, _ENTRY)]))
        self._added.clear()
        self._count = 0

    def _order(self, entries: _Entries) -> None:
        """Order entries by key, and those of one key by offset; the values of a field lie side by side."""
        ordered = entries[np.lexsort((entries["offset"], entries["key"]))]
        self._keys, self._offsets, self._kinds = (ordered[name].copy().data for name in _ENTRY.names or ())

    def _entries(self) -> _Entries:
        """Return the ordered entries as they are written."""
        entries = np.empty(len(self._keys), _ENTRY)
        entries["key"], entries["offset"], entries["kind"] = self._keys, self._offsets, self._kinds
        return entries

    def _load(self) -> None:
        try:
            checksum, _, content = self._path.read_bytes().partition(b"\n")
            if int(checksum, 16) != crc32(content):
                raise ValueError("its checksum is another")
            head, _, entries = content.partition(b"\n")
            about = json.loads(head)
            version, end, of_log = about["version"], int(about["bytes"]), int(about["checksum"])
            usage, order = RoleUsage.from_json(about["usage"]), np.frombuffer(entries, _ENTRY)
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.info("%s: cannot be read (%s); made anew", self._path, one_line(error))
            return
        if version != _VERSION or not 0 <= end <= self._log.end or self._log.checksum(0, 0, end) != of_log:
            _log.info("%s: is not of the log beside it, or of another version; made anew", self._path)
            return
        self._order(order)
        self._covered, self._checksum, self.usage = end, of_log, usage


def sound_response(record: Mapping[str, Any]) -> Response | None:
    """Return the response of a record; None if it is none, as versions kept that took anything from an adapter."""
    try:
        return Response.from_json(record["response"])
    except ValueError:
        return None


def _key(sample_id: str, call: int) -> int:
    digest = hashlib.blake2b(f"{call} {sample_id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
