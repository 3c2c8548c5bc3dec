"""A table as a standalone HTML fragment, in the markup that Step-Audio 2's README has for GitHub."""

import re
from collections.abc import Iterator
from html import escape

from reports.tables.model import Cell, RowGroup, Table, Title, column_spans, stub_titles

# As it stands in a tag: in texts, quotation marks are escaped.
_STYLE = re.compile(r' style="[^"]*"')


def render_html(table: Table, *, styles: bool = True) -> str:
    """Return the table with its footnotes and recipes as HTML.

    Args:
        table: what to show.
        styles: whether cells are centred by style attributes, as in the README; without, a page may forbid these.
    """
    lines = [*_table(table), *_notes(table)]
    return "\n".join(lines if styles else [_STYLE.sub("", line) for line in lines]) + "\n"


def _table(table: Table) -> Iterator[str]:
    yield '<table border="1" cellpadding="5" cellspacing="0" align="center">'
    yield "  <thead>"
    yield "    <tr>"
    spans = column_spans(table)
    for heading in table.stub:
        yield _heading(escape(heading), ' rowspan="2"' if spans else "")
    if spans:
        for heading, columns in spans:
            yield _heading(escape(heading), f' colspan="{columns}"')
        yield "    </tr>"
        yield "    <tr>"
    for column in table.columns:
        yield _heading(escape(column.title) + _marks(column.marks))
    yield "    </tr>"
    yield "  </thead>"
    yield "  <tbody>"
    for group in table.groups:
        yield from _rows(table, group)
    yield "  </tbody>"
    yield "</table>"


def _heading(content: str, attributes: str = "") -> str:
    return f'      <th style="text-align: center;"{attributes}>{content}</th>'


def _rows(table: Table, group: RowGroup) -> Iterator[str]:
    for position, row in enumerate(group.rows):
        yield "    <tr>"
        yield from (_title(title) for title in stub_titles(table, group, position) if not title.covered)
        for cell in row.cells:
            # Two figures with small print have a line each.
            separator = " /<br>" if cell.detail else " / "
            yield f'      <td align="center">{separator.join(map(_content, cell.figures))}</td>'
        yield "    </tr>"


def _title(title: Title) -> str:
    attributes = 'align="left"'
    if title.spans is not None:
        attributes = f'rowspan="{title.spans}" style="text-align: center; vertical-align: middle;"'
    text = escape(title.text)
    return f"      <td {attributes}>{f'<strong>{text}</strong>' if title.strong else text}{_marks(title.marks)}</td>"


def _content(cell: Cell) -> str:
    text = escape(cell.text)
    # A line may break before the number of samples, but not inside the interval.
    detail = f" <small>{escape(cell.detail).replace(', ', ',&nbsp;')}</small>" if cell.detail else ""
    return (f"<strong>{text}</strong>" if cell.bold else text) + detail + _marks(cell.marks)


def _marks(marks: str) -> str:
    return f"<sup>{escape(marks)}</sup>" if marks else ""


def _notes(table: Table) -> Iterator[str]:
    for note in table.footnotes:
        yield f"<p>{_marks(note.mark)}{' ' if note.mark else ''}{escape(note.text)}</p>"
    if table.recipes:
        yield "<p>Recipes:</p>"
        yield "<ul>"
        for recipe in table.recipes:
            yield f"  <li><code>{escape(recipe.line)}</code> {escape(recipe.figures)}</li>"
        yield "</ul>"
