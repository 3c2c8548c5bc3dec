"""How sure we are of a metric, and whether two systems differ: one implementation for every metric.

A metric is a vector of sufficient statistics per sample and a function of their sum (word errors and
reference words, n-gram matches and totals, correct answers and questions). Resampling needs nothing else:

* a **confidence interval** is the bootstrap over samples (Efron & Tibshirani 1993, *An Introduction to the
  Bootstrap*, ch. 13; for word error rates Bisani & Ney 2004, *Bootstrap estimates for confidence intervals in
  ASR performance evaluation*, ICASSP), widened where they are few (`evalkit.metrics.intervals`);
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
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.errors import ConfigurationError, DataError
from evalkit.metrics.clusters import Labels, cluster_sums
from evalkit.metrics.intervals import Interval, of_proportion, percentile_interval, standard_error, widened
from evalkit.metrics.resampled_sums import bootstrap_sums, exchange_sums
from evalkit.metrics.rows import Value, as_rows, is_proportion, known_range, values_of_sums

Array = NDArray[np.float64]


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
        if not isinstance(self.cluster, str):
            raise ConfigurationError(f"statistics.cluster is {self.cluster}; it must be auto, none or a field's name")


class SamplingDistribution(NamedTuple):
    """How a value would vary over other samples of the kind.

    Attributes:
        replicates: whose percentiles are the interval's ends (`evalkit.metrics.intervals`), in random order.
        standard_error: of the value; nan where it is not known.
        units: how many independent samples or clusters there are.
    """

    replicates: Array
    standard_error: float
    units: int


class PairedReplicates(NamedTuple):
    """What resampling makes of two systems on the same samples.

    Attributes:
        a: the metric of the first system; nan where undefined.
        b: the metric of the second system; nan where undefined.
        bootstrapped: differences (a - b) whose percentiles are the interval's ends, as in `SamplingDistribution`.
        exchanged: differences after random exchanges of the systems' samples; empty where a or b is undefined.
        standard_error: of the difference; nan where it is not known.
        units: how many independent samples or clusters there are; 0 where nobody counted.
    """

    a: float
    b: float
    bootstrapped: Array
    exchanged: Array
    standard_error: float = math.nan
    units: int = 0


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
    """Return the confidence interval of a metric: the bootstrap's, or the exact one of a proportion.

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
        The interval; both ends are nan where there are fewer samples (or clusters) than `intervals.FEWEST_UNITS`,
            unless the metric is `evalkit.metrics.functions.ratio` of right and wrong answers, and where all agree but
            `value` is no function that was registered with the range of a sample.

    Raises:
        DataError: no samples, an array of another shape, a statistic that is not finite, or another number of labels
            than of samples.
        ConfigurationError: `resamples` or `level` out of range.

    >>> from evalkit.metrics.functions import ratio
    >>> right = [(1, 1)] * 20 + [(0, 1)] * 20
    >>> print("from {:.2f} to {:.2f}".format(*bootstrap(right, ratio)))
    from 0.34 to 0.66
    >>> print("from {:.1f} to {:.1f}".format(*bootstrap(right, ratio, clusters=[n // 4 for n in range(40)])))
    from 0.1 to 0.9
    """
    distribution = sampling_distribution(statistics, value, clusters=clusters, resamples=resamples, seed=seed)
    return percentile_interval(distribution.replicates, level)


def sampling_distribution(
    statistics: ArrayLike, value: Value, *, clusters: Labels | None = None, resamples: int = 10_000, seed: int = 0
) -> SamplingDistribution:
    """Return how a metric would vary over other samples; see `bootstrap` for the arguments and errors.

    For an average over several data sets, put the replicates of each in an order of its own and average them one by
    one.
    """
    rows = as_rows(statistics)
    units = cluster_sums(rows, clusters)
    bootstrapped = bootstrap_values(units, value, resamples=resamples, seed=seed)
    if is_proportion(value, rows) and len(units) == len(rows):
        replicates = of_proportion(rows, bootstrapped, seed)
    else:
        replicates = widened(bootstrapped, len(units), known_range(value, rows), seed, accelerated=True)
    return SamplingDistribution(replicates, standard_error(bootstrapped, replicates, len(units)), len(units))


def bootstrap_values(
    statistics: ArrayLike, value: Value, *, clusters: Labels | None = None, resamples: int = 10_000, seed: int = 0
) -> Array:
    """Return the metric of each bootstrap resample, as drawn; see `bootstrap` for the arguments and errors.

    Returns:
        `resamples` values, nan where the metric is undefined.
    """
    rows = cluster_sums(as_rows(statistics), clusters)
    return values_of_sums(value, bootstrap_sums(rows, resamples, np.random.SeedSequence(seed)))


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
        Difference, interval and p-value; nan where undefined, and for the interval where `bootstrap` has none.

    Raises:
        DataError: as in `bootstrap`, or the two arrays differ in shape.
        ConfigurationError: `resamples` or `level` out of range.

    >>> from evalkit.metrics.functions import ratio
    >>> a, b = [(1, 1)] * 30 + [(0, 1)] * 10, [(1, 1)] * 20 + [(0, 1)] * 20
    >>> round(paired_test(a, b, ratio).p_value, 2)
    0.0
    >>> paired_test(a, b, ratio, clusters=[number // 20 for number in range(40)]).p_value
    1.0
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
    a, b = as_rows(statistics_a), as_rows(statistics_b)
    if a.shape != b.shape:
        raise DataError(f"a paired test needs the same samples twice, got statistics of shape {a.shape} and {b.shape}")
    bounds = known_range(value, np.vstack([a, b]))
    a, b = cluster_sums(a, clusters), cluster_sums(b, clusters)
    bootstrap_seed, exchange_seed = np.random.SeedSequence(seed).spawn(2)
    # From b and a - b, rather than a and b: equal rows then give equal sums whatever the rounding.
    gain = a - b
    sums_b, sums_gain = np.hsplit(bootstrap_sums(np.hstack([b, gain]), resamples, bootstrap_seed), 2)
    bootstrapped = values_of_sums(value, sums_b + sums_gain) - values_of_sums(value, sums_b)
    total_a, total_b = a.sum(axis=0), b.sum(axis=0)
    value_a, value_b = (float(each) for each in values_of_sums(value, np.stack([total_a, total_b])))
    furthest = bounds and (bounds[0] - bounds[1], bounds[1] - bounds[0])
    replicates = widened(bootstrapped, len(gain), furthest, seed, accelerated=False)
    error = standard_error(bootstrapped, replicates, len(gain))
    if math.isnan(value_a - value_b):
        return PairedReplicates(value_a, value_b, replicates, np.empty(0), error, len(gain))
    kept = exchange_sums(gain, resamples, exchange_seed)
    exchanged = values_of_sums(value, total_b + kept) - values_of_sums(value, total_a - kept)
    return PairedReplicates(value_a, value_b, replicates, exchanged, error, len(gain))


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
