"""One model in one table: its cells by place, and what has to be said about them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache

from evalkit.errors import ConfigurationError
from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import TaskResult
from reports.averages import irreproducible
from reports.published import PublishedFigure, PublishedModel, load_published
from reports.services import ends_of_services
from reports.tables.model import NOT_APPLICABLE, Cell
from reports.tables.remarks import AVERAGED, INCOMPLETE, PUBLISHED, UNFINISHED, UNREPRODUCED, Remark, benchmark_of

Place = tuple[str, str]
"""Where a figure stands: a group and a benchmark, as the layout of its table names them."""

PlaceOf = Callable[[PublishedFigure], Place]


@dataclass(frozen=True, slots=True)
class Entry:
    """A model's share of a table.

    Attributes:
        title: what the model is called.
        source: the run or release.
        published: whether others printed the figures.
        cells: by place; what has none is blank.
        remarks: for the footnotes.
        recipes: recipe lines, each with the name of the figure that carries it.
        levels: of the confidence intervals.
    """

    title: str
    source: str
    published: bool
    cells: Mapping[Place, Cell]
    remarks: tuple[Remark, ...] = ()
    recipes: tuple[tuple[str, str], ...] = ()
    levels: frozenset[float] = frozenset()

    @property
    def marks(self) -> str:
        """The marks of the title."""
        if self.published:
            return PUBLISHED
        return UNFINISHED if any(remark.mark == UNFINISHED for remark in self.remarks) else ""

    def cell(self, place: Place) -> Cell:
        """Return the cell at a place."""
        return self.cells.get(place, Cell())


def published_entry(model: PublishedModel, title: str, place_of: PlaceOf) -> Entry:
    """Return the entry of a model in one release; averages that do not follow from their parts are marked."""
    cells, remarks = {}, [Remark(PUBLISHED, "; ".join([model.release, *_notes(model)]))]
    for figure in model.figures:
        differs = irreproducible().get(figure)
        if differs is not None:
            where = " ".join(dict.fromkeys((figure.group, figure.benchmark)))
            remarks.append(
                Remark(UNREPRODUCED, f"{where} printed {figure.value}, recomputed {differs.value} ({differs.exact:f})")
            )
        cells[place_of(figure)] = Cell(
            text=NOT_APPLICABLE if figure.value is None else str(figure.value),
            value=figure.value,
            bold=figure.is_best,
            marks=UNREPRODUCED if differs else "",
            metric=figure.metric,
            source=model.release,
        )
    return Entry(title, model.release, True, cells, tuple(remarks))


def measured_entry(
    run: RunResult,
    title: str,
    cells: Mapping[Place, Cell],
    remarks: Iterable[Remark],
    metrics: Iterable[tuple[TaskResult, str, str]],
    *,
    with_counts: bool = True,
) -> Entry:
    """Make the entry of a run.

    Args:
        run: the run.
        title: what it is called.
        cells: by place.
        remarks: on its results; those on averages and on unfinished runs are added here.
        metrics: the metrics whose recipes are printed: task, metric key, and what they are called there.
        with_counts: whether recipes have the counts of samples.
    """
    known = [(result, key, name) for result, key, name in metrics if result.metrics[key].value is not None]
    added = [Remark(AVERAGED)] if any(AVERAGED in cell.marks for cell in cells.values()) else []
    if run.unfinished and any(cell.filled for cell in cells.values()):
        added.append(Remark(UNFINISHED, f"without {', '.join(run.unfinished)}"))
    return Entry(
        title,
        run.name,
        False,
        {place: _from_run(cell, run) for place, cell in cells.items()},
        (*remarks, *added),
        tuple((result.recipe_line(key, with_counts=with_counts), name) for result, key, name in known),
        frozenset(result.metrics[key].level for result, key, _ in known),
    )


def headlines(results: Iterable[TaskResult]) -> list[tuple[TaskResult, str, str]]:
    """Return each result with its headline metric and its benchmark, as ``measured_entry`` takes them."""
    return [(result, result.headline, benchmark_of(result)) for result in results]


def results_of(run: RunResult, table: str) -> list[TaskResult]:
    """Return the tasks that fill a published table: those that name no group of their own, and all of recognition.

    Recognition has test sets of many groups; other tables are of one data set, and another release or split of it is
    not to be taken for the published one.
    """
    groups = {figure.group for figure in _printed(table)}
    return [
        result
        for result in run.tasks.values()
        if result.place.table == table and (table == "asr" or result.place.group in {"", *groups})
    ]


def results_by_place(
    run: RunResult, results: Iterable[TaskResult], place_of: Callable[[TaskResult], Place]
) -> dict[Place, TaskResult]:
    """Return the results of a run by the place they fill.

    Raises:
        ConfigurationError: two of them would fill the same one.
    """
    by_place: dict[Place, TaskResult] = {}
    for result in results:
        place = place_of(result)
        first = by_place.setdefault(place, result)
        if first is not result:
            raise ConfigurationError(
                f"{run.folder}: the tasks {first.name} and {result.name} both fill {' / '.join(filter(None, place))}; "
                "give one of them another place"
            )
    return by_place


def with_bold(
    entries: Sequence[Entry], table: str, place_of: PlaceOf, best: Callable[[Iterable[Decimal]], Decimal] | None
) -> tuple[list[Entry], list[Place]]:
    """Set the best value of every place in bold; return the entries, and the places where printed bold is on another.

    A value competes as it is printed, if it was measured on the complete data set and if there are at least two of
    them. Where a place shows exactly what one release printed, that release's bold stays, which is not always on
    the best value.

    Args:
        entries: all that stand in the table.
        table: its name among the published figures.
        place_of: the place of a published figure.
        best: ``min`` or ``max``; None for a table without bold.
    """
    bold: set[tuple[int, Place]] = set()
    not_best = []
    for place in dict.fromkeys(place for entry in entries for place in entry.cells):
        cells = [entry.cell(place) for entry in entries]
        rivals = [_rival(cell) for cell in cells]
        values = [value for value in rivals if value is not None]
        top = best(values) if best is not None and len(values) > 1 else None
        winners = {index for index, value in enumerate(rivals) if value is not None and value == top}
        if _is_as_printed(entries, table, place_of, place):
            printed = {index for index, cell in enumerate(cells) if cell.bold}
            if top is not None and printed and not printed & winners:
                not_best.append(place)
            winners = printed
        bold |= {(index, place) for index in winners}
    return [
        replace(
            entry,
            cells={place: replace(cell, bold=(index, place) in bold) for place, cell in entry.cells.items()},
        )
        for index, entry in enumerate(entries)
    ], not_best


def printed_metrics(table: str, place_of: PlaceOf) -> dict[Place, str]:
    """Return what every published place of a table measures, in printed order."""
    return {place_of(figure): figure.metric for figure in _printed(table)}


def printed_decimals(table: str, place_of: PlaceOf) -> dict[Place, int]:
    """Return the number of decimals that every place of a table is printed with."""
    return {
        place_of(figure): -int(figure.value.as_tuple().exponent)
        for figure in _printed(table)
        if figure.value is not None
    }


@cache
def _printed(table: str) -> tuple[PublishedFigure, ...]:
    return tuple(figure for figure in load_published() if figure.table == table)


def _is_as_printed(entries: Sequence[Entry], table: str, place_of: PlaceOf, place: Place) -> bool:
    """Tell whether a place shows all that one release printed there, and nothing else."""
    shown = [entry for entry in entries if entry.cell(place).text]
    releases = {entry.source for entry in shown}
    if len(releases) != 1 or not all(entry.published for entry in shown):
        return False
    return len(shown) == sum(each.release in releases and place_of(each) == place for each in _printed(table))


def _rival(cell: Cell) -> Decimal | None:
    return None if cell.value is None or INCOMPLETE in cell.marks else Decimal(cell.text)


def _from_run(cell: Cell, run: RunResult) -> Cell:
    beside = None if cell.beside is None else _from_run(cell.beside, run)
    return replace(cell, source=run.name, beside=beside)


def _notes(model: PublishedModel) -> list[str]:
    """Return what the source says besides, such as that a model was given text; and when its service ends."""
    notes = (note for figure in model.figures for note in figure.note.split("; "))
    said = [note for note in dict.fromkeys(notes) if note and note not in _SAID_BY_THE_CELL]
    end = ends_of_services().get(model.model)
    return said if end is None else [*said, f"{model.model}: the service ends, or ended, on {end}"]


_SAID_BY_THE_CELL = ("N/A in source", "bold not recoverable from text")
