"""How sure we are of a metric, and whether two systems differ: one implementation for every metric.

A metric is a vector of sufficient statistics per sample and a function of their sum (word errors and
reference words, n-gram matches and totals, correct answers and questions). Resampling needs nothing else:

* a **confidence interval** is the percentile bootstrap over samples (Efron & Tibshirani 1993, *An
  Introduction to the Bootstrap*, ch. 13; for word error rates Bisani & Ney 2004, *Bootstrap estimates for
  confidence intervals in ASR performance evaluation*, ICASSP);
* the interval of a **difference** draws the same samples for both systems, so that what is hard for both
  cancels (Bisani & Ney 2004; for BLEU Koehn 2004, *Statistical significance tests for machine translation
  evaluation*, EMNLP);
* the **p-value** is approximate randomisation (Noreen 1989, *Computer-Intensive Methods for Testing
  Hypotheses*), which is less eager to find an effect than a p-value read off the bootstrap (Riezler &
  Maxwell 2005, *On some pitfalls in automatic evaluation and significance testing for MT*).

Rows must be independent of each other. Where samples come in clusters (turns of a dialogue, utterances of few
speakers), their labels say so, and whole clusters are drawn and exchanged (`evalkit.metrics.clusters`).

**Undefined values.** A resample may leave a metric undefined (nan or infinite): an error rate whose drawn
references are all empty is 0/0. An interval leaves such replicates out while they are at most as many as lie
beyond one of its ends: had they all fallen on one side, that end would still be among the defined ones. When
they are more, the data cannot support an interval, and both ends are nan. In a p-value they count as extreme,
which can hide an effect but not make one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.errors import ConfigurationError, DataError
from evalkit.metrics.clusters import Labels, cluster_sums
from evalkit.metrics.resampled_sums import bootstrap_sums, exchange_sums

Array = NDArray[np.float64]
Value = Callable[[Array], float]


class Interval(NamedTuple):
    """A confidence interval, in the unit of the metric; both ends are nan where none can be given.

    Attributes:
        low: its lower end.
        high: its upper end.
    """

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class BootstrapSettings:
    """How intervals are made.

    Attributes:
        level: their coverage, between 0 and 1.
        resamples: of the bootstrap and of the paired test.
        seed: the same seed gives the same intervals.
        cluster: what is drawn: ``auto``, clusters by the first field that the samples name, else single samples;
            ``none``, single samples; or the name of a field or group, clusters by that.
    """

    level: float = 0.95
    resamples: int = 10_000
    seed: int = 0
    cluster: str = "auto"

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ConfigurationError(f"statistics.level is {self.level}; it must lie between 0 and 1, such as 0.95")
        if self.resamples < 1:
            raise ConfigurationError(f"statistics.resamples is {self.resamples}; it must be at least 1")


class PairedReplicates(NamedTuple):
    """What resampling makes of two systems on the same samples.

    Attributes:
        a: the metric of the first system; nan where undefined.
        b: the metric of the second system; nan where undefined.
        bootstrapped: differences (a - b) of paired bootstrap resamples.
        exchanged: differences after random exchanges of the systems' samples; empty where a or b is undefined.
    """

    a: float
    b: float
    bootstrapped: Array
    exchanged: Array


class PairedTest(NamedTuple):
    """The difference of two systems on the same samples.

    Attributes:
        difference: value of a minus value of b.
        interval: of the difference, by the paired bootstrap.
        p_value: two-sided, by approximate randomisation.
    """

    difference: float
    interval: Interval
    p_value: float


def bootstrap(
    statistics: ArrayLike,
    value: Value,
    *,
    clusters: Labels | None = None,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return the percentile bootstrap confidence interval of a metric.

    Args:
        statistics: n_samples × k sufficient statistics, or n_samples numbers (taken as n_samples × 1).
        value: maps the sum of the rows, a float64 vector of length k, to the metric. Called once per
            resample; where the metric is undefined it should return nan.
        clusters: what makes samples dependent, one label a sample, such as its speaker; whole clusters are then
            drawn. None: the samples are independent of each other.
        resamples: number of bootstrap resamples.
        level: coverage of the interval, between 0 and 1.
        seed: the same seed gives the same interval.

    Returns:
        The interval; with a single sample both ends are its value.

    Raises:
        DataError: no samples, an array of another shape, a statistic that is not finite, or another number of labels
            than of samples.
        ConfigurationError: `resamples` or `level` out of range.
    """
    replicates = bootstrap_values(statistics, value, clusters=clusters, resamples=resamples, seed=seed)
    return percentile_interval(replicates, level)


def bootstrap_values(
    statistics: ArrayLike, value: Value, *, clusters: Labels | None = None, resamples: int = 10_000, seed: int = 0
) -> Array:
    """Return the metric of each bootstrap resample; see `bootstrap` for the arguments and errors.

    Their standard deviation is the metric's standard error. For an average over several data sets, draw
    each with a seed of its own and average the replicates one by one.

    Returns:
        `resamples` values, nan where the metric is undefined.
    """
    rows = cluster_sums(_as_rows(statistics), clusters)
    return _values(value, bootstrap_sums(rows, resamples, np.random.SeedSequence(seed)))


def percentile_interval(replicates: ArrayLike, level: float = 0.95) -> Interval:
    """Return the interval between the outer percentiles of bootstrap replicates (`bootstrap_values`).

    Raises:
        ConfigurationError: `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ConfigurationError(f"level must lie between 0 and 1 (0.95 for a 95 % interval), got {level}")
    tail = (1 - level) / 2
    values = np.asarray(replicates, dtype=np.float64)
    defined = values[~np.isnan(values)]
    if len(values) - len(defined) > tail * len(values):
        return Interval(math.nan, math.nan)
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(float(low), float(high))


def paired_test(
    statistics_a: ArrayLike,
    statistics_b: ArrayLike,
    value: Value,
    *,
    clusters: Labels | None = None,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> PairedTest:
    """Compare two systems on the same samples: value of a minus value of b.

    The interval is the paired bootstrap. The p-value exchanges the two systems' statistics of each sample (or cluster)
    with probability 1/2 and asks how often the difference comes out at least as large, either way; with
    both the count and the number of trials raised by one it is never zero and the test keeps its level.

    Args:
        statistics_a: as in `bootstrap`.
        statistics_b: the same samples in the same order; same shape.
        value: as in `bootstrap`.
        clusters: as in `bootstrap`; whole clusters are drawn, and exchanged.
        resamples: number of bootstrap resamples, and of random exchanges.
        level: coverage of the interval, between 0 and 1.
        seed: the same seed gives the same result.

    Returns:
        Difference, interval and p-value; (0, (0, 0), 1) where all rows are equal, nan where undefined.

    Raises:
        DataError: as in `bootstrap`, or the two arrays differ in shape.
        ConfigurationError: `resamples` or `level` out of range.
    """
    replicates = paired_replicates(statistics_a, statistics_b, value, clusters=clusters, resamples=resamples, seed=seed)
    return summarise(replicates, level)


def paired_replicates(
    statistics_a: ArrayLike,
    statistics_b: ArrayLike,
    value: Value,
    *,
    clusters: Labels | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedReplicates:
    """Resample two systems on the same samples; see `paired_test` for the arguments and errors.

    For an average over several data sets, draw each with a seed of its own and average the parts one by one.
    """
    a, b = _as_rows(statistics_a), _as_rows(statistics_b)
    if a.shape != b.shape:
        raise DataError(f"a paired test needs the same samples twice, got statistics of shape {a.shape} and {b.shape}")
    a, b = cluster_sums(a, clusters), cluster_sums(b, clusters)
    bootstrap_seed, exchange_seed = np.random.SeedSequence(seed).spawn(2)
    # From b and a - b, rather than a and b: equal rows then give equal sums whatever the rounding.
    gain = a - b
    sums_b, sums_gain = np.hsplit(bootstrap_sums(np.hstack([b, gain]), resamples, bootstrap_seed), 2)
    bootstrapped = _values(value, sums_b + sums_gain) - _values(value, sums_b)
    total_a, total_b = a.sum(axis=0), b.sum(axis=0)
    value_a, value_b = (float(each) for each in _values(value, np.stack([total_a, total_b])))
    if math.isnan(value_a - value_b):
        return PairedReplicates(value_a, value_b, bootstrapped, np.empty(0))
    kept = exchange_sums(gain, resamples, exchange_seed)
    return PairedReplicates(
        value_a, value_b, bootstrapped, _values(value, total_b + kept) - _values(value, total_a - kept)
    )


def summarise(replicates: PairedReplicates, level: float = 0.95) -> PairedTest:
    """Sum up what resampling made of two systems; see `paired_test`."""
    difference = replicates.a - replicates.b
    interval = percentile_interval(replicates.bootstrapped, level)
    if math.isnan(difference):
        return PairedTest(math.nan, interval, math.nan)
    # An exchange that ties with the observed difference must count, though rounding may part them.
    tolerance = 1e-12 * max(abs(replicates.a), abs(replicates.b))
    less_extreme = np.abs(replicates.exchanged) < abs(difference) - tolerance
    p_value = float((1 + np.count_nonzero(~less_extreme)) / (1 + len(less_extreme)))
    return PairedTest(difference, interval, p_value)


def _as_rows(statistics: ArrayLike) -> Array:
    rows = np.asarray(statistics, dtype=np.float64)
    if rows.ndim == 1:
        rows = rows[:, np.newaxis]
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise DataError(f"statistics must be an array of n_samples × k numbers, got shape {rows.shape}")
    if len(rows) == 0:
        raise DataError("there are no samples to resample: the statistics have no rows")
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise DataError(f"the statistics of sample {int(np.argmin(finite))} (counted from 0) are not finite")
    return rows


def _values(value: Value, sums: Array) -> Array:
    """Return the metric of each sum, nan where undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.array([float(value(row)) for row in sums])
    values[np.isinf(values)] = math.nan
    return values
