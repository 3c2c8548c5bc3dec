"""The mean of per-sample values: accuracies, a judge's marks, rates."""

from collections.abc import Mapping

from evalkit.metrics.metric import Metric


def mean_metric(
    name: str,
    *,
    statistics: tuple[str, str] = ("correct", "samples"),
    recipe: Mapping[str, str] | None = None,
    unit: str = "%",
    scale: float = 100,
    decimals: int = 2,
    higher_is_better: bool = True,
) -> Metric:
    """Return a metric whose value is the sum of the first statistic divided by the sum of the second.

    Args:
        name: as tables print it, such as ``Accuracy``.
        statistics: names of the two per-sample statistics, such as ``(correct, samples)``; a sample that counts
            fully contributes 1 to the second.
        recipe: what the value's comparability depends on.
        unit: what is printed behind the value; empty for points.
        scale: by what the quotient is multiplied to be in that unit.
        decimals: with how many the value is printed.
        higher_is_better: the direction of improvement.
    """
    recipe = {"averaging": "micro", **(recipe or {})}
    return Metric(name, statistics, "ratio", higher_is_better, recipe, unit, scale, decimals)
