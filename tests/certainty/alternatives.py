"""Other ways to make an interval of the same resamples, which were tried and are not used."""

import math
from statistics import NormalDist

import numpy as np

from evalkit.metrics.distributions import student_t_quantiles
from evalkit.metrics.intervals import Interval, percentile_interval, widened
from tests.certainty.population import Array
from tests.certainty.simulation import LEVEL, Drawn

_NORMAL = NormalDist()


def percentile(drawn: Drawn) -> Interval:
    """Return the percentiles of the replicates as they are: what is used by most."""
    return percentile_interval(drawn.replicates, LEVEL)


def expanded(drawn: Drawn) -> Interval:
    """Return the percentiles at the quantiles of Student's t: what we use for differences."""
    return percentile_interval(widened(drawn.replicates, _units(drawn), None, 0, accelerated=False), LEVEL)


def accelerated(drawn: Drawn) -> Interval:
    """Return the same with the acceleration: what we use for values."""
    return percentile_interval(widened(drawn.replicates, _units(drawn), None, 0, accelerated=True), LEVEL)


def bca(drawn: Drawn) -> Interval:
    """Return the bias-corrected and accelerated interval of Efron (1987), with the jackknife's acceleration."""
    values = drawn.replicates[~np.isnan(drawn.replicates)]
    below = (np.count_nonzero(values < drawn.value) + 0.5 * np.count_nonzero(values == drawn.value)) / len(values)
    bias = _NORMAL.inv_cdf(min(max(below, 1 / len(values)), 1 - 1 / len(values)))
    influence = _influence(drawn)
    size = float((influence**2).sum()) ** 1.5
    acceleration = float((influence**3).sum()) / (6 * size) if size else 0.0

    def at(tail: float) -> float:
        point = bias + _NORMAL.inv_cdf(tail)
        return _NORMAL.cdf(bias + point / (1 - acceleration * point))

    low, high = np.quantile(values, [at((1 - LEVEL) / 2), at((1 + LEVEL) / 2)])
    return Interval(float(low), float(high))


def studentised(drawn: Drawn) -> Interval:
    """Return the bootstrap-t interval of the mean of the influence of each unit."""
    influence, units = _influence(drawn), _units(drawn)
    error = _jackknife_error(drawn)
    means = drawn.counts @ influence / units
    spreads = drawn.counts @ influence**2 / units - means**2
    of_resample = np.sqrt(np.maximum(spreads, 0) / (units - 1))
    low, high = np.quantile(means / np.maximum(of_resample, 0.15 * error + 1e-30), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(drawn.value - float(high) * error, drawn.value - float(low) * error)


def jackknife(drawn: Drawn) -> Interval:
    """Return Student's t interval with the jackknife's standard error."""
    reach = float(student_t_quantiles([(1 + LEVEL) / 2], _units(drawn) - 1)[0]) * _jackknife_error(drawn)
    return Interval(drawn.value - reach, drawn.value + reach)


METHODS = {
    "percentile": percentile,
    "BCa": bca,
    "studentised": studentised,
    "jackknife t": jackknife,
    "expanded": expanded,
    "expanded, accelerated": accelerated,
}


def _units(drawn: Drawn) -> int:
    return len(drawn.left_out)


def _influence(drawn: Drawn) -> Array:
    left_out = np.where(np.isfinite(drawn.left_out), drawn.left_out, drawn.value)
    return np.asarray((left_out.mean() - left_out) * (len(left_out) - 1), dtype=np.float64)


def _jackknife_error(drawn: Drawn) -> float:
    units = _units(drawn)
    return math.sqrt(float((_influence(drawn) ** 2).sum()) / units / (units - 1))
