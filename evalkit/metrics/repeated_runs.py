"""Several runs of one model on the same samples, as with other seeds: what the runs make of a figure, and the samples.

Of every run there is a row of statistics for each sample; the value is the mean over the runs of the metric. It is
uncertain for two reasons: other samples would have been as good, and other seeds. With a random effect of the sample,
one of the run and one of both together, the variance of the value is the sum of

* what the samples are answerable for: the variance of the mean over bootstrap resamples of the samples (or clusters),
  which are the same for all runs; the joint effect is in it;
* what the runs are answerable for: the variance between their values by their number, less the joint effect, which
  would be counted twice. That is what the runs part from their mean by, over the same resamples.

The interval is Student's t with the degrees of freedom that Satterthwaite (1946), *An approximate distribution of
estimates of variance components*, Biometrics Bulletin 2(6), gives the sum: three runs that differ much say little.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.errors import DataError
from evalkit.metrics.clusters import Labels, cluster_sums
from evalkit.metrics.distributions import student_t_cdf, student_t_quantiles
from evalkit.metrics.intervals import FEWEST_UNITS, Interval
from evalkit.metrics.resampled_sums import bootstrap_sums
from evalkit.metrics.resampling import PairedReplicates
from evalkit.metrics.rows import Value

Array = NDArray[np.float64]

_MOST_UNITS = 1_000_000_000  # as good as infinitely many degrees of freedom


@dataclass(frozen=True, slots=True)
class RepeatedValue:
    """A metric over several runs.

    Attributes:
        value: the mean over the runs.
        values: of each run.
        deviation: the standard deviation between the runs' values; nan of a single run.
        sampling_error: the standard error of the value for the choice of samples alone.
        standard_error: the same for the choice of samples and of runs.
        degrees_of_freedom: of the standard error.
        interval: of the value, for both; both ends are nan where none can be given.
    """

    value: float
    values: tuple[float, ...]
    deviation: float
    sampling_error: float
    standard_error: float
    degrees_of_freedom: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class RepeatedDifference:
    """The difference between two models over several runs of each on the same samples.

    Attributes:
        difference: the mean over the runs of a minus that over the runs of b.
        a: the runs of the first model.
        b: those of the second.
        sampling_error: the standard error of the difference for the choice of samples alone.
        standard_error: the same for the choice of samples and of runs.
        degrees_of_freedom: of the standard error.
        interval: of the difference, for both; both ends are nan where none can be given.
        p_value: two-sided, by Student's t; nan where there is no interval.
    """

    difference: float
    a: RepeatedValue
    b: RepeatedValue
    sampling_error: float
    standard_error: float
    degrees_of_freedom: float
    interval: Interval
    p_value: float


def repeated_runs(
    statistics: ArrayLike,
    value: Value,
    *,
    clusters: Labels | None = None,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> RepeatedValue:
    """Return a metric over several runs, with what is uncertain of it for samples and runs.

    Args:
        statistics: runs × samples × k sufficient statistics, the samples in the same order in every run.
        value: maps the sum of rows, a vector of length k, to the metric; nan where it is undefined.
        clusters: which cluster each sample belongs to; None for independent samples.
        resamples: number of bootstrap resamples.
        level: coverage of the interval, between 0 and 1.
        seed: the same seed gives the same interval.

    Raises:
        DataError: there are no runs or samples, or a statistic is not finite.

    >>> from evalkit.metrics.functions import ratio
    >>> right = [[(float(sample % 5 != run), 1.0) for sample in range(60)] for run in range(3)]
    >>> found = repeated_runs(right, ratio)
    >>> found.values, round(found.value, 3), round(found.deviation, 3)
    ((0.8, 0.8, 0.8), 0.8, 0.0)
    """
    drawn = _drawn(_as_runs(statistics), value, clusters, resamples, seed)
    return _summed_up(drawn, level)


def repeated_difference(
    statistics_a: ArrayLike,
    statistics_b: ArrayLike,
    value: Value,
    *,
    clusters: Labels | None = None,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> RepeatedDifference:
    """Compare two models, each by several runs on the same samples; see `repeated_runs` for the arguments.

    The same samples are drawn for all runs of both. A model with a single run is taken to vary between runs as the
    other does, as nothing is known of it.

    Raises:
        DataError: as in `repeated_runs`, or the samples of the two are not as many.
    """
    runs_a, runs_b = _as_runs(statistics_a), _as_runs(statistics_b)
    if runs_a.shape[1:] != runs_b.shape[1:]:
        raise DataError(
            f"two models are compared on the same samples, got statistics of shape {runs_a.shape} and {runs_b.shape}"
        )
    both = _drawn(np.concatenate([runs_a, runs_b]), value, clusters, resamples, seed)
    a, b = both.part(slice(len(runs_a))), both.part(slice(len(runs_a), None))
    of_samples = _variance(a.replicates.mean(axis=1) - b.replicates.mean(axis=1)) * both.correction
    parts = [both.of_samples(of_samples)]
    for own, other in ((a, b), (b, a)):
        own_runs = own.of_runs() if len(own.values) > 1 else other.of_runs(len(own.values))
        parts.append(own_runs)
    difference = float(a.values.mean() - b.values.mean())
    error, degrees = combined_error(parts)
    interval = both.interval(difference, error, degrees, level)
    p_value = math.nan
    if not math.isnan(interval.low):
        p_value = float(2 * student_t_cdf([-abs(difference) / error], degrees)[0])
    return RepeatedDifference(
        difference, _summed_up(a, level), _summed_up(b, level), math.sqrt(of_samples), error, degrees, interval, p_value
    )


def repeated_replicates(
    statistics_a: ArrayLike,
    statistics_b: ArrayLike,
    value: Value,
    *,
    clusters: Labels | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedReplicates:
    """Return what `repeated_difference` finds in the form of `paired_replicates`, of which averages can be made.

    The replicates of the difference, and those of no difference at all, are Student's t with its standard error and
    degrees of freedom: their percentiles are the interval's ends, and their share beyond the difference its p-value.
    They stand in random order, so that those of several data sets are independent.
    """
    found = repeated_difference(statistics_a, statistics_b, value, clusters=clusters, resamples=resamples, seed=seed)
    if math.isnan(found.difference):
        return PairedReplicates(found.a.value, found.b.value, np.full(resamples, math.nan), np.empty(0))
    shuffled = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    apart = np.full(resamples, math.nan)
    if not math.isnan(found.interval.low):
        probabilities = (np.arange(resamples) + 0.5) / resamples
        apart = (
            shuffled.permutation(student_t_quantiles(probabilities, found.degrees_of_freedom)) * found.standard_error
        )
    return PairedReplicates(
        a=found.a.value,
        b=found.b.value,
        bootstrapped=found.difference + apart,
        exchanged=shuffled.permutation(apart),
        standard_error=found.standard_error,
        units=1 + int(min(found.degrees_of_freedom, _MOST_UNITS)),
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The values of runs, and those of bootstrap resamples of their samples, resamples × runs."""

    values: Array
    replicates: Array
    units: int

    @property
    def correction(self) -> float:
        """By what the variance over resamples falls short of that over samples."""
        return self.units / (self.units - 1) if self.units > 1 else math.nan

    def interval(self, value: float, error: float, degrees: float, level: float) -> Interval:
        """Return the interval around a value; none of fewer samples than say anything."""
        return student_interval(value, error if self.units >= FEWEST_UNITS else math.nan, degrees, level)

    def part(self, runs: slice) -> "_Drawn":
        """Return some of the runs."""
        return _Drawn(self.values[runs], self.replicates[:, runs], self.units)

    def of_samples(self, variance: float) -> tuple[float, float]:
        """Return a variance over samples, and how sure it is; see `combined_error`."""
        return variance, variance**2 / max(self.units - 1, 1)

    def of_runs(self, count: int | None = None) -> tuple[float, float]:
        """Return the variance of the mean of so many runs that is theirs alone, and how sure it is."""
        known = len(self.values)
        if known < 2:
            return 0.0, 0.0
        parting = self.replicates - self.replicates.mean(axis=1, keepdims=True)
        joint = float(np.nanvar(parting, axis=0, ddof=1).mean()) * self.correction * known / (known - 1)
        between = float(np.var(self.values, ddof=1))
        by = count or known
        # Also where nothing is left of it, it might be as much as lies between the runs.
        return max(between - joint, 0.0) / by, (between / by) ** 2 / (known - 1)


def _drawn(runs: Array, value: Value, clusters: Labels | None, resamples: int, seed: int) -> _Drawn:
    count, _, k = runs.shape
    rows = cluster_sums(np.hstack(list(runs)), clusters)
    sums = bootstrap_sums(rows, resamples, np.random.SeedSequence(seed)).reshape(resamples, count, k)
    with np.errstate(divide="ignore", invalid="ignore"):
        replicates = np.array([[float(value(each)) for each in resample] for resample in sums])
        values = np.array([float(value(each)) for each in runs.sum(axis=1)])
    replicates[np.isinf(replicates)] = math.nan
    return _Drawn(values, replicates, len(rows))


def _summed_up(drawn: _Drawn, level: float) -> RepeatedValue:
    of_samples = _variance(drawn.replicates.mean(axis=1)) * drawn.correction
    error, degrees = combined_error([drawn.of_samples(of_samples), drawn.of_runs()])
    mean = float(drawn.values.mean())
    return RepeatedValue(
        value=mean,
        values=tuple(map(float, drawn.values)),
        deviation=float(np.std(drawn.values, ddof=1)) if len(drawn.values) > 1 else math.nan,
        sampling_error=math.sqrt(of_samples),
        standard_error=error,
        degrees_of_freedom=degrees,
        interval=drawn.interval(mean, error, degrees, level),
    )


def combined_error(parts: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Return the standard error of a sum of independent parts, and its degrees of freedom by Satterthwaite.

    Args:
        parts: the variance of each, and how sure that is: half of the variance of its estimate, which of an estimate
            of d degrees of freedom is its square by d.
    """
    variances, doubts = zip(*parts, strict=True)
    total, doubt = math.fsum(variances), math.fsum(doubts)
    return math.sqrt(total), max(total**2 / doubt, 1.0) if doubt else math.inf


def student_interval(value: float, error: float, degrees: float, level: float) -> Interval:
    """Return the interval of Student's t around a value; both ends are nan where the error is 0 or not known."""
    if not error > 0 or math.isnan(value) or math.isnan(degrees):
        return Interval(math.nan, math.nan)
    reach = float(student_t_quantiles([(1 + level) / 2], degrees)[0]) * error
    return Interval(value - reach, value + reach)


def _variance(values: Array) -> float:
    defined = values[~np.isnan(values)]
    return float(np.var(defined, ddof=1)) if len(defined) > 1 else math.nan


def _as_runs(statistics: ArrayLike) -> Array:
    runs = np.asarray(statistics, dtype=np.float64)
    if runs.ndim != 3 or 0 in runs.shape:
        raise DataError(f"statistics must be runs × samples × k numbers, got shape {runs.shape}")
    if not np.isfinite(runs).all():
        raise DataError("a statistic of the runs is not finite")
    return runs
