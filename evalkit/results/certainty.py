"""How sure a stored value is: intervals and standard errors of bootstrap replicates, in the unit that is printed."""

import math
from typing import NamedTuple

from evalkit.metrics.intervals import percentile_interval
from evalkit.metrics.metric import in_unit
from evalkit.metrics.resampling import SamplingDistribution


class IntervalAndError(NamedTuple):
    """How sure a value is, in the unit that is printed.

    Attributes:
        interval: its confidence interval; None where the data cannot support one.
        standard_error: likewise.
    """

    interval: tuple[float, float] | None
    standard_error: float | None


def interval_and_error(distribution: SamplingDistribution | None, level: float, scale: float) -> IntervalAndError:
    """Return what resampling says of a value, in the unit that is printed."""
    if distribution is None:
        return IntervalAndError(None, None)
    low, high = percentile_interval(distribution.replicates, level)
    ends = finite_in_unit(low, scale), finite_in_unit(high, scale)
    if ends[0] is None or ends[1] is None:
        return IntervalAndError(None, None)
    return IntervalAndError((ends[0], ends[1]), finite_in_unit(distribution.standard_error, scale))


def finite_in_unit(value: float, scale: float) -> float | None:
    """Bring a function's result into the unit that is printed; None where it is undefined or infinite."""
    scaled = in_unit(value, scale) if math.isfinite(value) else math.nan
    return scaled if math.isfinite(scaled) else None
