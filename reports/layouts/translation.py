"""Speech translation: CoVoST 2 into text and CVSS into speech, one column per direction and their mean."""

from collections.abc import Sequence
from decimal import Decimal

from reports.cells import mean_cell, measured_cell
from reports.entries import Entry, Place, measured_entry, printed_metrics, results_by_place, results_of
from reports.layout import Layout, benchmark_alone, models_down
from reports.measured import Result, Run
from reports.remarks import remarks_on
from reports.table import Column, Table

AVERAGE: Place = ("", "Avg.")


def _translation(name: str, title: str, heading: str, note: str) -> Layout:
    def measure(runs: Sequence[Run], titles: Sequence[str]) -> list[Entry]:
        return [_entry(run, title) for run, title in zip(runs, titles, strict=True)]

    def _entry(run: Run, title: str) -> Entry:
        metrics = printed_metrics(name, benchmark_alone)
        results = results_by_place(run, results_of(run, name), _place)
        cells = {place: measured_cell(result, metrics.get(place)) for place, result in results.items()}
        parts = [(results[place], cells[place]) for place in metrics if place in results]
        if sum(cell.value is not None for _, cell in parts) == len(metrics) - 1:
            cells[AVERAGE] = mean_cell(parts, "directions", most=Decimal(100))
        return measured_entry(
            run,
            title,
            cells,
            [remark for place, result in results.items() for remark in remarks_on(result, metrics.get(place))],
            [(result.figure, result.benchmark) for result in results.values() if result.figure],
        )

    def lay_out(layout: Layout, entries: Sequence[Entry]) -> Table:
        places = dict.fromkeys([*printed_metrics(name, benchmark_alone), *(each for e in entries for each in e.cells)])
        columns = {place: Column(place[1], heading) for place in places}
        return models_down(layout, entries, columns, ("", "Direction"))

    return Layout(name, name, title, (note,), measure, lay_out, place_of=benchmark_alone)


def _place(result: Result) -> Place:
    return "", result.benchmark


COVOST2 = _translation(
    "covost2",
    "Speech translation into text (CoVoST 2)",
    "CoVoST 2 (S2TT)",
    "BLEU; higher is better. Avg.: unweighted mean of the two directions.",
)
CVSS = _translation(
    "cvss",
    "Speech translation into speech (CVSS)",
    "CVSS (S2ST)",
    "BLEU of what a recogniser hears in the translation; higher is better. "
    "Avg.: unweighted mean of the two directions. The recogniser and normaliser of published figures are not known.",
)
