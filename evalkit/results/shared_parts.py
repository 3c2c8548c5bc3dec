"""What the requests of a role have in common, stored once: the turns of a conversation so far, and tool schemas.

A request of a long conversation names what came before its last message by the digest of the turn before, which names
the one before that: what a conversation of many rounds takes grows with its rounds, and not with their square.
"""

import hashlib
import json
import re
from array import array
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.errors import StoreError
from evalkit.results.role_log import RoleLog
from evalkit.types import Request, canonical_json

FOLDER = "asked"
_SHORT = 500  # characters of a request that stands in its line whole
_REMEMBERED = 1 << 14
_NAME = re.compile("[0-9a-f]{32}")
_Numbers = npt.NDArray[np.int64]


def parts_file(responses: Path) -> Path:
    """Return where the parts of the requests lie that a file of responses was asked by."""
    return responses.parent / FOLDER / responses.name


class SharedParts:
    """The parts that requests of one role share, for writing.

    Args:
        responses: the role's file of responses.
    """

    def __init__(self, responses: Path) -> None:
        self._path = parts_file(responses)
        self._log: _PartsLog | None = None
        self._written: set[str] = set()  # in this session: a part that is there twice does no harm

    def shortened(self, request: Request) -> str:
        """Return a request's content as JSON text, in which what others may share is named, and written if need be.

        Raises:
            StoreError: a part cannot be written.
        """
        content = request.content()
        if len(content) <= _SHORT or (len(request.messages) == 1 and not request.tools):
            return content
        record = request.to_json()
        *before, last = record.pop("messages")
        shared = {}
        if before:
            shared["messages"] = self._conversation(before)
        if "tools" in record:
            # As it will be read back: in YAML keys may be numbers, which JSON turns into texts.
            shared["tools"] = self._named({"tools": json.loads(canonical_json(record.pop("tools")))})
        return canonical_json({**record, "messages": [last], "shared": shared})

    def close(self) -> None:
        """Close the file."""
        if self._log is not None:
            self._log.close()

    def _conversation(self, messages: list[dict[str, Any]]) -> str:
        name = ""
        for message in messages:
            name = self._named({"after": name, "message": message})
        return name

    def _named(self, part: Mapping[str, Any]) -> str:
        text = canonical_json(part)
        name = _digest(text)
        if name not in self._written:
            if self._log is None:
                self._log = _opened(self._path)
            self._log.append(f'{{"part":"{name}",{text[1:]}')
            if len(self._written) >= _REMEMBERED:
                self._written.clear()
            self._written.add(name)
        return name


class StoredParts:
    """The parts that requests of one role share, for reading; 16 bytes a part are held in memory once one is asked for.

    Args:
        responses: the role's file of responses.

    Raises:
        StoreError: the parts cannot be read; likewise from ``whole``.
    """

    def __init__(self, responses: Path) -> None:
        path = parts_file(responses)
        self._path = path
        self._log = _PartsLog(path, writable=False) if path.is_file() else None
        self._places = cache(self._read_places)
        self._known: dict[str, dict[str, Any]] = {}

    def whole(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a request as ``Request.to_json`` has it.

        Args:
            asked: what the line of its response has under ``asked``.

        Raises:
            StoreError: a part is not there, or is another than was stored.
        """
        shared = asked.get("shared")
        if not isinstance(shared, dict):
            return asked
        whole = {key: value for key, value in asked.items() if key != "shared"}
        if "messages" in shared:
            whole["messages"] = [*self._turns(shared["messages"]), *whole["messages"]]
        if "tools" in shared:
            whole["tools"] = self._part(shared["tools"], "tools")["tools"]
        return whole

    def close(self) -> None:
        """Close the file."""
        if self._log is not None:
            self._log.close()

    def _turns(self, latest: str) -> list[Any]:
        turns, name = [], latest
        while name:  # each is found by its digest, which holds the name of the one before: there is no circle
            part = self._part(name, "message")
            turns.append(part["message"])
            name = part["after"]
        return turns[::-1]

    def _part(self, name: object, kind: str) -> dict[str, Any]:
        if not isinstance(name, str):
            raise self._lacks(name)
        if name not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[name] = self._read(name)
        part = self._known[name]
        if kind not in part:
            raise self._lacks(name)
        return part

    def _read(self, name: str) -> dict[str, Any]:
        if self._log is None or not _NAME.fullmatch(name):
            raise self._lacks(name)
        numbers, offsets = self._places()
        first, last = (int(np.searchsorted(numbers, _number(name), side)) for side in ("left", "right"))
        for offset in offsets[first:last].tolist():
            part = self._log.read(offset)
            if part.pop("part") == name == _digest(canonical_json(part)):
                return part
        raise self._lacks(name)

    def _read_places(self) -> tuple[_Numbers, _Numbers]:
        numbers, offsets = array("q"), array("q")
        for offset, record in () if self._log is None else self._log.records():
            if _NAME.fullmatch(record["part"]):
                numbers.append(_number(record["part"]))
                offsets.append(offset)
        order = np.argsort(np.array(numbers, np.int64))
        return np.array(numbers, np.int64)[order], np.array(offsets, np.int64)[order]

    def _lacks(self, name: object) -> StoreError:
        return StoreError(f"{self._path}: lacks what requests refer to as {name}, or has it changed")


class _PartsLog(RoleLog):
    _fields: Mapping[str, type] = MappingProxyType({"part": str})
    _remedy = "put back the file as it was"


def _opened(path: Path) -> _PartsLog:
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path.parent}: cannot be made ({error.strerror})") from error
    return _PartsLog(path, writable=True)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _number(name: str) -> int:
    """Return 64 bits of a part's name."""
    return int.from_bytes(bytes.fromhex(name[:16]), "big", signed=True)
