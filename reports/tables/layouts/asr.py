"""Automatic speech recognition: one row per test set, one column per model.

An average is the unweighted mean of its group, as published; blank unless every test set has a value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import TaskResult
from reports.tables.cells import aggregate_cell, measured_cell
from reports.tables.entries import (
    Entry,
    Place,
    headlines,
    measured_entry,
    printed_metrics,
    results_by_place,
    results_of,
)
from reports.tables.layout import Layout, models_across, place_as_published
from reports.tables.model import Cell, Table
from reports.tables.remarks import INCOMPLETE, remarks_on

AVERAGE = "Average"
_NAME = "asr"


@dataclass(frozen=True, kw_only=True)
class RecognitionLayout(Layout):
    """The table of speech recognition."""

    def measure(self, runs: Sequence[RunResult], titles: Sequence[str]) -> list[Entry]:
        """Make one entry per run; groups that are not published are averaged over what all the runs have of them."""
        measured = {place for run in runs for place in _by_place(run)}
        return [self._entry(run, title, measured) for run, title in zip(runs, titles, strict=True)]

    def entry(self, run: RunResult, title: str) -> Entry:
        """Make the entry of a run that stands alone."""
        return self.measure([run], [title])[0]

    def lay_out(self, entries: Sequence[Entry]) -> Table:
        """Make a column per model."""
        return models_across(self, entries, ("Category", "Test set"), strong=AVERAGE)

    def _entry(self, run: RunResult, title: str, measured: set[Place]) -> Entry:
        metrics = printed_metrics(_NAME, place_as_published)
        places = _by_place(run)
        remarks = {place: remarks_on(result, metrics.get(place)) for place, result in places.items()}
        cells = {place: measured_cell(result, remarks[place]) for place, result in places.items()}
        return measured_entry(
            run,
            title,
            cells | _averages(run, places, cells, measured),
            chain.from_iterable(remarks.values()),
            headlines(places.values()),
        )


def _by_place(run: RunResult) -> dict[Place, TaskResult]:
    return results_by_place(run, results_of(run, _NAME), lambda result: (result.place.group, _benchmark(result)))


def _benchmark(result: TaskResult) -> str:
    return result.place.benchmark or result.title


def _averages(
    run: RunResult, places: Mapping[Place, TaskResult], cells: Mapping[Place, Cell], measured: set[Place]
) -> dict[Place, Cell]:
    published = {group for group, _ in printed_metrics(_NAME, place_as_published)}
    found = {}
    for aggregate in run.aggregates.values():
        group = aggregate.place.group
        members = {place for place, result in places.items() if result.name in aggregate.members}
        of_all_runs = {place for place in measured if place[0] == group}
        if aggregate.place.table == _NAME and (group in published or members == of_all_runs):
            incomplete = any(INCOMPLETE in cells[place].marks for place in members)
            found[group, aggregate.place.benchmark] = aggregate_cell(aggregate, incomplete=incomplete)
    return found


ASR = RecognitionLayout(
    name=_NAME,
    published=_NAME,
    title="Automatic speech recognition",
    notes=(
        "Error rates in per cent (of words in English and Arabic, of characters in Chinese, Cantonese and Japanese); "
        "lower is better.",
    ),
    best=min,
    row_per_place=True,
)
