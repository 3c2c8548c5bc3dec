"""The page ``index.html``: the tables, the chart and the way to every utterance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from reports.render.html import render_html
from reports.tables.model import Table

_STYLE = """
  body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; }
  body { margin: 2rem auto; max-width: 84rem; padding: 0 1rem; }
  h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
  .wide { overflow-x: auto; }
  table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
  th, td { border: 1px solid #c8c8c8; padding: 0.3rem 0.6rem; }
  th { background: #f3f3f3; }
  small { color: #595959; }
  p, li { font-size: 0.9rem; margin: 0.3rem 0; }
  code { overflow-wrap: anywhere; }
  img { display: block; max-width: 100%; width: 40rem; height: auto; margin: 0 auto; }
"""


@dataclass(frozen=True, slots=True)
class Listing:
    """The utterances of one task.

    Attributes:
        model: the title of the model whose answers they are.
        test_set: the title of the task.
        files: their names, beside the page.
    """

    model: str
    test_set: str
    files: tuple[str, ...]


def render_page(tables: Sequence[Table], chart: str | None, notes: Sequence[str], listings: Sequence[Listing]) -> str:
    """Return the whole page; it needs nothing but the chart and the listings beside it.

    Args:
        tables: in the order of the page.
        chart: file name of the radar chart, or None if there is none.
        notes: what has to be said about the chart.
        listings: the utterances.
    """
    return "\n".join(_lines(tables, chart, notes, listings)) + "\n"


def _lines(
    tables: Sequence[Table], chart: str | None, notes: Sequence[str], listings: Sequence[Listing]
) -> Iterator[str]:
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>evalkit report</title><style>{_STYLE}</style></head>"
    yield "<body>"
    yield "<h1>evalkit report</h1>"
    if chart is not None:
        yield f'<img src="{quote(chart)}" alt="Radar chart of the models">'
    yield from (f"<p>{escape(note)}</p>" for note in notes)
    for table in tables:
        yield f"<h2>{escape(table.title)}</h2>"
        yield f'<div class="wide">\n{render_html(table)}</div>'
    if listings:
        yield "<h2>Every utterance, worst first</h2>"
        yield "<ul>"
        for listing in listings:
            links = ", ".join(
                f'<a href="{quote(file)}">{escape(file.rpartition(".")[2])}</a>' for file in listing.files
            )
            yield f"  <li>{escape(listing.model)}: {escape(listing.test_set)} ({links})</li>"
        yield "</ul>"
    yield "</body>"
    yield "</html>"
