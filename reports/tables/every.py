"""All tables of a report, those of one's own and those of the README, and its radar chart."""

from collections.abc import Sequence
from dataclasses import replace

from evalkit.results.metrics_file import RunResult
from reports.chart.axes import Radar
from reports.published import PublishedFigure
from reports.tables.by_normaliser import by_normaliser_table
from reports.tables.fill import fill_tables
from reports.tables.layout import Rows
from reports.tables.model import Table
from reports.tables.own import OwnTables


def told_apart(runs: Sequence[RunResult]) -> list[RunResult]:
    """Return the runs under names that tell them apart: copies of one are named after their folders."""
    names = [run.name for run in runs]
    folders = [run.folder.resolve().name if run.folder is not None else run.name for run in runs]
    chosen = [folder if names.count(name) > 1 else name for name, folder in zip(names, folders, strict=True)]
    numbered = [
        f"{name} ({chosen[: index + 1].count(name)})" if chosen.count(name) > 1 else name
        for index, name in enumerate(chosen)
    ]
    return [replace(run, name=name) for run, name in zip(runs, numbered, strict=True)]


def every_table(
    runs: Sequence[RunResult],
    published: Sequence[str] = (),
    rows: Rows = "all",
    own_tables: OwnTables | None = None,
    figures: Sequence[PublishedFigure] | None = None,
) -> tuple[list[Table], Radar]:
    """Return the tables of a report in their order, and its chart.

    Args:
        runs: the measured columns or rows.
        published: the published ones, as ``select_published`` takes them.
        rows: which rows tables keep, as in ``fill_tables``.
        own_tables: tables and a chart of one's own.
        figures: the published figures to choose from, as in ``fill_tables``.

    Raises:
        ConfigurationError: an unknown published model, two tasks that would fill one cell, or a layout that asks for
            what cannot be.
    """
    own_tables = own_tables or OwnTables()
    own, standard = own_tables.fill(runs), fill_tables(runs, published, rows, figures)
    chart = own_tables.chart(runs, [*own, *standard])
    tables = [each.table for each in own]
    if own_tables.standard_tables:
        normalisers = by_normaliser_table(runs)
        tables += [*(each.table for each in standard), *([normalisers] if normalisers else [])]
    return tables, chart
