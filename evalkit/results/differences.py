"""The difference of one metric on the same samples, scored or answered twice, in the unit that is printed."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy.typing as npt

from evalkit.metrics.functions import get_metric_function
from evalkit.metrics.intervals import Interval
from evalkit.metrics.metric import difference_in_unit
from evalkit.metrics.resampling import BootstrapSettings, paired_replicates, summarise
from evalkit.results.certainty import finite_in_unit


class MeasuredDifference(NamedTuple):
    """A metric before and after; None stands for what is undefined or cannot be given.

    Attributes:
        base: its value before.
        new: its value after.
        difference: new minus base.
        interval: of the difference, by the paired bootstrap.
    """

    base: float | None
    new: float | None
    difference: float | None
    interval: tuple[float, float] | None


def measured_difference(
    base: npt.ArrayLike,
    new: npt.ArrayLike,
    function: str,
    scale: float,
    clusters: Sequence[str] | None,
    settings: BootstrapSettings,
) -> MeasuredDifference:
    """Measure a difference over the same samples.

    Args:
        base: statistics before, samples × k; at least one sample.
        new: statistics of the same samples after.
        function: the name of the metric's function.
        scale: by what its result is multiplied to be in the unit that is printed.
        clusters: what makes the samples dependent; None where they are not.
        settings: how intervals are made.
    """
    replicates = paired_replicates(
        new,
        base,
        get_metric_function(function),
        resamples=settings.resamples,
        seed=settings.seed,
        clusters=clusters,
    )
    before, after = finite_in_unit(replicates.b, scale), finite_in_unit(replicates.a, scale)
    return MeasuredDifference(
        before,
        after,
        None if before is None or after is None else difference_in_unit(after, before),
        interval_in_unit(summarise(replicates, settings.level).interval, scale),
    )


def interval_in_unit(interval: Interval, scale: float) -> tuple[float, float] | None:
    """Bring an interval into the unit that is printed; None where none can be given."""
    low, high = (finite_in_unit(end, scale) for end in interval)
    return None if low is None or high is None else (low, high)
