"""Digests of recordings' files, remembered beside size and times, so that a million files are read once only.

They are kept for the process, and for later ones in ``recordings.sqlite`` of the cache folder (``EVALKIT_CACHE``, else
``evalkit`` in ``XDG_CACHE_HOME`` or ``~/.cache``), which may be deleted at any time. Where nothing can be kept, digests
are made anew.
"""

import atexit
import hashlib
import os
import sqlite3
import stat
import threading
import time
from functools import cache
from pathlib import Path

from evalkit.file_systems import cache_folder

DIGEST_BYTES = 16

# A file that was changed so shortly before it was read may change again without its times showing it.
_SETTLED_NANOSECONDS = 100_000_000
_KEPT_AT_A_TIME = 1000
_REMEMBERED = 1 << 16
_SECONDS_TO_WAIT = 1.0
_TABLE = (
    "CREATE TABLE IF NOT EXISTS recordings (path TEXT PRIMARY KEY, state BLOB NOT NULL, digest BLOB NOT NULL)"
    " WITHOUT ROWID"
)


def file_digest(path: str) -> str | None:
    """Return the hexadecimal BLAKE2b digest of a file's bytes, or None if there is no plain file that can be read."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    state = _digested(
        f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino} {status.st_dev}".encode()
    )
    index = _index(str(cache_folder()))
    path = os.path.abspath(path)
    digest = index.get(path, state)
    if digest is None:
        try:
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).digest()
        except OSError:
            return None
        if time.time_ns() - status.st_ctime_ns > _SETTLED_NANOSECONDS:
            index.put(path, state, digest)
    return digest.hex()


def content_digest(content: bytes) -> str:
    """Return the hexadecimal BLAKE2b digest of a recording's bytes, the one that a file of them has."""
    return _digested(content).hex()


def _digested(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


@cache
def _index(folder: str) -> "_Index":
    return _Index(Path(folder) / "recordings.sqlite")


class _Index:
    """Digests by path and state of the file; safe to use from several threads and processes.

    The memory that they take is bounded: beyond so many they are looked up in the file.
    """

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._known: dict[bytes, bytes] = {}
        self._new: list[tuple[str, bytes, bytes]] = []
        self._database = _opened(file)
        atexit.register(self._keep)

    def get(self, path: str, state: bytes) -> bytes | None:
        key = _digested(state + os.fsencode(path))
        with self._lock:
            known = self._known.get(key)
            if known is None and self._database is not None:
                known = self._kept(path, state)
                if known is not None:
                    self._remember(key, known)
            return known

    def put(self, path: str, state: bytes, digest: bytes) -> None:
        with self._lock:
            self._remember(_digested(state + os.fsencode(path)), digest)
            self._new.append((_text(path), state, digest))
            if len(self._new) >= _KEPT_AT_A_TIME:
                self._keep()

    def _remember(self, key: bytes, digest: bytes) -> None:
        if len(self._known) >= _REMEMBERED:
            self._keep()
            self._known.clear()
        self._known[key] = digest

    def _kept(self, path: str, state: bytes) -> bytes | None:
        assert self._database is not None  # noqa: S101 - the caller has looked
        try:
            query = "SELECT digest FROM recordings WHERE path = ? AND state = ?"
            row = self._database.execute(query, (_text(path), state)).fetchone()
        except sqlite3.Error:
            self._database = None
            return None
        return None if row is None else bytes(row[0])

    def _keep(self) -> None:
        new, self._new = self._new, []
        if self._database is None:
            return
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO recordings VALUES (?, ?, ?)", new)
        except sqlite3.Error:
            self._database = None


def _opened(file: Path) -> sqlite3.Connection | None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(file, timeout=_SECONDS_TO_WAIT, check_same_thread=False)
        database.execute("PRAGMA synchronous = OFF")  # what is lost is made again
        database.execute(_TABLE)
    except (OSError, sqlite3.Error):
        return None
    return database


def _text(path: str) -> str:
    """Return a path whose name is not UTF-8 as text that a database can hold."""
    return path.encode("utf-8", "backslashreplace").decode()
