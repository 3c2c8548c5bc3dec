"""Plain columns for the terminal, aligned also where text is Chinese or Japanese."""

from collections.abc import Sequence

from evalkit.printable import display_width, printable


def columns(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out left-aligned columns, two spaces apart, under a heading; what nobody sees in a cell is spelled out."""
    table = [heading, *([printable(text) for text in row] for row in rows)]
    widths = [max(display_width(row[column]) for row in table) for column in range(len(heading))]
    return "\n".join(
        "  ".join(text + " " * (width - display_width(text)) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )
