"""Tables of one task: a row per model, a column for the whole and one for each part of the task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import GroupResult, TaskResult
from reports.published import PublishedFigure
from reports.tables.cells import measured_cell, part_cell
from reports.tables.entries import (
    Entry,
    Place,
    headlines,
    measured_entry,
    printed_decimals,
    printed_metrics,
    results_by_place,
    results_of,
)
from reports.tables.layout import Layout, benchmark_alone, models_down
from reports.tables.model import Cell, Column, Table
from reports.tables.remarks import INCOMPLETE, Remark, remarks_on

WHOLE = "Avg."


@dataclass(frozen=True, kw_only=True)
class PartsLayout(Layout):
    """The table of a task and its parts.

    Attributes:
        group: the group of samples by which the task is broken down.
        labels: the published heading of each label of that group.
        whole: under which heading the figure of the whole task is published.
        headings: what columns are called, where that is not how their figures are published.
        across: what the columns are.
    """

    group: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    whole: str = WHOLE
    headings: Mapping[str, str] = field(default_factory=dict)
    across: str = "Part"

    def place_of(self, figure: PublishedFigure) -> Place:
        """Return the place of a published figure."""
        return benchmark_alone(figure)

    def entry(self, run: RunResult, title: str) -> Entry:
        """Make the entry of a run."""
        results = results_by_place(run, results_of(run, self.published), lambda _: ("", self.title))
        cells: dict[Place, Cell] = {}
        remarks: list[Remark] = []
        metric = printed_metrics(self.published, benchmark_alone).get(("", self.whole))
        for result in results.values():
            of_result = remarks_on(result, metric)
            cells |= self._cells(result, of_result)
            remarks += of_result
        return measured_entry(run, title, cells, remarks, headlines(results.values()))

    def lay_out(self, entries: Sequence[Entry]) -> Table:
        """Make a row per model."""
        places = printed_decimals(self.published, benchmark_alone)
        columns = {place: Column(self.headings.get(place[1], place[1])) for place in places}
        return models_down(self, entries, columns, ("", self.across))

    def _cells(self, result: TaskResult, remarks: Sequence[Remark]) -> dict[Place, Cell]:
        decimals = printed_decimals(self.published, benchmark_alone)
        cells = {("", self.whole): measured_cell(result, remarks, decimals["", self.whole])}
        marks = INCOMPLETE if INCOMPLETE in cells["", self.whole].marks else ""
        parts: Mapping[str, GroupResult] = result.groups.get(self.group, {})
        by_heading = {self.labels.get(label, label): part for label, part in parts.items()}
        for place in decimals:
            if place not in cells:
                cells[place] = part_cell(result, by_heading.get(place[1]), result.headline, marks, decimals[place])
        return cells
