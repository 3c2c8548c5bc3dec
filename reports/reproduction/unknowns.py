"""What the sources of published figures leave unsaid, and what was taken in its place: data, not code."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from reports.published import PublishedFigure, load_published


@dataclass(frozen=True, slots=True)
class Unknown:
    """One thing that nobody says of some published figures.

    Attributes:
        table: that they stand in.
        unknown: what is not known.
        taken: what is done in its place, and the setting that does otherwise.
        source: why it is not known, or why that is taken.
        groups: beginnings of the groups that it is of; empty for all.
        benchmarks: that it is of; empty for all.
        models: that it is of; empty for all.
        release: beginning of the release that it is of; empty for all.
        data: the version of the data that the figures are of, where others do not compare; else empty.
    """

    table: str
    unknown: str
    taken: str
    source: str
    groups: tuple[str, ...] = ()
    benchmarks: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    release: str = ""
    data: str = ""

    def is_of(self, figure: PublishedFigure) -> bool:
        """Return whether it is of a published figure."""
        return (
            figure.table == self.table
            and (not self.groups or figure.group.startswith(self.groups))
            and (not self.benchmarks or figure.benchmark in self.benchmarks)
            and (not self.models or figure.model in self.models)
            and figure.release.startswith(self.release)
        )

    @property
    def whose(self) -> str:
        """What it is of, in words: the table, and the part of it where it is not of all."""
        return ": ".join(filter(None, (self.table, ", ".join((*self.groups, *self.benchmarks, *self.models)))))


@cache
def load_unknowns() -> tuple[Unknown, ...]:
    """Return all that is known to be unknown, in the order of the tables."""
    import yaml

    entries = yaml.safe_load((files("reports") / "published_unknowns.yaml").read_text(encoding="utf-8"))
    return tuple(Unknown(**{key: _frozen(value) for key, value in entry.items()}) for entry in entries)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def unknowns_of(figures: Iterable[PublishedFigure]) -> list[Unknown]:
    """Return what is unknown of any of the figures, each once; nothing of those in a table of somebody's own."""
    known = set(load_published()).intersection(figures)
    return [each for each in load_unknowns() if any(each.is_of(figure) for figure in known)]
