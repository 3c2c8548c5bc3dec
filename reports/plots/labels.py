"""Titles as they stand in plots: not too long, and broken into lines."""

import textwrap

from evalkit.printable import printable

_LINE, _LINES = 30, 2


def wrapped(text: str, width: int = _LINE) -> str:
    """Return a title in at most two lines, shortened if need be; what nobody sees is spelled out."""
    lines = textwrap.wrap(printable(" ".join(text.split())), width)
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], f"{lines[_LINES - 1][: width - 1]}…"]
    return "\n".join(lines)
