"""From scores of subsets to those of dimensions and tracks, as the benchmark's evaluate.py takes them.

Every average is the unweighted mean of all the subsets in it: a track's is not the mean of its three dimensions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from tasks.uro_bench.subsets import DIMENSIONS, Subset, get_subset, load_subsets

_TRACKS = ("basic", "pro")
_LANGUAGES = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Average:
    """The mean over the subsets of a dimension, a track, a language, or what several of these have in common.

    Attributes:
        value: on the scale of the scores.
        subsets: the subsets that it is the mean of.
        missing: those that belong to it and have no score.
    """

    value: float
    subsets: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def remark(self) -> str:
        """What a reader must be told: which subsets are missing; empty if none is."""
        return f"without {', '.join(self.missing)}" if self.missing else ""


def averages(scores: Mapping[str, float], version: str = "v2") -> dict[str, Average]:
    """Every average that can be taken, by the original's names for them, such as ``understanding_basic_en``.

    Args:
        scores: by name of the subset; those that are missing are left out of averages, which say so.
        version: of the data, which decides what is missing.

    Returns:
        An average for each name with at least one subset; the one over all is named ``all``.

    Raises:
        ConfigurationError: a score's subset is unknown.
    """
    for name in scores:
        get_subset(name)
    found: dict[str, Average] = {}
    for dimension, track, language in product((*DIMENSIONS, None), (*_TRACKS, None), (*_LANGUAGES, None)):
        members = [subset.name for subset in _members(version, dimension, track, language)]
        present = tuple(name for name in members if name in scores)
        if present:
            name = "_".join(filter(None, (DIMENSIONS.get(dimension or ""), track, language))) or "all"
            mean = sum(scores[member] for member in present) / len(present)
            found[name] = Average(mean, present, tuple(name for name in members if name not in scores))
    return found


def _members(version: str, dimension: str | None, track: str | None, language: str | None) -> Iterator[Subset]:
    for subset in load_subsets().values():
        wanted = zip((dimension, track, language), (subset.dimension, subset.track, subset.language), strict=True)
        if version in subset.sizes and all(value is None or value == own for value, own in wanted):
            yield subset
