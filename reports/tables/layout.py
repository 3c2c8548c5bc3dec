"""How a table is made: a layout says where figures stand, and what is measured fills it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from evalkit.results.metrics_file import RunResult
from reports.published import PublishedFigure, PublishedModel
from reports.tables.entries import Entry, Place, printed_metrics, published_entry, with_bold
from reports.tables.model import Column, Footnote, Row, RowGroup, Table
from reports.tables.remarks import footnotes, recipes

Rows = Literal["all", "measured"]


def place_as_published(figure: PublishedFigure) -> Place:
    """Return the group and the benchmark under which a figure is published."""
    return figure.group, figure.benchmark


def benchmark_alone(figure: PublishedFigure) -> Place:
    """Return the benchmark: for tables that have but one group, whatever a release calls it."""
    return "", figure.benchmark


@dataclass(frozen=True, kw_only=True)
class Layout(ABC):
    """One published table: where its figures stand, and how runs fill it.

    Attributes:
        name: short name of the table, also that of its files.
        published: its name among the published figures.
        title: its heading.
        notes: what is said under it: units, direction, meaning of headings.
        best: which value of a place is the best; None if the table has no bold.
        row_per_place: whether a place has a row, and a model a column, so that rows may be left out.
        with_runs_only: whether the table is not made of published figures alone.
    """

    name: str
    published: str
    title: str
    notes: tuple[str, ...]
    best: Callable[[Iterable[Decimal]], Decimal] | None = max
    row_per_place: bool = False
    with_runs_only: bool = False

    def place_of(self, figure: PublishedFigure) -> Place:
        """Return the place of a published figure."""
        return place_as_published(figure)

    def measure(self, runs: Sequence[RunResult], titles: Sequence[str]) -> list[Entry]:
        """Make one entry per run, whose titles are given."""
        return [self.entry(run, title) for run, title in zip(runs, titles, strict=True)]

    @abstractmethod
    def entry(self, run: RunResult, title: str) -> Entry:
        """Make the entry of a run."""

    @abstractmethod
    def lay_out(self, entries: Sequence[Entry]) -> Table:
        """Make rows and columns of the entries; footnotes and recipes are added elsewhere."""


@dataclass(frozen=True, slots=True)
class FilledTable:
    """A table, with the entries that it shows.

    Attributes:
        table: ready to be printed.
        entries: one for each model, in the order of the table.
    """

    table: Table
    entries: tuple[Entry, ...]


def fill(
    layout: Layout,
    runs: Sequence[RunResult],
    published: Sequence[PublishedModel],
    rows: Rows = "all",
    dated: Iterable[str] | None = None,
) -> FilledTable:
    """Fill a table: measured entries first, then published ones.

    Args:
        layout: of the table.
        runs: the measured entries.
        published: the published entries.
        rows: ``all`` keeps every row with a value; ``measured`` keeps, of a table with a row per test set, only
            those in which a run has something to say.
        dated: published models whose title has the date of the release; by default those that come twice.

    Raises:
        ConfigurationError: two tasks of a run would fill the same cell.
    """
    dated = twice(published) if dated is None else dated
    entries = layout.measure(runs, run_titles(runs))
    entries += [published_entry(model, _published_title(model, dated), layout.place_of) for model in published]
    if rows == "measured" and layout.row_per_place:
        entries = _only_measured(entries)
    entries, not_best = with_bold(entries, layout.published, layout.place_of, layout.best)
    table = replace(
        layout.lay_out(entries),
        footnotes=(*_printed_bold(layout, not_best), *_footnotes(layout, entries)),
        recipes=recipes((line, entry.title, name) for entry in entries for line, name in entry.recipes),
    )
    return FilledTable(table, tuple(entries))


def run_titles(runs: Sequence[RunResult]) -> list[str]:
    """Return what each run is called: its model, and its own name too where two runs have the same model."""
    models = [run.model for run in runs]
    return [f"{run.model} ({run.name})" if models.count(run.model) > 1 else run.model for run in runs]


def twice(published: Sequence[PublishedModel]) -> set[str]:
    """Return the models that come from two releases."""
    titles = [model.model for model in published]
    return {title for title in titles if titles.count(title) > 1}


def models_across(layout: Layout, entries: Sequence[Entry], stub: tuple[str, str], strong: str = "") -> Table:
    """Lay out a column per model and a row per test set: the published ones in printed order, then others.

    Args:
        layout: of the table.
        entries: the models.
        stub: headings of the columns that hold the groups' and the test sets' titles.
        strong: the test set, if any, whose title is in bold.
    """
    mixed = len({entry.published for entry in entries}) > 1
    headings = {True: "Published", False: "Measured"} if mixed else {True: "", False: ""}
    blocks: dict[str, list[Row]] = {}
    places = [*printed_metrics(layout.published, layout.place_of), *(place for each in entries for place in each.cells)]
    for group, benchmark in dict.fromkeys(places):
        cells = tuple(entry.cell((group, benchmark)) for entry in entries)
        if any(cell.filled for cell in cells):
            blocks.setdefault(group, []).append(Row((benchmark,), cells, strong=benchmark == strong))
    return Table(
        name=layout.name,
        title=layout.title,
        stub=stub,
        columns=tuple(Column(entry.title, headings[entry.published], entry.marks) for entry in entries),
        groups=tuple(RowGroup(group, tuple(lines)) for group, lines in blocks.items()),
    )


def models_down(
    layout: Layout, entries: Sequence[Entry], columns: Mapping[Place, Column], across: tuple[str, str]
) -> Table:
    """Lay out a row per model and a column per place."""
    rows = [
        Row((entry.title,), tuple(entry.cell(place) for place in columns), strong=True, marks=entry.marks)
        for entry in entries
    ]
    return Table(
        name=layout.name,
        title=layout.title,
        stub=("Model",),
        columns=tuple(columns.values()),
        groups=(RowGroup("", tuple(rows)),) if rows else (),
        group_stub=None,
        across=across,
    )


def _published_title(model: PublishedModel, dated: Iterable[str]) -> str:
    return f"{model.model} ({model.release.partition(' ')[0]})" if model.model in dated else model.model


def _only_measured(entries: Sequence[Entry]) -> list[Entry]:
    measured = {place for entry in entries if not entry.published for place in entry.cells if entry.cell(place).filled}
    return [
        replace(entry, cells={place: cell for place, cell in entry.cells.items() if place in measured})
        for entry in entries
    ]


def _printed_bold(layout: Layout, not_best: Sequence[Place]) -> list[Footnote]:
    if not not_best:
        return []
    direction = "lowest" if layout.best is min else "highest"
    places = [benchmark if layout.row_per_place else f"{group} {benchmark}".strip() for group, benchmark in not_best]
    return [Footnote("", f"Bold as published, though not the {direction}: {', '.join(places).rstrip('.')}.")]


def _footnotes(layout: Layout, entries: Sequence[Entry]) -> list[Footnote]:
    *notes, last = layout.notes
    notes = [*notes, f"{last} Blank: not run."]
    levels = sorted({level for entry in entries for level in entry.levels})
    if levels:
        percentages = " or ".join(f"{100 * level:g} %" for level in levels)
        notes.append(f"Measured: value [{percentages} confidence interval] n=number of samples.")
    remarks = [(entry.title, remark) for entry in entries for remark in entry.remarks]
    return [*(Footnote("", note) for note in notes), *footnotes(remarks)]
