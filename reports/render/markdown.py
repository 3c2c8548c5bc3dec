"""A table in GitHub-flavoured Markdown, its columns aligned so that it reads well in a terminal too."""

import re
from collections.abc import Sequence

from evalkit.printable import display_width
from evalkit.results.markdown import escaped
from reports.tables.model import Cell, Column, Table, Title, stub_titles


def render_markdown(table: Table, width: int | None = None) -> str:
    """Return heading, table, footnotes and recipes as Markdown; a title that spans rows stands in the first of them.

    Args:
        table: what to print.
        width: columns of the terminal; a wider table is printed without intervals and numbers of samples.
    """
    grid = _grid(_lines(table, with_details=True), leading=len(table.stub))
    too_wide = width is not None and display_width(grid.partition("\n")[0]) > width
    if too_wide:
        grid = _grid(_lines(table, with_details=False), leading=len(table.stub))
    parts = [f"### {escaped(table.title)}", grid]
    parts += ["Without intervals and numbers of samples, to fit; the files have them."] if too_wide else []
    parts += [escaped(f"{note.mark} {note.text}".lstrip()) for note in table.footnotes]
    if table.recipes:
        recipes = [f"- {_code(recipe.line)} {escaped(recipe.figures)}" for recipe in table.recipes]
        parts += ["Recipes:", "\n".join(recipes)]
    return "\n\n".join(parts) + "\n"


def _lines(table: Table, *, with_details: bool) -> list[list[str]]:
    lines = [[*map(escaped, table.stub), *_headings(table.columns)]]
    for group in table.groups:
        for position, row in enumerate(group.rows):
            cells = [" / ".join(_figure(each, with_details) for each in cell.figures) for cell in row.cells]
            lines.append([*map(_title, stub_titles(table, group, position)), *cells])
    return lines


def _headings(columns: Sequence[Column]) -> list[str]:
    """Return the titles of the columns, each after the heading above it where they would be alike without."""
    titles = [column.title for column in columns]
    if len(set(titles)) < len(titles):
        titles = [f"{column.group} {column.title}" for column in columns]
    return [escaped(title) + _marks(column.marks) for title, column in zip(titles, columns, strict=True)]


def _title(title: Title) -> str:
    if title.covered:
        return ""
    return (f"**{escaped(title.text)}**" if title.strong and title.text else escaped(title.text)) + _marks(title.marks)


def _figure(cell: Cell, with_details: bool) -> str:
    text = f"**{escaped(cell.text)}**" if cell.bold else escaped(cell.text)
    detail = escaped(cell.detail) if with_details else ""
    return " ".join(filter(None, (text, detail))) + _marks(cell.marks)


def _marks(marks: str) -> str:
    return f" {marks}" if marks else ""


def _grid(lines: Sequence[Sequence[str]], leading: int) -> str:
    widths = [max(map(display_width, column)) for column in zip(*lines, strict=True)]
    rules = [
        "-" * max(width, 3) if position < leading else f":{'-' * max(width - 2, 1)}:"
        for position, width in enumerate(widths)
    ]
    widths = [max(width, 3) for width in widths]
    return "\n".join(
        f"| {' | '.join(_padded(text, width) for text, width in zip(line, widths, strict=True))} |"
        for line in [lines[0], rules, *lines[1:]]
    )


def _padded(text: str, width: int) -> str:
    return text + " " * (width - display_width(text))


def _code(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"`{text}`"
