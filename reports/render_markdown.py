"""A table in GitHub-flavoured Markdown, its columns aligned so that it reads well in a terminal too."""

import re
from collections.abc import Sequence

from reports.table import Cell, Table
from reports.terminal import display_width

# An underscore between letters is no emphasis; brackets are no link unless a target follows them.
_SPECIAL = re.compile(r"[\\`*|~$]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def render_markdown(table: Table) -> str:
    """Heading, table, footnotes and recipes; the title of a row group stands in its first row."""
    headings = [_escaped(column.title) + _marks(column.marks) for column in table.columns]
    lines = [[*map(_escaped, table.stub), *headings]]
    for group in table.groups:
        for position, row in enumerate(group.rows):
            category = f"**{_escaped(group.title)}**" if position == 0 else ""
            title = f"**{_escaped(row.title)}**" if row.average else _escaped(row.title)
            lines.append([category, title, *map(_cell, row.cells)])
    parts = [f"### {_escaped(table.title)}", _grid(lines, leading=len(table.stub))]
    parts += [_escaped(f"{note.mark} {note.text}".lstrip()) for note in table.footnotes]
    if table.recipes:
        recipes = [f"- {_code(recipe.line)} {_escaped(recipe.figures)}" for recipe in table.recipes]
        parts += ["Recipes:", "\n".join(recipes)]
    return "\n\n".join(parts) + "\n"


def _cell(cell: Cell) -> str:
    text = f"**{_escaped(cell.text)}**" if cell.bold else _escaped(cell.text)
    return " ".join(filter(None, (text, _escaped(cell.detail)))) + _marks(cell.marks)


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


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()).translate(_ENTITIES))


def _code(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"`{text}`"
