"""Plain columns for the terminal, aligned also where text is Chinese or Japanese."""

import unicodedata
from collections.abc import Sequence


def columns(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, two spaces apart, under a heading."""
    table = [heading, *rows]
    widths = [max(_width(row[column]) for row in table) for column in range(len(heading))]
    return "\n".join(
        "  ".join(text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
