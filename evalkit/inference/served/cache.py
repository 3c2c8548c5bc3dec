"""Answers of served models, kept from one run to the next."""

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalkit.audio import Audio
from evalkit.errors import StoreError
from evalkit.file_systems import file_system_of
from evalkit.types import Request, Response

_FILE = "answers.sqlite"
_LOCK = ".lock"
_PATIENCE = 60  # seconds to wait for another process


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Where answers are kept, and of which roles.

    Attributes:
        folder: None for no cache.
        roles: whose answers are taken from it and put into it.
    """

    folder: Path | None = None
    roles: tuple[str, ...] = ("transcriber", "judge")


class AnswerCache:
    """Good answers by what was asked of which model; several processes may use one folder at once.

    The identity of an answer is the request's content with every recording replaced by a digest of its bytes, and the
    fingerprint of the model. An answer that failed is never kept. ``n`` replies to one question are one entry.

    Args:
        folder: made if it is not there.

    Raises:
        StoreError: the folder or the file in it cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
            self._prepare(folder)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def _prepare(self, folder: Path) -> None:
        # One process at a time: SQLite refuses, whatever its timeout, to have a new file set up by two at once.
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Write-ahead: readers and one writer do not wait for each other, and a kill leaves no half-written answer.
            # It shares memory between processes, which those on different machines do not have.
            self._database.execute(f"PRAGMA journal_mode={'DELETE' if file_system_of(folder).is_shared else 'WAL'}")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS answers (identity TEXT PRIMARY KEY, response TEXT NOT NULL, speech BLOB)"
            )
        finally:
            os.close(lock)

    def get(self, identity: str) -> Response | None:
        """Return the response stored under a key, marked as cached; None if there is none."""
        try:
            row = self._database.execute(
                "SELECT response, speech FROM answers WHERE identity = ?", (identity,)
            ).fetchone()
            if row is None:
                return None
            response = replace(Response.from_json(json.loads(row[0])), cached=True)
        except (sqlite3.Error, KeyError, TypeError, ValueError) as error:
            raise self._unusable(error) from error
        if row[1] is None:
            return response
        if not isinstance(row[1], bytes):
            raise self._unusable(TypeError("what was said is no recording"))
        speech: bytes = row[1]
        return replace(response, speech=Audio("cached speech", content=lambda: speech))

    def put(self, identity: str, response: Response) -> None:
        """Keep a good answer; a failed one is passed over."""
        if response.failed:
            return
        speech = None if response.speech is None else response.speech.encoded()
        text = json.dumps(response.to_json())
        try:
            self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (identity, text, speech))
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _unusable(self, error: Exception) -> StoreError:
        otherwise = "choose another cache.folder=, or do without by cache.folder=null"
        if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            return StoreError(
                f"{self._path}: another process has been holding the cache for {_PATIENCE} s; wait for its end, "
                + otherwise
            )
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        return StoreError(f"{self._path}: the cache cannot be used ({reason}); delete it, {otherwise}")


def identity(request: Request, fingerprint: Mapping[str, Any]) -> str:
    """Return the key of a stored response: a digest of the request's content, its recordings' bytes and the model.

    Raises:
        AudioError: a recording cannot be read.
    """
    recordings = iter([audio.digest() or _unnamed(audio) for audio in request.audio])
    content = json.loads(request.content())
    for message in content["messages"]:
        message["content"] = [
            part if isinstance(part, str) else {"audio": next(recordings)} for part in message["content"]
        ]
    text = json.dumps([content, fingerprint], sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=24).hexdigest()


def _unnamed(audio: Audio) -> str:
    """Return the digest of a recording that has none of its own, as what is no plain file has not."""
    return hashlib.blake2b(audio.encoded(), digest_size=16).hexdigest()
