"""What runs have measured and no published table has a place for: one row per task, one column per run."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import TaskResult
from reports.published import load_published
from reports.tables.cells import measured_cell
from reports.tables.entries import Entry, headlines, measured_entry, results_by_place, results_of
from reports.tables.layout import Layout, models_across
from reports.tables.model import Table
from reports.tables.remarks import remarks_on

_NAME = "further"


@dataclass(frozen=True, kw_only=True)
class FurtherLayout(Layout):
    """The table of all other test sets."""

    def entry(self, run: RunResult, title: str) -> Entry:
        """Make the entry of a run."""
        results = results_by_place(run, _results(run), lambda result: (result.metric.name, result.title))
        remarks = {place: remarks_on(result, None) for place, result in results.items()}
        cells = {
            place: measured_cell(result, remarks[place], result.metric.decimals) for place, result in results.items()
        }
        return measured_entry(run, title, cells, chain.from_iterable(remarks.values()), headlines(results.values()))

    def lay_out(self, entries: Sequence[Entry]) -> Table:
        """Make a column per run."""
        return models_across(self, entries, ("Metric", "Test set"))


def _results(run: RunResult) -> list[TaskResult]:
    tables = dict.fromkeys(figure.table for figure in load_published())
    placed = {result.name for table in tables for result in results_of(run, table)}
    return [result for result in run.tasks.values() if result.name not in placed]


FURTHER = FurtherLayout(
    name=_NAME,
    published=_NAME,
    title="Further test sets",
    notes=("Measured, but not part of any published table. In per cent, or points out of 100.",),
    best=None,
    row_per_place=True,
    with_runs_only=True,
)
