"""Texts unit below unit: rows that are broken together before they get too long."""

from collections.abc import Iterator, Sequence

from evalkit.printable import display_width

LINE_WIDTH = 110


def aligned_rows(labels: Sequence[str], columns: Sequence[Sequence[str]], width: int = LINE_WIDTH) -> Iterator[str]:
    """Yield lines for the eye: each row with its label in front, every column as wide as its widest cell.

    A row without a label marks what stands above it, and is left out of a block where it is empty.

    Args:
        labels: of the rows.
        columns: the cells, a text for each row.
        width: of a line, apart from its label; a cell that is wider has a line of its own.
    """
    margin = max(map(len, labels))
    for block in _blocks(columns, width):
        widths = [_width(column) for column in block]
        for row, label in enumerate(labels):
            cells = [column[row] for column in block]
            if label or any(cell.strip() for cell in cells):
                yield f"  {label:{margin}}  {_joined(cells, widths)}".rstrip()


def gap(text: str) -> str:
    """Return what stands in place of a unit that is missing opposite to a text."""
    return "*" * display_width(text)


def _blocks(columns: Sequence[Sequence[str]], most: int) -> Iterator[list[Sequence[str]]]:
    block: list[Sequence[str]] = []
    used = 0
    for column in columns:
        width = _width(column) + 1
        if block and used + width > most:
            yield block
            block, used = [], 0
        block.append(column)
        used += width
    if block:
        yield block


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    return " ".join(
        cell + " " * (width - display_width(cell)) for cell, width in zip(cells, widths, strict=True)
    ).rstrip()


def _width(column: Sequence[str]) -> int:
    return max(1, *map(display_width, column))
