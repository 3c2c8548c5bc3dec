"""Automatic speech recognition: one row per test set, one column per model.

An average is the unweighted mean of its group, as published; blank unless every test set has a value.
"""

from collections.abc import Mapping, Sequence

from reports.cells import mean_cell, measured_cell
from reports.entries import Entry, Place, measured_entry, printed_metrics, results_by_place, results_of
from reports.layout import Layout, models_across, place_as_published
from reports.measured import Result, Run
from reports.remarks import remarks_on
from reports.table import Cell, Table

AVERAGE = "Average"
_NAME = "asr"


def _measure(runs: Sequence[Run], titles: Sequence[str]) -> list[Entry]:
    metrics = printed_metrics(_NAME, place_as_published)
    results = [results_by_place(run, results_of(run, _NAME), _place) for run in runs]
    blocks = _blocks(metrics, results)
    return [
        measured_entry(
            run,
            title,
            _cells(places, blocks, metrics),
            [remark for place, result in places.items() for remark in remarks_on(result, metrics.get(place))],
            [(result.figure, result.benchmark) for result in places.values() if result.figure],
        )
        for run, title, places in zip(runs, titles, results, strict=True)
    ]


def _place(result: Result) -> Place:
    return result.place["group"], result.benchmark


def _blocks(metrics: Mapping[Place, str], results: Sequence[Mapping[Place, Result]]) -> dict[str, list[str]]:
    """The test sets that each group's average is over: the published ones, else all that the runs have."""
    blocks: dict[str, list[str]] = {}
    for group, benchmark in metrics:
        blocks.setdefault(group, []).append(benchmark)
    averaged = {group: [each for each in rows if each != AVERAGE] for group, rows in blocks.items() if AVERAGE in rows}
    others: dict[str, dict[str, None]] = {}
    for group, benchmark in (place for places in results for place in places):
        if group not in blocks:
            others.setdefault(group, {})[benchmark] = None
    return averaged | {group: list(rows) for group, rows in others.items() if len(rows) > 1}


def _cells(
    places: Mapping[Place, Result], blocks: Mapping[str, Sequence[str]], metrics: Mapping[Place, str]
) -> dict[Place, Cell]:
    cells = {place: measured_cell(result, metrics.get(place)) for place, result in places.items()}
    for group, benchmarks in blocks.items():
        parts = [(places[group, each], cells[group, each]) for each in benchmarks if (group, each) in places]
        if sum(cell.value is not None for _, cell in parts) == len(benchmarks):
            cells[group, AVERAGE] = mean_cell(parts)
    return cells


def _lay_out(layout: Layout, entries: Sequence[Entry]) -> Table:
    return models_across(layout, entries, ("Category", "Test set"), strong=AVERAGE)


ASR = Layout(
    name=_NAME,
    published=_NAME,
    title="Automatic speech recognition",
    notes=(
        "Error rates in per cent (of words in English and Arabic, of characters in Chinese, Cantonese and Japanese); "
        "lower is better.",
    ),
    measure=_measure,
    lay_out=_lay_out,
    best=min,
    row_per_place=True,
)
