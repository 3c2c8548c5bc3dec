"""The page of a leaderboard: one file without scripts that loads nothing, its charts inside it."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape

from evalkit.printable import printable
from reports.tables.model import Cell, Row, RowGroup, Table, Title, column_spans, stub_titles

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 84rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid #8c8c8c; padding: 0.3rem 0.6rem; text-align: start; unicode-bidi: isolate; }
tbody th { white-space: nowrap; }
td.figure { text-align: center; }
small { display: block; }
p, li { font-size: 0.9rem; margin: 0.3rem 0; }
code { overflow-wrap: anywhere; }
figure { margin: 1rem 0; } img { max-width: 100%; width: 44rem; height: auto; background: white; }
@media print { .wide { overflow: visible; } }
"""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart on the page.

    Attributes:
        title: what it shows, in words.
        svg: the drawing.
    """

    title: str
    svg: bytes


def render_page(tables: Sequence[Table], charts: Sequence[Chart], remarks: Sequence[str]) -> str:
    """Return the page.

    Args:
        tables: in order, the first before the charts.
        charts: drawn into the page.
        remarks: which runs take part, and which are left out.
    """
    return "\n".join(_lines(tables, charts, remarks)) + "\n"


def _lines(tables: Sequence[Table], charts: Sequence[Chart], remarks: Sequence[str]) -> Iterator[str]:
    digest = b64encode(sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield '<head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>evalkit leaderboard</title><style>{_STYLE}</style></head>"
    yield "<body><main>"
    yield "<h1>Leaderboard</h1>"
    yield from (f"<p>{_text(remark)}</p>" for remark in remarks)
    for position, table in enumerate(tables):
        yield from _table(table)
        if position == 0:
            yield from map(_figure, charts)
    yield "</main></body>"
    yield "</html>"


def _figure(chart: Chart) -> str:
    source = f"data:image/svg+xml;base64,{b64encode(chart.svg).decode()}"
    return (
        f'<figure><figcaption>{_text(chart.title)}</figcaption><img src="{source}" alt="{_text(chart.title)}"></figure>'
    )


def _table(table: Table) -> Iterator[str]:
    yield f'<h2 id="{escape(table.name)}">{_text(table.title)}</h2>'
    yield f'<div class="wide" tabindex="0" role="region" aria-labelledby="{escape(table.name)}">'
    yield f'<table aria-labelledby="{escape(table.name)}"><thead><tr>'
    spans = column_spans(table)
    rows = ' rowspan="2"' if spans else ""
    yield from (f'<th scope="col"{rows}>{_text(heading)}</th>' for heading in table.stub)
    if spans:
        yield from (f'<th scope="colgroup" colspan="{count}">{_text(heading)}</th>' for heading, count in spans)
        yield "</tr><tr>"
    yield from (f'<th scope="col">{_text(column.title)}{_marks(column.marks)}</th>' for column in table.columns)
    yield "</tr></thead><tbody>"
    for group in table.groups:
        yield from (_row(table, group, position, row) for position, row in enumerate(group.rows))
    yield "</tbody></table></div>"
    yield from (f"<p>{_text(f'{note.mark} {note.text}'.strip())}</p>" for note in table.footnotes)
    if table.recipes:
        recipes = "".join(f"<li><code>{_text(each.line)}</code> {_text(each.figures)}</li>" for each in table.recipes)
        yield f"<p>Recipes:</p><ul>{recipes}</ul>"


def _row(table: Table, group: RowGroup, position: int, row: Row) -> str:
    titles = [title for title in stub_titles(table, group, position) if not title.covered]
    stub = [f"<th {_scope(title)}>{_text(title.text)}{_marks(title.marks)}</th>" for title in titles]
    cells = [f'<td class="figure">{" / ".join(map(_content, cell.figures))}</td>' for cell in row.cells]
    return f"<tr>{''.join(stub)}{''.join(cells)}</tr>"


def _scope(title: Title) -> str:
    return f'scope="rowgroup" rowspan="{title.spans}"' if title.spans else 'scope="row"'


def _content(cell: Cell) -> str:
    text = _text(cell.text)
    best = f'<strong>{text}</strong><span aria-label="best">*</span>' if cell.bold else text
    return best + _marks(cell.marks) + (f"<small>{_text(cell.detail)}</small>" if cell.detail else "")


def _marks(marks: str) -> str:
    return f"<sup>{_text(marks)}</sup>" if marks else ""


def _text(text: str) -> str:
    return escape(printable(text))
