"""Speech translation: CoVoST 2 into text and CVSS into speech, one column per direction and their mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from evalkit.results.metrics_file import RunResult
from reports.published import PublishedFigure
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
from reports.tables.layout import Layout, benchmark_alone, models_down
from reports.tables.model import Column, Table
from reports.tables.remarks import INCOMPLETE, benchmark_of, remarks_on


@dataclass(frozen=True, kw_only=True)
class TranslationLayout(Layout):
    """The table of one benchmark of speech translation.

    Attributes:
        heading: what stands above its columns.
    """

    heading: str = ""

    def place_of(self, figure: PublishedFigure) -> Place:
        """Return the place of a published figure."""
        return benchmark_alone(figure)

    def entry(self, run: RunResult, title: str) -> Entry:
        """Make the entry of a run."""
        metrics = printed_metrics(self.published, benchmark_alone)
        results = results_by_place(run, results_of(run, self.published), lambda each: ("", benchmark_of(each)))
        remarks = {place: remarks_on(result, metrics.get(place)) for place, result in results.items()}
        cells = {place: measured_cell(result, remarks[place]) for place, result in results.items()}
        for aggregate in run.aggregates.values():
            if aggregate.place.table == self.published:
                incomplete = any(INCOMPLETE in cells[place].marks for place in metrics if place in results)
                cells["", aggregate.place.benchmark] = aggregate_cell(aggregate, incomplete=incomplete)
        return measured_entry(run, title, cells, chain.from_iterable(remarks.values()), headlines(results.values()))

    def lay_out(self, entries: Sequence[Entry]) -> Table:
        """Make a row per model."""
        printed = printed_metrics(self.published, benchmark_alone)
        places = dict.fromkeys([*printed, *(place for entry in entries for place in entry.cells)])
        columns = {place: Column(place[1], self.heading) for place in places}
        return models_down(self, entries, columns, ("", "Direction"))


COVOST2 = TranslationLayout(
    name="covost2",
    published="covost2",
    title="Speech translation into text (CoVoST 2)",
    heading="CoVoST 2 (S2TT)",
    notes=("BLEU; higher is better. Avg.: unweighted mean of the two directions.",),
)
CVSS = TranslationLayout(
    name="cvss",
    published="cvss",
    title="Speech translation into speech (CVSS)",
    heading="CVSS (S2ST)",
    notes=(
        "BLEU of what a recogniser hears in the translation; higher is better. "
        "Avg.: unweighted mean of the two directions. The recogniser and normaliser of published figures are not "
        "known.",
    ),
)
