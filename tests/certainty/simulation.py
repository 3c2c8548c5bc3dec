"""How often intervals hold the truth and tests raise a false alarm, over many simulated test sets.

The sums of resampled units are made for many test sets at once; all that follows of them is the harness's own.
"""

import math
from collections.abc import Iterator
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
class Simulated:
    """What became of one pair of systems.

    Attributes:
        interval: of the first system's value.
        difference: the interval of their difference.
        p_value: of the paired test.
        smallest: the smallest difference that the test set could have found.
        replicates: of the first system's value, whose percentiles its interval is.
        plain: the same as they were drawn.
        plain_difference: the differences as they were drawn.
    """

    interval: Interval
    difference: Interval
    p_value: float
    smallest: float
    replicates: Array
    plain: Array
    plain_difference: Array


def simulate(
    figure: Figure, shape: Shape, pairs: int, resamples: int, *, effect: float = 0.0, seed: int = 0
) -> Iterator[Simulated]:
    """Yield what becomes of as many pairs of systems."""
    generator = np.random.default_rng([seed, len(shape.sizes), sum(shape.sizes), *figure.name.encode()])
    for start in range(0, pairs, _AT_ONCE):
        a, b = draw_pairs(generator, figure, shape, min(_AT_ONCE, pairs - start), effect)
        yield from _resampled(generator, figure, shape, a, b, resamples)


def coverage(figure: Figure, shape: Shape, simulated: list[Simulated]) -> tuple[float, float]:
    """Return the shares of intervals of values and of differences that hold the truth, of systems that are alike."""
    value = truth(figure, shape.speaker, shape.reaction)
    held = [each.interval.low <= value <= each.interval.high for each in simulated]
    of_difference = [each.difference.low <= 0 <= each.difference.high for each in simulated]
    return float(np.mean(held)), float(np.mean(of_difference))


def alarms(simulated: list[Simulated]) -> float:
    """Return the share of tests that find a difference."""
    return float(np.mean([each.p_value <= 1 - LEVEL for each in simulated]))


def effect_of_size(figure: Figure, shape: Shape, difference: float) -> float:
    """Return how much harder samples must be for the second system to be worse by a difference."""
    low, high = 0.0, 2.0
    alike = truth(figure, shape.speaker, shape.reaction)
    for _ in range(8):
        middle = (low + high) / 2
        reached = abs(truth(figure, shape.speaker, shape.reaction, middle) - alike)
        low, high = (middle, high) if reached < difference else (low, middle)
    return (low + high) / 2


def power(figure: Figure, shape: Shape, pairs: int, resamples: int) -> tuple[float, float]:
    """Return the smallest difference that such a test set says it finds in 80 % of cases, and how often it does."""
    said = float(np.median([each.smallest for each in simulate(figure, shape, 200, 200, seed=1)]))
    effect = effect_of_size(figure, shape, said)
    return said, alarms(list(simulate(figure, shape, pairs, resamples, effect=effect, seed=2)))


def _resampled(
    generator: np.random.Generator, figure: Figure, shape: Shape, a: Array, b: Array, resamples: int
) -> Iterator[Simulated]:
    pairs, units, k = a.shape
    drawn = generator.multinomial(units, np.full(units, 1 / units), resamples)
    kept = generator.integers(0, 2, (resamples, units))

    def sums(counts: Array, rows: Array) -> Array:
        """Return pairs × resamples × k sums."""
        flat = counts.astype(float) @ rows.transpose(1, 0, 2).reshape(units, pairs * k)
        return flat.reshape(resamples, pairs, k).transpose(1, 0, 2)

    with np.errstate(divide="ignore", invalid="ignore"):
        total_a, total_b = a.sum(axis=1, keepdims=True), b.sum(axis=1, keepdims=True)
        value_a, value_b = figure.values(total_a)[:, 0], figure.values(total_b)[:, 0]
        of_a, of_b = figure.values(sums(drawn, a)), figure.values(sums(drawn, b))
        exchanged = sums(kept, a - b)
        after = figure.values(total_b + exchanged) - figure.values(total_a - exchanged)
    for pair in range(pairs):
        bounds = known_range(figure.function, a[pair]) if not shape.clustered else _bounds(figure, a[pair])
        replicates = widened(of_a[pair], units, bounds, pair, accelerated=True)
        if not shape.clustered and is_proportion(figure.function, a[pair]):
            replicates = of_proportion(a[pair], of_a[pair], pair)
        furthest = None if bounds is None else (bounds[0] - bounds[1], bounds[1] - bounds[0])
        differences = of_a[pair] - of_b[pair]
        spread = widened(differences, units, furthest, pair, accelerated=False)
        error = standard_error(differences, spread, units)
        test = summarise(
            PairedReplicates(float(value_a[pair]), float(value_b[pair]), spread, after[pair], error, units), LEVEL
        )
        yield Simulated(
            interval=_open_where_nothing_is_said(percentile_interval(replicates, LEVEL)),
            difference=_open_where_nothing_is_said(test.interval),
            p_value=test.p_value,
            smallest=smallest_difference(error, units, level=LEVEL),
            replicates=replicates,
            plain=of_a[pair],
            plain_difference=differences,
        )


def _bounds(figure: Figure, sums: Array) -> tuple[float, float] | None:
    """Return the range of a sample; that answers are right or wrong does not show in their sums."""
    return (0.0, 1.0) if figure.name in ("accuracy", "precision") else known_range(figure.function, sums)


def _open_where_nothing_is_said(interval: Interval) -> Interval:
    return Interval(-math.inf, math.inf) if math.isnan(interval.low) else interval
