"""A table for the terminal: plain columns that fit its width, also where titles are Chinese or Japanese."""

from collections.abc import Iterator, Sequence

from evalkit.printable import display_width, folded, printable
from reports.tables.model import Cell, Table, Title, stub_titles

BEST = "*"
_GAP = "  "
_NARROWEST_TITLE = 4
_Line = tuple[list[str], list[str]]  # stub, figures


def render_terminal(table: Table, width: int) -> str:
    """Return the table with its footnotes, no line wider than a terminal, whatever the titles hold.

    Intervals and numbers of samples are left out where they do not fit; columns that still do not fit follow below.

    Args:
        table: what to print.
        width: columns of the terminal.
    """
    parts = [_underlined(table.title, width)]
    lines = _lines(table, with_details=True)
    if _width(lines) > width:
        lines = _lines(table, with_details=False)
        parts.append("\n".join(folded("Without intervals and numbers of samples, to fit.", width)) + "\n")
    headed = any(column.group for column in table.columns)
    parts += ["\n".join(_grid(_without_repeats(block, headed=headed))) + "\n" for block in _blocks(lines, width)]
    notes = [f"{note.mark} {note.text}".lstrip() for note in table.footnotes]
    if any(
        figure.bold for group in table.groups for row in group.rows for cell in row.cells for figure in cell.figures
    ):
        notes.append(f"{BEST} the best of its row or column")
    notes += [f"{recipe.line}: {recipe.figures}" for recipe in table.recipes]
    parts += ["\n".join(line for note in notes for line in folded(printable(note), width, indent=2)) + "\n"]
    return "\n".join(parts)


def _underlined(title: str, width: int) -> str:
    lines = folded(printable(title), width)
    return "\n".join([*lines, "=" * max(map(display_width, lines), default=0)]) + "\n"


def _lines(table: Table, *, with_details: bool) -> list[_Line]:
    groups = [column.group for column in table.columns]
    lines: list[_Line] = []
    if any(groups):
        lines.append(([""] * len(table.stub), list(map(printable, groups))))
    titles = [f"{printable(column.title)} {column.marks}".rstrip() for column in table.columns]
    lines.append((list(map(printable, table.stub)), titles))
    for group in table.groups:
        for position, row in enumerate(group.rows):
            stub = [_title(title) for title in stub_titles(table, group, position)]
            lines.append((stub, [_cell(cell, with_details=with_details) for cell in row.cells]))
    return lines


def _title(title: Title) -> str:
    return "" if title.covered else f"{printable(title.text)} {title.marks}".rstrip()


def _cell(cell: Cell, *, with_details: bool) -> str:
    return " / ".join(_figure(figure, with_details=with_details) for figure in cell.figures)


def _figure(figure: Cell, *, with_details: bool) -> str:
    text = f"{figure.text}{BEST if figure.bold else ''}"
    return printable(" ".join(filter(None, (text, figure.detail if with_details else "", figure.marks))))


def _blocks(lines: Sequence[_Line], width: int) -> Iterator[list[list[str]]]:
    """Yield as many columns of figures at a time as fit beside the titles."""
    stub = _fitted([titles for titles, _ in lines], width)
    room = width - sum(_widths(stub)) - len(_GAP) * len(stub[0])
    widths = _widths([figures for _, figures in lines])
    first = 0
    while first < len(widths):
        last, used = first, 0
        while last < len(widths) and (last == first or used + widths[last] + len(_GAP) <= room):
            used += widths[last] + len(_GAP)
            last += 1
        most = max(room, 1)
        yield [
            [*titles, *(_clipped(text, most) for text in figures[first:last])]
            for titles, (_, figures) in zip(stub, lines, strict=True)
        ]
        first = last


def _without_repeats(block: Sequence[Sequence[str]], *, headed: bool) -> list[Sequence[str]]:
    """Return the lines with a heading of several columns above the first of them alone."""
    if not headed:
        return list(block)
    first, *others = block
    return [[text if text != before else "" for text, before in zip(first, ["", *first], strict=False)], *others]


def _fitted(stubs: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """Return titles that leave half of the terminal to figures."""
    if sum(_widths(stubs)) <= width // 2:
        return [list(stub) for stub in stubs]
    most = max(width // 2 // len(stubs[0]), _NARROWEST_TITLE)
    return [[_clipped(text, most) for text in stub] for stub in stubs]


def _clipped(text: str, most: int) -> str:
    if display_width(text) <= most:
        return text
    kept = ""
    for character in text:
        if display_width(kept + character) > most - 1:
            break
        kept += character
    return f"{kept}…"


def _grid(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = _widths(rows)
    for row in rows:
        yield _GAP.join(
            text + " " * (width - display_width(text)) for text, width in zip(row, widths, strict=True)
        ).rstrip()


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(display_width, column)) for column in zip(*rows, strict=True)]


def _width(lines: Sequence[_Line]) -> int:
    widths = _widths([[*stub, *figures] for stub, figures in lines])
    return sum(widths) + len(_GAP) * (len(widths) - 1)
