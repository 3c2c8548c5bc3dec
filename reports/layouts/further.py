"""What runs have measured and no published table has a place for: one row per task, one column per run."""

from collections.abc import Sequence

from reports.cells import measured_cell
from reports.entries import Entry, measured_entry, results_by_place, results_of
from reports.layout import Layout, models_across
from reports.measured import Result, Run
from reports.published import load_published
from reports.remarks import remarks_on
from reports.table import Table

_NAME = "further"


def _results(run: Run) -> list[Result]:
    tables = dict.fromkeys(figure.table for figure in load_published())
    placed = {result.task for table in tables for result in results_of(run, table)}
    return [result for result in run.results if result.task not in placed]


def _measure(runs: Sequence[Run], titles: Sequence[str]) -> list[Entry]:
    entries = []
    for run, title in zip(runs, titles, strict=True):
        results = results_by_place(run, _results(run), lambda result: (_metric(result), result.title))
        entries.append(
            measured_entry(
                run,
                title,
                {place: measured_cell(result, None) for place, result in results.items()},
                [remark for result in results.values() for remark in remarks_on(result, None)],
                [(result.figure, result.benchmark) for result in results.values() if result.figure],
            )
        )
    return entries


def _metric(result: Result) -> str:
    return result.figure.name if result.figure else ""


def _lay_out(layout: Layout, entries: Sequence[Entry]) -> Table:
    return models_across(layout, entries, ("Metric", "Test set"))


FURTHER = Layout(
    name=_NAME,
    published=_NAME,
    title="Further test sets",
    notes=("Measured, but not part of any published table. In per cent, or points out of 100.",),
    measure=_measure,
    lay_out=_lay_out,
    best=None,
    row_per_place=True,
    with_runs_only=True,
)
