"""Reading the JSON of servers as they are: what is not as documented is told apart from what is not there."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

_LARGEST_COUNT = 2**53
_MOST_DIGITS = 19  # of a whole number; no server has a use for more
_LONGEST_SHOWN = 80
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_DATA_URL = re.compile(r"\s*data:[^,]{0,100},", re.IGNORECASE)
_PYTHON_BYTES = re.compile(r"\s*b'([^']*)'\s*")
_WHITE_SPACE = re.compile(r"\s+")


def parsed(document: bytes | str) -> Any:
    """Return the values of a JSON document; numbers that JSON does not have, or that are past all bounds, as None.

    Raises:
        ValueError: it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(document, parse_constant=lambda _: None, parse_int=_whole, parse_float=_finite)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None


def fields(value: Any) -> Mapping[str, Any]:
    """Return a JSON object, an empty one in place of anything else."""
    return value if isinstance(value, Mapping) else {}


def plain(text: str) -> str:
    """Return a text with every half of a surrogate pair replaced, which no file could hold."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def count(record: Mapping[str, Any], name: str, notes: list[str], *, whole: bool = True) -> float:
    """Return a count of something, 0 where it is absent or unreadable; the latter adds to the notes.

    Args:
        record: where it stands.
        name: under which name.
        notes: to add to.
        whole: whether it must be a whole number.
    """
    value = record.get(name)
    if value is None:
        return 0
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LARGEST_COUNT:
        if not whole:
            return value
        if value % 1 == 0:
            return int(value)
    note(notes, f"usage: {name} is {shown(value)}, which is no count")
    return 0


def decoded_base64(text: str) -> bytes:
    """Return what base64 stands for, be it in lines, in a data URL, in URL-safe or escaped letters or without padding.

    Raises:
        ValueError: it is no base64.
    """
    import pybase64

    if match := _DATA_URL.match(text):
        text = text[match.end() :]
    elif match := _PYTHON_BYTES.fullmatch(text):
        text = match[1]
    if "%" in text:
        text = unquote(text)
    text = _WHITE_SPACE.sub("", text).rstrip("=")
    if "-" in text or "_" in text:
        text = text.replace("-", "+").replace("_", "/")
    try:
        return pybase64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise ValueError("its sound is no base64") from None


def note(notes: list[str], line: str) -> None:
    """Add a line to notes that do not have it yet."""
    if line not in notes:
        notes.append(line)


def shown(value: Any) -> str:
    """Return a value as a message may quote it: on one line, and cut."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _whole(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MOST_DIGITS else None


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None
