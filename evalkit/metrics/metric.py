"""A metric: a vector of statistics per sample, and a function of their sum."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Statistics = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metric:
    """How a figure is computed and what it is called.

    Attributes:
        name: as tables print it, such as ``WER``.
        statistics: names of the per-sample sufficient statistics, in the order of the vector.
        value: the figure, as a fraction, from the summed vector of length ``len(statistics)``.
        higher_is_better: the direction of improvement.
        unit: what is printed behind the figure, which is shown times 100; empty for points on a scale of 100.
        recipe: what the figure's comparability depends on (unit, normaliser and version, averaging), in the
            order in which it is printed.
    """

    name: str
    statistics: tuple[str, ...]
    value: Callable[[npt.NDArray[Any]], float]
    higher_is_better: bool
    recipe: Mapping[str, str]
    unit: str = "%"


def recipe_line(metric: Metric, further: Mapping[str, Any] | None = None) -> str:
    """The signature printed with a figure, in the manner of sacreBLEU's.

    Args:
        metric: the figure's.
        further: what else it depends on, by name, such as the judge; and the counts of samples.

    >>> recipe_line(metric, {"scored": 75, "failed": 0, "skipped": 0})  # doctest: +SKIP
    'metric:WER|unit:word|normaliser:whisper-en.v1|averaging:corpus|scored:75|failed:0|skipped:0'
    """
    fields = {"metric": metric.name, **metric.recipe, **(further or {})}
    return "|".join(f"{name}:{value}" for name, value in fields.items())


def comparability(recipe: str) -> str:
    """A printed recipe without its counts: two figures with equal keys were computed alike."""
    return "|".join(field for field in recipe.split("|") if field.partition(":")[0] not in COUNTS)


COUNTS = ("scored", "failed", "skipped")
