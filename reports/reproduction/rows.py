"""Published figures of a model beside what runs measured in their places, each with a verdict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.results.clusters import SINGLY
from evalkit.results.metrics_file import RunResult
from reports.averages import irreproducible
from reports.published import PublishedFigure, load_published, select_published
from reports.reproduction.lack import absence, unlikeness
from reports.reproduction.tasks import KnownTask, tasks_of
from reports.reproduction.unknowns import Unknown, unknowns_of
from reports.reproduction.verdict import VERDICTS, Figures, Judgement, Verdict, default_margin, judge
from reports.tables.entries import Place
from reports.tables.fill import LAYOUTS, layouts_of
from reports.tables.layout import Layout
from reports.tables.model import Cell


@dataclass(frozen=True, slots=True)
class Row:
    """One published figure.

    Attributes:
        published: the figure.
        cell: what was measured in its place; blank if nothing was.
        figures: the two as numbers.
        judgement: the verdict, and why.
    """

    published: PublishedFigure
    cell: Cell
    figures: Figures
    judgement: Judgement

    @property
    def title(self) -> str:
        """The group and the benchmark in words, where the one does not begin with the other."""
        group, benchmark = self.published.group, self.published.benchmark
        return benchmark if benchmark.startswith(group) else f"{group} {benchmark}"


@dataclass(frozen=True, slots=True)
class Reproduction:
    """How far the published figures of a model are reproduced.

    Attributes:
        model: as it is called where it is published.
        releases: that printed the figures.
        runs: names of the runs that they are held against.
        rows: one for each published figure.
        unknowns: what the sources leave unsaid about them, and what was taken.
        remarks: what else is to be said: samples that failed, printed averages that do not follow from their parts.
        level: of the intervals.
    """

    model: str
    releases: tuple[str, ...]
    runs: tuple[str, ...]
    rows: tuple[Row, ...]
    unknowns: tuple[Unknown, ...]
    remarks: tuple[str, ...]
    level: float

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many figures have each verdict."""
        return {verdict: sum(row.judgement.verdict == verdict for row in self.rows) for verdict in VERDICTS}

    @property
    def by_chance(self) -> tuple[int, int, float]:
        """How many figures were held against intervals, how many lie outside, and how many would by chance alone."""
        p_values = [row.judgement.p_value for row in self.rows if row.judgement.p_value is not None]
        outside = sum(p_value <= 1 - self.level for p_value in p_values)
        return len(p_values), outside, len(p_values) * (1 - self.level)


def published_figures(name: str, figures: Sequence[PublishedFigure] | None = None) -> list[PublishedFigure]:
    """Return the figures printed for one model, those of the latest release with each table.

    Args:
        name: ``MODEL``, or ``MODEL@RELEASE`` for another than the latest.
        figures: among which to look; those that evalkit knows if there are none given.

    Raises:
        ConfigurationError: there is no such model or release, or a figure is of a table that there is not.
    """
    if not name.partition("@")[0]:
        raise ConfigurationError(f"'{name}' names a release and no model; give MODEL@RELEASE")
    known = load_published() if figures is None else figures
    tables = dict.fromkeys(figure.table for figure in known)
    found = [
        figure
        for table in tables
        for model in select_published([name], table, figures)
        for figure in model.figures
        if figure.value is not None
    ]
    for figure in found:
        _check_table(figure)
    return found


def reproduction(
    runs: Sequence[RunResult],
    figures: Sequence[PublishedFigure],
    tasks: Sequence[KnownTask],
    margin: Decimal | None = None,
) -> Reproduction:
    """Hold published figures against what runs measured.

    A figure that several runs have is taken from one that has the complete data set, else from that with the most
    samples, the first of equals.

    Args:
        runs: of the model.
        figures: published of it, as ``published_figures`` returns them.
        tasks: that there are, to say what is missing where nothing was measured.
        margin: the difference that matters, in the unit of the figure; None for the usual one of each metric.

    Raises:
        ConfigurationError: two tasks of a run would fill the same cell.
    """
    places = [_Measured(run) for run in runs]
    known = {task.name: task for task in tasks}
    known |= {
        result.name: KnownTask(result.name, result.title, result.place) for run in runs for result in run.tasks.values()
    }
    measured = [_best(places, figure) for figure in figures]
    level = next((level for _, _, level in measured if level is not None), 0.95)
    pairs = [
        _pair(figure, cell, run, tasks_of(figure, known.values()), margin, level)
        for figure, (cell, run, _) in zip(figures, measured, strict=True)
    ]
    rows = [
        Row(figure, cell, pair, judgement)
        for figure, (cell, _, _), pair, judgement in zip(figures, measured, pairs, judge(pairs), strict=True)
    ]
    return Reproduction(
        model=figures[0].model if figures else "",
        releases=tuple(dict.fromkeys(figure.release for figure in figures)),
        runs=tuple(run.name for run in runs),
        rows=tuple(rows),
        unknowns=tuple(unknowns_of(figures)),
        remarks=(*_failures(runs), *_averages(figures)),
        level=level,
    )


class _Measured:
    """What a run has in the place of every published figure."""

    def __init__(self, run: RunResult) -> None:
        self.run = run
        self._tables: dict[str, tuple[Layout, Mapping[Place, Cell], float | None]] = {}
        for layout, of_set in layouts_of([run]):
            for entry in layout.measure(of_set, [run.model for _ in of_set]):
                for name in _names(layout):
                    self._tables[name] = layout, entry.cells, min(entry.levels, default=None)

    def get(self, figure: PublishedFigure) -> tuple[Cell, float | None]:
        """Return the cell in the place of a figure, blank if there is none, and the level of its interval."""
        if figure.table not in self._tables:
            return Cell(), None
        layout, cells, level = self._tables[figure.table]
        return cells.get(layout.place_of(figure), Cell()), level


def _names(layout: Layout) -> tuple[str, ...]:
    """Return by which names of tables published figures stand in a layout."""
    own = any(layout.name == each.name for each in LAYOUTS)
    return (layout.name, layout.published) if own else (layout.name,)


def _check_table(figure: PublishedFigure) -> None:
    names = [name for layout in LAYOUTS for name in _names(layout)]
    if not any(figure.table == name or figure.table.startswith(f"{name}_") for name in names):
        raise ConfigurationError(
            f"{figure.release}: no table '{figure.table}'{hint(figure.table, names)} (there are "
            f"{', '.join(dict.fromkeys(names))}; and of each that of a set, such as mmau_demo)"
        )


def _best(places: Sequence[_Measured], figure: PublishedFigure) -> tuple[Cell, RunResult | None, float | None]:
    """Return the cell of the run that has most to say, that run, and the level of the interval."""
    found = [(*measured.get(figure), measured.run) for measured in places]
    if not found:
        return Cell(), None, None
    cell, level, run = max(found, key=lambda each: (each[0].value is not None, not each[0].partial, each[0].n or 0))
    return cell, run, level


def _pair(
    published: PublishedFigure,
    cell: Cell,
    run: RunResult | None,
    tasks: Sequence[KnownTask],
    margin: Decimal | None,
    level: float,
) -> Figures:
    assert published.value is not None  # noqa: S101 - there is nothing to reproduce in N/A
    return Figures(
        published=published.value,
        margin=default_margin(published.value, published.metric or cell.metric) if margin is None else margin,
        measured=cell.value,
        interval=cell.interval,
        level=level,
        samples=cell.n or 0,
        clusters=_clusters(run, tasks),
        lack=absence(published, run, tasks) if cell.value is None else unlikeness(published, cell, run, tasks),
    )


def _clusters(run: RunResult | None, tasks: Sequence[KnownTask]) -> str:
    """Return what the samples of a figure of one task come in; empty if they were drawn singly."""
    results = [run.tasks[task.name] for task in tasks if run is not None and task.name in run.tasks]
    if len(results) != 1 or results[0].resampled == SINGLY:
        return ""
    return f"{results[0].clusters:,} of {results[0].resampled}"


def _failures(runs: Sequence[RunResult]) -> Iterator[str]:
    for run in runs:
        if run.failed_samples:
            yield f"{run.name}: {run.failed_samples:,} samples failed and count as wrong"


def _averages(figures: Sequence[PublishedFigure]) -> Iterator[str]:
    for figure in figures:
        if (again := irreproducible().get(figure)) is not None:
            yield (
                f"{figure.group} {figure.benchmark} is printed as {figure.value}, and the figures printed with it give "
                f"{again.value} ({again.exact:f})"
            )
