"""Tables of one task: a row per model, a column for the whole and one for each part of the task."""

from collections.abc import Mapping, Sequence

from reports.cells import measured_cell, part_cell
from reports.entries import (
    Entry,
    Place,
    measured_entry,
    printed_decimals,
    printed_metrics,
    results_by_place,
    results_of,
)
from reports.layout import Layout, benchmark_alone, models_down
from reports.measured import Part, Result, Run
from reports.remarks import INCOMPLETE, remarks_on
from reports.table import Cell, Column, Table

WHOLE = "Avg."


def parts_layout(
    name: str,
    title: str,
    notes: tuple[str, ...],
    *,
    group: str = "",
    labels: Mapping[str, str] | None = None,
    whole: str = WHOLE,
    headings: Mapping[str, str] | None = None,
    across: str = "Part",
) -> Layout:
    """The layout of such a table.

    Args:
        name: of the table, among the published figures too.
        title: its heading.
        notes: what is said under it.
        group: the group of samples by which the task is broken down.
        labels: the published heading of each label of that group.
        whole: under which heading the figure of the whole task is published.
        headings: what columns are called, where that is not how their figures are published.
        across: what the columns are.
    """
    labels = labels or {}

    def measure(runs: Sequence[Run], titles: Sequence[str]) -> list[Entry]:
        return [_entry(run, title) for run, title in zip(runs, titles, strict=True)]

    def _entry(run: Run, title: str) -> Entry:
        results = results_by_place(run, results_of(run, name), lambda _: ("", title))
        cells: dict[Place, Cell] = {}
        metric = printed_metrics(name, benchmark_alone).get(("", whole))
        for result in results.values():
            cells |= _cells(result, metric)
        return measured_entry(
            run,
            title,
            cells,
            [remark for result in results.values() for remark in remarks_on(result, metric)],
            [(result.figure, result.benchmark) for result in results.values() if result.figure],
        )

    def _cells(result: Result, metric: str | None) -> dict[Place, Cell]:
        decimals = printed_decimals(name, benchmark_alone)
        cells = {("", whole): measured_cell(result, metric, decimals["", whole])}
        marks = INCOMPLETE if INCOMPLETE in cells["", whole].marks else ""
        parts: Mapping[str, Part] = result.groups.get(group, {})
        by_heading = {labels.get(label, label): part for label, part in parts.items()}
        for place in decimals:
            if place not in cells:
                cells[place] = part_cell(result, by_heading.get(place[1]), result.headline, marks, decimals[place])
        return cells

    def lay_out(layout: Layout, entries: Sequence[Entry]) -> Table:
        names = headings or {}
        columns = {place: Column(names.get(place[1], place[1])) for place in printed_decimals(name, benchmark_alone)}
        return models_down(layout, entries, columns, ("", across))

    return Layout(name, name, title, notes, measure, lay_out, place_of=benchmark_alone, best=max)
