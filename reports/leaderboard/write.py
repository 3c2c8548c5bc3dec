"""Writes a leaderboard: page, table, history and its charts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from evalkit.errors import ConfigurationError, StoreError
from evalkit.printable import printable
from reports.leaderboard.board import board, columns_of
from reports.leaderboard.collect import Filters, collect
from reports.leaderboard.history import history_table, learning_curve
from reports.leaderboard.page import Chart, render_page
from reports.names import FileNames
from reports.placing import put_in_place
from reports.plots.style import Drawing, write_drawing
from reports.render.csv import render_csv
from reports.render.every import write_table
from reports.tables.model import Table

_PAGE = "index.html"


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """What was written.

    Attributes:
        table: the ranking.
        files: all of them, the page first.
        left_out: one line for each run that does not take part, though it fits.
        notes: what has to be said about the charts.
    """

    table: Table
    files: tuple[Path, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def write_leaderboard(
    runs_folder: Path,
    output_folder: Path,
    *,
    filters: Filters | None = None,
    tasks: tuple[str, ...] = (),
    sort: str | None = None,
) -> Leaderboard:
    """Write the leaderboard of a folder of runs; the same runs give the same files.

    Args:
        runs_folder: holds the run folders.
        output_folder: where to write; made if it is not there; an earlier leaderboard in it is replaced.
        filters: which runs take part.
        tasks: names of the tasks and averages that have a column; empty for all.
        sort: by which of them models are ranked; None for a choice, as of ``board``.

    Raises:
        ConfigurationError: no run takes part, or none has what is named.
        StoreError: the files cannot be written.
    """
    collected = collect(runs_folder, filters or Filters())
    if not collected.runs:
        why = f"; left out: {'; '.join(collected.left_out)}" if collected.left_out else ""
        raise ConfigurationError(f"{runs_folder}: holds no finished run that fits{why}")
    columns = columns_of(collected.runs, tasks)
    if not columns:
        raise ConfigurationError(f"{runs_folder}: no run measured anything")
    table, history = board(collected.newest, columns, sort), history_table(collected.runs, columns)
    curves = [curve for column in columns if (curve := learning_curve(collected.runs, column))]
    models, runs = len(collected.newest), len(collected.runs)
    remarks = [f"{models:,} models, each with its newest run, of {runs:,} runs."]
    remarks += [f"Left out: {reason}" for reason in collected.left_out]
    notes: list[str] = []
    try:
        output_folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".unfinished-", dir=output_folder) as unfinished:
            folder = Path(unfinished)
            files = [*write_table(table, folder), folder / "history.csv"]
            files[-1].write_text(printable(render_csv(history), lines=True), encoding="utf-8")
            charts, drawn = _write_curves(curves, folder, notes)
            page = folder / _PAGE
            page.write_text(render_page([table, history], charts, [*remarks, *notes]), encoding="utf-8")
            made = [file.name for file in (page, *files, *drawn)]
            put_in_place(folder, output_folder, made)
    except OSError as error:
        raise StoreError(f"{output_folder}: cannot be written ({error.strerror or error})") from error
    return Leaderboard(table, tuple(output_folder / name for name in made), collected.left_out, tuple(notes))


def _write_curves(curves: Sequence[Drawing], folder: Path, notes: list[str]) -> tuple[list[Chart], list[Path]]:
    """Draw learning curves; return them for the page with their files, and add what has to be said about them."""
    charts, files, names = [], [], FileNames()
    for curve in curves:
        svg, png = (
            folder / f"{names.of(re.sub(r'[^-_a-zA-Z0-9]+', '_', curve.name))}.{kind}" for kind in ("svg", "png")
        )
        notes += [note for note in write_drawing(curve, [svg, png]) if note not in notes]
        charts.append(Chart(curve.title, svg.read_bytes()))
        files += [svg, png]
    return charts, files
