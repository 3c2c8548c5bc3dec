"""Writes a report folder: tables, chart, utterance listings, and the page that shows them."""

import re
from collections.abc import Sequence
from pathlib import Path

from evalkit.errors import ConfigurationError, StoreError
from reports.asr import Rows, asr_table
from reports.by_normaliser import by_normaliser_table
from reports.measured import Run, read_run
from reports.page import Listing, render_page
from reports.published import select_published
from reports.radar import radar, table_axes
from reports.render_csv import render_csv
from reports.render_html import render_html
from reports.render_latex import render_latex
from reports.render_markdown import render_markdown
from reports.table import Table
from reports.utterances import read_utterances, utterances_text, utterances_tsv

_RENDERERS = {"md": render_markdown, "html": render_html, "tex": render_latex, "csv": render_csv}


def write_report(
    run_folders: Sequence[Path],
    *,
    published: Sequence[str] = (),
    output_folder: Path,
    rows: Rows = "all",
) -> list[Path]:
    """Write the report of some runs beside published results; the same input gives the same files.

    Args:
        run_folders: one column each.
        published: published columns, as ``select_published`` takes them.
        output_folder: where to write; made if it is not there; an earlier report in it is overwritten.
        rows: which rows the table keeps, as in ``asr_table``.

    Returns:
        What was written, the page first.

    Raises:
        ConfigurationError: an unknown published model, or two runs of one name.
        StoreError: a run cannot be read, or the report cannot be written.
    """
    runs = [read_run(Path(folder)) for folder in run_folders]
    if repeated := {run.name for run in runs if [other.name for other in runs].count(run.name) > 1}:
        raise ConfigurationError(f"two of the runs are named {min(repeated)!r}; a report needs runs of different names")
    main = asr_table(runs, select_published(published, "asr"), rows)
    normalisers = by_normaliser_table(runs, [column.title for column in main.columns[: len(runs)]])
    tables = [main, normalisers] if normalisers else [main]
    try:
        output_folder.mkdir(parents=True, exist_ok=True)
        written = [path for table in tables for path in _write_table(table, output_folder)]
        charts, notes = _write_radar(main, output_folder)
        listings = [listing for run in runs for listing in _write_listings(run, output_folder)]
        page = output_folder / "index.html"
        page.write_text(render_page(tables, charts[-1].name if charts else None, notes, listings), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{output_folder}: the report cannot be written ({error.strerror or error})") from error
    files = [output_folder / file for listing in listings for file in listing.files]
    return [page, *written, *charts, *files]


def _write_table(table: Table, folder: Path) -> list[Path]:
    paths = []
    for extension, render in _RENDERERS.items():
        path = folder / f"{table.name}.{extension}"
        path.write_text(render(table), encoding="utf-8")
        paths.append(path)
    return paths


def _write_radar(table: Table, folder: Path) -> tuple[list[Path], list[str]]:
    """The files of the chart, if there is one, and what has to be said about it."""
    files = [folder / "radar.png", folder / "radar.svg"]
    chart = radar([column.title for column in table.columns], table_axes(table, higher_is_better=False))
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
