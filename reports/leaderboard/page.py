"""The page of a leaderboard: one file without scripts that loads nothing, its charts inside it."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from reports.render.markup import Markup, element, join
from reports.tables.model import Cell, RowGroup, Table, Title, column_spans, stub_titles

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 84rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid #8c8c8c; padding: 0.3rem 0.6rem; text-align: start; unicode-bidi: isolate; }
tbody th { white-space: nowrap; }
td { text-align: center; }
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
        tables: in order, the charts after the first.
        charts: drawn into the page.
        remarks: which runs take part, and which are left out.
    """
    digest = b64encode(sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", "evalkit leaderboard"),
        element("style", Markup(_STYLE)),
    )
    first, *others = map(_table, tables)
    body = [element("p", remark) for remark in remarks]
    body += [first, *map(_figure, charts), *others]
    main = element("main", element("h1", "Leaderboard"), *body)
    return f"<!DOCTYPE html>\n{element('html', head, element('body', main), lang='en')}\n"


def _figure(chart: Chart) -> Markup:
    source = f"data:image/svg+xml;base64,{b64encode(chart.svg).decode()}"
    return element("figure", element("figcaption", chart.title), element("img", src=source, alt=chart.title))


def _table(table: Table) -> Markup:
    head, body = element("thead", *_headings(table)), element("tbody", *_rows(table))
    shown = element("table", head, body, aria_labelledby=table.name)
    notes = [element("p", f"{note.mark} {note.text}".strip()) for note in table.footnotes]
    recipes = [element("li", element("code", each.line), " ", each.figures) for each in table.recipes]
    return join(
        element("h2", table.title, id=table.name),
        element("div", shown, class_="wide", tabindex=0, role="region", aria_labelledby=table.name),
        *notes,
        *([element("p", "Recipes:"), element("ul", *recipes)] if recipes else []),
    )


def _headings(table: Table) -> Iterator[Markup]:
    spans = column_spans(table)
    stub = [element("th", heading, scope="col", rowspan=2 if spans else None) for heading in table.stub]
    columns = [element("th", column.title, _marks(column.marks), scope="col") for column in table.columns]
    if not spans:
        yield element("tr", *stub, *columns)
        return
    yield element("tr", *stub, *(element("th", title, scope="colgroup", colspan=count) for title, count in spans))
    yield element("tr", *columns)


def _rows(table: Table) -> Iterator[Markup]:
    for group in table.groups:
        for position, row in enumerate(group.rows):
            yield element("tr", *_titles(table, group, position), *map(_cell, row.cells))


def _titles(table: Table, group: RowGroup, position: int) -> Iterator[Markup]:
    for title in stub_titles(table, group, position):
        if not title.covered:
            yield _title(title)


def _title(title: Title) -> Markup:
    scope = "rowgroup" if title.spans else "row"
    return element("th", title.text, _marks(title.marks), scope=scope, rowspan=title.spans)


def _cell(cell: Cell) -> Markup:
    first, *others = map(_content, cell.figures)
    return element("td", first, *(join(" / ", other) for other in others))


def _content(cell: Cell) -> Markup:
    best = join(element("strong", cell.text), element("span", "*", aria_label="best")) if cell.bold else join(cell.text)
    return join(best, _marks(cell.marks), element("small", cell.detail) if cell.detail else "")


def _marks(marks: str) -> Markup:
    return element("sup", marks) if marks else Markup("")
