"""Which tasks a published figure comes of: one, all of an average, or one that it is a part of."""

from collections.abc import Iterable
from dataclasses import dataclass

from evalkit.place import TablePlace
from reports.published import PublishedFigure
from reports.tables.fill import name_of_set
from reports.tables.layouts.further import FURTHER
from reports.tables.layouts.uro_bench import URO_BENCH, URO_BENCH_SUBSETS

# The subsets of URO-Bench have a second table, which has another name where it was published.
_TABLES = {URO_BENCH.name: (URO_BENCH.name, URO_BENCH_SUBSETS.name, URO_BENCH_SUBSETS.published)}


@dataclass(frozen=True, slots=True)
class KnownTask:
    """A task that a configuration or a run has.

    Attributes:
        name: its key.
        title: what people call it.
        place: where tables show it.
    """

    name: str
    title: str
    place: TablePlace


def tasks_of(figure: PublishedFigure, tasks: Iterable[KnownTask]) -> list[KnownTask]:
    """Return the tasks that measure a published figure, alone or as members of an average; none if nothing does."""
    shown = [task for task in tasks if _is_shown(task, figure)]
    rows = [task for task in shown if task.place.benchmark == figure.benchmark or _is_further(task, figure)]
    if rows:
        return rows
    of_dimension = [task for task in shown if f"{task.place.dimension}." == figure.benchmark]
    return of_dimension or shown


def _is_shown(task: KnownTask, figure: PublishedFigure) -> bool:
    place = task.place
    if _is_further(task, figure):
        return True
    tables = _TABLES.get(place.table, (place.table,)) if place.table else ()
    if figure.table not in {name_of_set(table, place.set) for table in tables}:
        return False
    # Of a published group such as "English Basic Reasoning" the place has the first part, and the dimension the rest.
    return place.group in ("", figure.group) or figure.group.startswith(f"{place.group} ")


def _is_further(task: KnownTask, figure: PublishedFigure) -> bool:
    return figure.table == name_of_set(FURTHER.name, task.place.set) and figure.benchmark == task.title
