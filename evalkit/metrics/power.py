"""What a test set can find: the smallest difference that it would have shown, and how many samples one more would take.

All follows from the standard error of the paired difference and the number of units (samples, or clusters) that it
rests on. A true difference is found with the probability that Student's t of it falls beyond the critical value
(Cohen 1988, *Statistical Power Analysis for the Behavioral Sciences*; for translation and recognition Card et al. 2020,
*With Little Power Comes Great Responsibility*, EMNLP). The power of a difference that was seen says nothing beyond its
p-value (Hoenig & Heisey 2001, *The Abuse of Power*), so that it is not given.
"""

import math

from evalkit.errors import ConfigurationError
from evalkit.metrics.distributions import student_t_quantiles
from evalkit.metrics.intervals import FEWEST_UNITS

POWER = 0.8

_MOST_UNITS = 10**9


def smallest_difference(standard_error: float, units: int, *, level: float = 0.95, power: float = POWER) -> float:
    """Return the smallest true difference that a paired test would find so often.

    Args:
        standard_error: of the difference between two systems (`PairedReplicates.standard_error`).
        units: how many samples or clusters it rests on (`PairedReplicates.units`).
        level: one minus the chance of a false alarm.
        power: how often the difference shall be found.

    Returns:
        The difference, above 0 and in the unit of the standard error; nan where the error is not known or 0, or rests
            on too few units.

    Raises:
        ConfigurationError: `level` or `power` is not between 0 and 1, or the power below the chance of a false alarm.
    """
    _check(level, power)
    if not standard_error > 0 or units < FEWEST_UNITS:
        return math.nan
    return standard_error * _reach(units, level, power)


def samples_needed(
    difference: float, standard_error: float, units: int, *, level: float = 0.95, power: float = POWER
) -> float:
    """Return how many samples or clusters, in all, would have a paired test find a difference of this size so often.

    Args:
        difference: that is to be found, such as the one seen.
        standard_error: as in `smallest_difference`; it is taken to shrink with the square root of the number.
        units: as in `smallest_difference`.
        level: as there.
        power: as there.

    Returns:
        A whole number, infinite where the difference is 0 or would take more than 10⁹; nan as in
            `smallest_difference`.

    Raises:
        ConfigurationError: as in `smallest_difference`.
    """
    _check(level, power)
    if math.isnan(difference) or not standard_error > 0 or units < FEWEST_UNITS:
        return math.nan
    of_one = standard_error * math.sqrt(units)

    def suffices(count: int) -> bool:
        return of_one / math.sqrt(count) * _reach(count, level, power) <= abs(difference)

    if not suffices(_MOST_UNITS):
        return math.inf
    low, high = FEWEST_UNITS - 1, _MOST_UNITS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high


def _reach(units: int, level: float, power: float) -> float:
    """Return in how many standard errors a difference is found so often."""
    return _quantile((1 + level) / 2, units) + _quantile(power, units)


def _quantile(probability: float, units: int) -> float:
    return float(student_t_quantiles([probability], units - 1)[0])


def _check(level: float, power: float) -> None:
    if not 0 < level < 1:
        raise ConfigurationError(f"level must lie between 0 and 1, got {level}")
    if not 1 - level < power < 1:
        raise ConfigurationError(
            f"power must lie between {1 - level:.2g}, the chance of a false alarm, and 1, got {power}"
        )
