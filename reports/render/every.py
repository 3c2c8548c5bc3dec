"""The forms in which tables are written."""

from collections.abc import Callable, Mapping
from pathlib import Path

from evalkit.printable import printable
from reports.render.csv import render_csv
from reports.render.html import render_html
from reports.render.json import render_json
from reports.render.latex import render_latex
from reports.render.markdown import render_markdown
from reports.tables.model import Table

_RENDERERS: Mapping[str, Callable[[Table], str]] = {
    "md": render_markdown,
    "html": render_html,
    "tex": render_latex,
    "csv": render_csv,
    "json": render_json,
}


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write a table in every form, into files of its name; return them."""
    paths = []
    for extension, render in _RENDERERS.items():
        path = folder / f"{table.name}.{extension}"
        path.write_text(printable(render(table), lines=True), encoding="utf-8")
        paths.append(path)
    return paths
