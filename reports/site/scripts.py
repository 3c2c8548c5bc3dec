"""Data as script files: a page that is opened from disk may load scripts, and nothing else, from its own folder."""

import json
import re
from collections.abc import Mapping
from typing import Any

# What would end a script or a line of it, what no text file should hold, and half characters, which none can.
_UNSAFE = re.compile(
    r"[<\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def call(function: str, *arguments: Any) -> str:
    r"""Return a script that calls a function of the pages with JSON values.

    >>> call("rows", "</script>")
    'evalkit.rows("\\u003c/script>");\n'
    """
    return f"evalkit.{function}({','.join(map(encoded, arguments))});\n"


def encoded(value: Any) -> str:
    """Return a value as JSON that is harmless in a script."""
    return _UNSAFE.sub(_escaped, _json(value))


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


class Shared:
    """Long values that occur more than once in a file, such as the question that a judge is asked each time.

    Attributes:
        values: what stands in the file once; elsewhere ``{"$": position}`` names it.
    """

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._known: dict[str, int] = {}

    def of(self, value: Any) -> Any:
        """Return a value in which every long text, and every list of tools, is named by its position."""
        if isinstance(value, str):
            return self._named(value, value) if len(value) >= _LONG else value
        if isinstance(value, Mapping):
            return {
                key: self._named(_json(item), item) if key == "tools" and item else self.of(item)
                for key, item in value.items()
            }
        return [self.of(item) for item in value] if isinstance(value, list) else value

    def _named(self, key: str, value: Any) -> dict[str, int]:
        if key not in self._known:
            self._known[key] = len(self.values)
            self.values.append(value)
        return {"$": self._known[key]}


_LONG = 80
