"""Writes a report folder: tables, chart, utterance listings, and the page that shows them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import ConfigurationError, StoreError
from reports.by_normaliser import by_normaliser_table
from reports.layout import Rows
from reports.measured import Run, read_run
from reports.page import Listing, render_page
from reports.radar import Radar, tables_radar
from reports.render_csv import render_csv
from reports.render_html import render_html
from reports.render_latex import render_latex
from reports.render_markdown import render_markdown
from reports.table import Table
from reports.tables import fill_tables
from reports.utterances import read_utterances, utterances_text, utterances_tsv

_RENDERERS = {"md": render_markdown, "html": render_html, "tex": render_latex, "csv": render_csv}


@dataclass(frozen=True, slots=True)
class Report:
    """What was written: the tables, and all files, the page first."""

    tables: tuple[Table, ...]
    files: tuple[Path, ...]


def write_report(
    run_folders: Sequence[Path],
    *,
    published: Sequence[str] = (),
    output_folder: Path,
    rows: Rows = "all",
) -> Report:
    """Write the report of some runs beside published results; the same input gives the same files.

    Args:
        run_folders: the runs, one column or row each.
        published: published models, as ``select_published`` takes them.
        output_folder: where to write; made if it is not there; an earlier report in it is overwritten.
        rows: which rows the tables keep, as in ``fill_tables``.

    Raises:
        ConfigurationError: an unknown published model, or two runs of one name.
        StoreError: a run cannot be read, or the report cannot be written.
    """
    runs = [read_run(Path(folder)) for folder in run_folders]
    if repeated := {run.name for run in runs if [other.name for other in runs].count(run.name) > 1}:
        raise ConfigurationError(f"two of the runs are named {min(repeated)!r}; a report needs runs of different names")
    filled = fill_tables(runs, published, rows)
    chart = tables_radar(filled)
    normalisers = by_normaliser_table(runs)
    tables = [*(each.table for each in filled), *([normalisers] if normalisers else [])]
    try:
        output_folder.mkdir(parents=True, exist_ok=True)
        written = [path for table in tables for path in _write_table(table, output_folder)]
        charts, notes = _write_radar(chart, output_folder)
        listings = [listing for run in runs for listing in _write_listings(run, output_folder)]
        page = output_folder / "index.html"
        page.write_text(render_page(tables, charts[-1].name if charts else None, notes, listings), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{output_folder}: the report cannot be written ({error.strerror or error})") from error
    files = [output_folder / file for listing in listings for file in listing.files]
    return Report(tuple(tables), (page, *written, *charts, *files))


def _write_table(table: Table, folder: Path) -> list[Path]:
    paths = []
    for extension, render in _RENDERERS.items():
        path = folder / f"{table.name}.{extension}"
        path.write_text(render(table), encoding="utf-8")
        paths.append(path)
    return paths


def _write_radar(chart: Radar, folder: Path) -> tuple[list[Path], list[str]]:
    """The files of the chart, if there is one, and what has to be said about it."""
    files = [folder / "radar.png", folder / "radar.svg"]
    if not chart.axes:
        for path in files:  # of an earlier report
            path.unlink(missing_ok=True)
        return [], list(chart.notes)
    from reports.radar_drawing import draw_radar  # loads matplotlib

    return files, [*chart.notes, *draw_radar(chart, files[0], files[1])]


def _write_listings(run: Run, folder: Path) -> list[Listing]:
    listings = []
    for result in run.results:
        if result.place.get("table") != "asr" or result.figure is None or result.not_applicable is not None:
            continue
        utterances = read_utterances(run.folder / result.task / "scores.parquet", result, result.figure)
        base = f"utterances/{_file_name(run.name)}/{_file_name(result.task)}"
        path = folder / base
        path.parent.mkdir(parents=True, exist_ok=True)
        title = f"{run.model}, {result.title}"
        path.with_name(path.name + ".tsv").write_text(utterances_tsv(utterances), encoding="utf-8")
        path.with_name(path.name + ".txt").write_text(utterances_text(utterances, title), encoding="utf-8")
        listings.append(Listing(run.model, result.title, (f"{base}.tsv", f"{base}.txt")))
    return listings


def _file_name(name: str) -> str:
    """The name as one path component: names come from run folders, which others may have made."""
    return re.sub(r"[^\w.-]+", "_", name).lstrip(".") or "_"
