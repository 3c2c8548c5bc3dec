"""How often intervals hold the truth and tests raise a false alarm, over many simulated test sets.

The sums of resampled units are made for many test sets at once; all that follows of them is the harness's own.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.metrics.intervals import Interval, of_proportion, percentile_interval, standard_error, widened
from evalkit.metrics.power import smallest_difference
from evalkit.metrics.resampling import PairedReplicates, summarise
from evalkit.metrics.rows import is_proportion, known_range
from tests.certainty.population import Array, Figure, Shape, draw_pairs, truth

LEVEL = 0.95
_AT_ONCE = 25  # test sets whose resamples draw the same units, at most


@dataclass(frozen=True, slots=True)
class Drawn:
    """What any interval is made of.

    Attributes:
        value: over all units.
        replicates: over the units of each resample.
        left_out: without each unit in turn.
        counts: how often each unit occurs in each resample, resamples × units.
    """

    value: float
    replicates: Array
    left_out: Array
    counts: Array


@dataclass(frozen=True, slots=True)
class Simulated:
    """What became of one pair of systems.

    Attributes:
        interval: of the first system's value.
        difference: the interval of their difference.
        p_value: of the paired test.
        smallest: the smallest difference that the test set could have found.
        replicates: of the first system's value, whose percentiles its interval is.
        drawn: of the value and of the difference, what other methods make intervals of.
    """

    interval: Interval
    difference: Interval
    p_value: float
    smallest: float
    replicates: Array
    drawn: tuple[Drawn, Drawn]


def simulate(
    figure: Figure,
    shape: Shape,
    pairs: int,
    resamples: int,
    *,
    effect: float = 0.0,
    singly: bool = False,
    seed: int = 0,
) -> Iterator[Simulated]:
    """Yield what becomes of as many pairs of systems; `singly`, if samples are taken to be independent."""
    generator = np.random.default_rng([seed, len(shape.sizes), sum(shape.sizes), *figure.name.encode()])
    for start in range(0, pairs, _AT_ONCE):
        a, b = draw_pairs(generator, figure, shape, min(_AT_ONCE, pairs - start), effect, singly)
        yield from resampled(generator, figure, a, b, resamples, summed=shape.clustered and not singly)


def coverage(figure: Figure, shape: Shape, simulated: Sequence[Simulated]) -> tuple[float, float]:
    """Return the shares of intervals of values and of differences that hold the truth, of systems that are alike."""
    value = truth(figure, shape.speaker, shape.reaction)
    return share_held([each.interval for each in simulated], value), share_held(
        [each.difference for each in simulated], 0.0
    )


def share_held(intervals: Sequence[Interval], value: float) -> float:
    """Return the share of intervals that hold a value, rounding aside."""
    margin = 1e-9 * abs(value)
    return float(np.mean([low - margin <= value <= high + margin for low, high in intervals]))


def alarms(simulated: Sequence[Simulated]) -> float:
    """Return the share of tests that find a difference."""
    return float(np.mean([each.p_value <= 1 - LEVEL for each in simulated]))


def effect_of_size(figure: Figure, shape: Shape, difference: float) -> float:
    """Return how much harder samples must be for the second system to be worse by a difference."""
    alike = truth(figure, shape.speaker, shape.reaction)
    effect = 0.3
    for _ in range(3):  # the difference is nearly in proportion to it
        effect *= difference / abs(truth(figure, shape.speaker, shape.reaction, effect) - alike)
    return effect


def power(figure: Figure, shape: Shape, pairs: int, resamples: int) -> tuple[float, float]:
    """Return the smallest difference that such a test set says it finds in 80 % of cases, and how often it does."""
    said = float(np.median([each.smallest for each in simulate(figure, shape, 200, 200, seed=1)]))
    effect = effect_of_size(figure, shape, said)
    return said, alarms(list(simulate(figure, shape, pairs, resamples, effect=effect, seed=2)))


def resampled(
    generator: np.random.Generator, figure: Figure, a: Array, b: Array, resamples: int, *, summed: bool
) -> Iterator[Simulated]:
    """Yield what becomes of pairs × units × k rows of two systems; `summed`, if a row is a speaker's."""
    pairs, units, k = a.shape
    drawn = generator.multinomial(units, np.full(units, 1 / units), resamples).astype(float)
    kept = generator.integers(0, 2, (resamples, units)).astype(float)

    def sums(counts: Array, rows: Array) -> Array:
        """Return pairs × resamples × k sums."""
        flat = counts @ rows.transpose(1, 0, 2).reshape(units, pairs * k)
        return flat.reshape(resamples, pairs, k).transpose(1, 0, 2)

    with np.errstate(divide="ignore", invalid="ignore"):
        total_a, total_b = a.sum(axis=1, keepdims=True), b.sum(axis=1, keepdims=True)
        value_a, value_b = figure.values(total_a)[:, 0], figure.values(total_b)[:, 0]
        of_a, of_b = figure.values(sums(drawn, a)), figure.values(sums(drawn, b))
        exchanged = sums(kept, a - b)
        without_a, without_b = figure.values(total_a - a), figure.values(total_b - b)
        after = figure.values(total_b + exchanged) - figure.values(total_a - exchanged)
    for pair in range(pairs):
        # That answers are right or wrong does not show in the sums of speakers.
        known = figure.name in ("accuracy", "precision")
        bounds = (0.0, 1.0) if known else known_range(figure.function, a[pair])
        replicates = widened(of_a[pair], units, bounds, pair, accelerated=True)
        if not summed and is_proportion(figure.function, a[pair]):
            replicates = of_proportion(a[pair], of_a[pair], pair)
        furthest = None if bounds is None else (bounds[0] - bounds[1], bounds[1] - bounds[0])
        differences = of_a[pair] - of_b[pair]
        spread = widened(differences, units, furthest, pair, accelerated=False)
        error = standard_error(differences, spread, units)
        both = float(value_a[pair]), float(value_b[pair])
        test = summarise(PairedReplicates(*both, spread, after[pair], error, units), LEVEL)
        yield Simulated(
            interval=open_where_nothing_is_said(percentile_interval(replicates, LEVEL)),
            difference=open_where_nothing_is_said(test.interval),
            p_value=test.p_value,
            smallest=smallest_difference(error, units, level=LEVEL),
            replicates=replicates,
            drawn=(
                Drawn(both[0], of_a[pair], without_a[pair], drawn),
                Drawn(both[0] - both[1], differences, without_a[pair] - without_b[pair], drawn),
            ),
        )


def open_where_nothing_is_said(interval: Interval) -> Interval:
    """Return an interval that holds all, for one that is not known."""
    return Interval(-math.inf, math.inf) if math.isnan(interval.low) else interval
