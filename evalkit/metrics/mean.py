"""The mean of per-sample values: accuracies, a judge's marks, rates."""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from evalkit.metrics.metric import Metric


def mean_metric(
    name: str,
    *,
    statistics: tuple[str, str] = ("correct", "samples"),
    recipe: Mapping[str, str] | None = None,
    unit: str = "%",
    higher_is_better: bool = True,
) -> Metric:
    """A metric whose figure is the sum of the first statistic divided by the sum of the second.

    Args:
        name: as tables print it, such as ``Accuracy``.
        statistics: names of the two per-sample statistics, such as ``(correct, samples)``; a sample that counts
            fully contributes 1 to the second.
        recipe: what the figure's comparability depends on.
        unit: what is printed behind the figure; empty for points on a scale of 100.
        higher_is_better: the direction of improvement.
    """
    return Metric(name, statistics, ratio, higher_is_better, {"averaging": "micro", **(recipe or {})}, unit)


def ratio(totals: npt.NDArray[Any]) -> float:
    """The first of two sums divided by the second; not a number where there is nothing to divide by."""
    return float(totals[0] / totals[1]) if totals[1] else float("nan")
