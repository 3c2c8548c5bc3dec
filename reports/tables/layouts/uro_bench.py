"""URO-Bench: a row per model and language, and for each track its average and its three dimensions.

A dimension is the unweighted mean of its subsets, and a track's average that of all its subsets, as the benchmark's
own script has it; so dimensions do not weigh alike. The subsets have a table of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import TaskResult
from reports.tables.cells import aggregate_cell, measured_cell
from reports.tables.entries import Entry, Place, headlines, measured_entry, results_by_place, results_of
from reports.tables.layout import Layout, models_across
from reports.tables.model import NOT_APPLICABLE, Cell, Column, Row, RowGroup, Table
from reports.tables.remarks import INCOMPLETE, UNKNOWN, Remark, benchmark_of, marks_of, remarks_on

_NAME = "uro_bench"
_BY_SUBSET = "uro_bench_detail_table7"
_LANGUAGES = ("Chinese", "English")
_TRACKS = ("Basic", "Pro")
_WHOLE = "Avg."
_DIMENSIONS = {"U": "Understanding", "R": "Reasoning", "O": "Oral conversation"}


@dataclass(frozen=True, kw_only=True)
class TracksLayout(Layout):
    """The table of tracks and dimensions."""

    def entry(self, run: RunResult, title: str) -> Entry:
        """Make the entry of a run."""
        results = _results(run)
        by_name = {result.name: remarks_on(result, None) for result in results.values()}
        cells = _unmeasured(results)
        remarks = [*chain.from_iterable(by_name.values())]
        for aggregate in run.aggregates.values():
            if aggregate.place.table != _NAME:
                continue
            marks = marks_of(chain.from_iterable(by_name.get(name, ()) for name in aggregate.members))
            place = (aggregate.place.group, aggregate.place.benchmark)
            cells[place] = aggregate_cell(aggregate, incomplete=INCOMPLETE in marks)
            if aggregate.missing and place[1] == _WHOLE:
                remarks.append(Remark(INCOMPLETE, f"{place[0]}, without {', '.join(aggregate.missing)}"))
        # Without counts, which would make each of many subsets a recipe of its own.
        return measured_entry(run, title, cells, remarks, headlines(results.values()), with_counts=False)

    def lay_out(self, entries: Sequence[Entry]) -> Table:
        """Make a row per model and language."""
        headings = (_WHOLE, *(f"{dimension}." for dimension in _DIMENSIONS))
        groups = []
        for language in _LANGUAGES:
            places = [(f"{language} {track}", heading) for track in _TRACKS for heading in headings]
            rows = [
                Row((entry.title,), tuple(entry.cell(place) for place in places), strong=True, marks=entry.marks)
                for entry in entries
            ]
            if any(cell.filled for row in rows for cell in row.cells):
                groups.append(RowGroup(language, tuple(rows)))
        return Table(
            name=self.name,
            title=self.title,
            stub=("Model", "Language"),
            columns=tuple(Column(heading, track) for track in _TRACKS for heading in headings),
            groups=tuple(groups),
            group_stub=1,
            across=("Track", "Dimension"),
        )


@dataclass(frozen=True, kw_only=True)
class SubsetsLayout(Layout):
    """The table of all subsets."""

    def entry(self, run: RunResult, title: str) -> Entry:
        """Make the entry of a run."""
        results = {
            (f"{group} {_DIMENSIONS[_dimension(result)]}", benchmark): result
            for (group, benchmark), result in _results(run).items()
        }
        remarks = {place: remarks_on(result, None) for place, result in results.items()}
        cells = {place: measured_cell(result, remarks[place]) for place, result in results.items()}
        said = chain.from_iterable(remarks.values())
        return measured_entry(run, title, cells, said, headlines(results.values()), with_counts=False)

    def lay_out(self, entries: Sequence[Entry]) -> Table:
        """Make a column per model."""
        return models_across(self, entries, ("Track and dimension", "Subset"))


def _results(run: RunResult) -> dict[Place, TaskResult]:
    return results_by_place(run, results_of(run, _NAME), lambda each: (each.place.group, benchmark_of(each)))


def _dimension(result: TaskResult) -> str:
    return result.place.dimension[:1].upper()


def _unmeasured(results: Mapping[Place, TaskResult]) -> dict[Place, Cell]:
    """Return the cells of tracks and dimensions, as they are if none of their subsets has a value."""
    cells = {}
    for group in dict.fromkeys(group for group, _ in results):
        of_group = [result for (track, _), result in results.items() if track == group]
        for column in (_WHOLE, *_DIMENSIONS):
            parts = [result for result in of_group if column in (_WHOLE, _dimension(result))]
            if parts:
                refused = all(result.not_applicable is not None for result in parts)
                place = (group, column if column == _WHOLE else f"{column}.")
                cells[place] = Cell(text=NOT_APPLICABLE if refused else "", marks=UNKNOWN, n=0)
    return cells


URO_BENCH = TracksLayout(
    name=_NAME,
    published=_NAME,
    title="Speech-to-speech conversation (URO-Bench)",
    notes=(
        "Scores from 0 to 100; higher is better. U., R., O.: understanding, reasoning, oral conversation, each the "
        "mean of its subsets; Avg.: of all subsets of a track. Chinese Basic has 6 subsets in the data of February "
        "2025, which the first release used, and 10, with other questions, in those of August 2025: figures of the "
        "two do not compare.",
    ),
)

URO_BENCH_SUBSETS = SubsetsLayout(
    name="uro_bench_subsets",
    published=_BY_SUBSET,
    title="URO-Bench by subset",
    notes=("Scores from 0 to 100; higher is better. Published ones are of the data of February 2025.",),
    row_per_place=True,
    with_runs_only=True,
)
