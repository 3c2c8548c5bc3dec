"""Do the published averages follow from the figures printed with them? Each is recomputed here.

The averages of the recognition, paralinguistic and translation tables are unweighted means; MMAU's is the accuracy over
its 1,000 questions; those of URO-Bench are means over the subsets of a track, so that a dimension weighs as many
times as it has subsets. Articles that quote an average alone are passed over.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from evalkit.metrics.metric import rounded
from reports.published import PublishedFigure, load_published
from reports.tables.model import AVERAGES

_BY_SUBSET = "uro_bench_detail_table7"
_MMAU_QUESTIONS = {"Sound": 333, "Speech": 333, "Music": 334}
# Chinese Basic was rebuilt after its subsets were published.
_NEW_CHINESE_BASIC = {"U.": 3, "R.": 4, "O.": 3}
_FIRST_WITH_NEW_CHINESE_BASIC = "2025-09"
# The dimensions of URO-Bench are means themselves, printed rounded, some of them down.
_TOLERANCE = {"uro_bench": Decimal("0.01")}


@dataclass(frozen=True, slots=True)
class Recomputed:
    """A published average and what its parts give.

    Attributes:
        printed: the average.
        exact: the mean of its parts, unrounded.
        value: the same as it would be printed.
    """

    printed: PublishedFigure
    exact: Decimal
    value: Decimal

    @property
    def reproduces(self) -> bool:
        """Whether the printed value is the recomputed one, up to the rounding of the parts."""
        return abs(self.value - (self.printed.value or 0)) <= _TOLERANCE.get(self.printed.table, 0)


@cache
def recomputed_averages() -> tuple[Recomputed, ...]:
    """Return every published average whose parts are published with it, in the order of the sources."""
    parts: dict[tuple[str, ...], dict[str, PublishedFigure]] = {}
    for figure in load_published():
        if figure.benchmark not in AVERAGES:
            parts.setdefault(_line(figure), {})[figure.benchmark] = figure
    found = []
    for figure in load_published():
        values = {name: part.value for name, part in parts.get(_line(figure), {}).items() if part.value is not None}
        if figure.benchmark in AVERAGES and figure.value is not None and values:
            exact = _mean(values, _weights(figure))
            decimals = -int(figure.value.as_tuple().exponent)
            found.append(Recomputed(figure, exact, Decimal(rounded(exact, decimals))))
    return tuple(found)


def irreproducible() -> dict[PublishedFigure, Recomputed]:
    """Return the published averages that do not follow from their parts."""
    return {each.printed: each for each in recomputed_averages() if not each.reproduces}


@cache
def subsets(track: str, release: str) -> Mapping[str, int]:
    """Return how many subsets each dimension of a track of URO-Bench (``U.``, ``R.``, ``O.``) has in a release."""
    if track == "Chinese Basic" and release >= _FIRST_WITH_NEW_CHINESE_BASIC:
        return _NEW_CHINESE_BASIC
    published = {(figure.group, figure.benchmark) for figure in load_published() if figure.table == _BY_SUBSET}
    dimensions = (group.removeprefix(track).strip() for group, _ in published if group.startswith(f"{track} "))
    return Counter(f"{dimension[0]}." for dimension in dimensions)


def _line(figure: PublishedFigure) -> tuple[str, ...]:
    return figure.release, figure.table, figure.group, figure.model


def _weights(figure: PublishedFigure) -> Mapping[str, int]:
    if figure.table == "mmau":
        return _MMAU_QUESTIONS
    return subsets(figure.group, figure.release) if figure.table == "uro_bench" else {}


def _mean(values: Mapping[str, Decimal], weights: Mapping[str, int]) -> Decimal:
    weighted = {name: weights.get(name, 1) for name in values}
    return sum((value * weighted[name] for name, value in values.items()), Decimal(0)) / sum(weighted.values())
