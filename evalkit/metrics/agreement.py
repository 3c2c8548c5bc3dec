"""How far two judges agree about the same answers, beyond what chance would have them agree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import DataError
from evalkit.metrics.clusters import Labels
from evalkit.metrics.intervals import Interval, percentile_interval
from evalkit.metrics.resampling import sampling_distribution

Weights = Literal["linear", "quadratic"]

_MOST_CATEGORIES = 40


@dataclass(frozen=True, slots=True)
class Agreement:
    """Cohen's kappa of two judges.

    Attributes:
        value: 1 where they always agree, 0 where no more than by chance; nan where both give all the same verdict.
        interval: of the value; both ends are nan where none can be given, as where they always agree.
    """

    value: float
    interval: Interval


def cohens_kappa(
    a: Sequence[float | str],
    b: Sequence[float | str],
    weights: Weights | None = None,
    clusters: Labels | None = None,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Agreement:
    """Return Cohen's kappa of two judges' verdicts or marks, with its bootstrap interval.

    Cohen (1960), *A coefficient of agreement for nominal scales*, Educational and Psychological Measurement 20(1);
    weighted, Cohen (1968), *Weighted kappa*, Psychological Bulletin 70(4).

    Args:
        a: the first judge's verdicts, one an answer.
        b: the second judge's, in the same order.
        weights: how much a disagreement counts: alike (None, for verdicts), by the distance of two marks (``linear``)
            or by its square (``quadratic``).
        clusters: what makes answers dependent, one label an answer (`evalkit.metrics.clusters`).
        level: coverage of the interval.
        resamples: number of bootstrap resamples.
        seed: the same seed gives the same interval.

    Raises:
        DataError: the verdicts are not as many, or none, or of too many kinds, or no numbers where they are weighted.

    >>> round(cohens_kappa(["yes", "yes", "no", "no"], ["yes", "no", "no", "no"]).value, 2)
    0.5
    """
    if len(a) != len(b):
        raise DataError(f"two judges agree about the same answers, got {len(a):,} and {len(b):,} verdicts")
    categories = sorted({*a, *b}, key=lambda each: (isinstance(each, str), each))
    if len(categories) > _MOST_CATEGORIES:
        raise DataError(f"kappa is of verdicts of at most {_MOST_CATEGORIES} kinds, got {len(categories):,}")
    costs = _costs(categories, weights)
    count = len(categories)
    number = {category: position for position, category in enumerate(categories)}
    pairs = np.zeros((len(a), count * count))
    pairs[np.arange(len(a)), [number[one] * count + number[other] for one, other in zip(a, b, strict=True)]] = 1

    def kappa(totals: NDArray[np.float64]) -> float:
        observed = totals.reshape(count, count) / totals.sum()
        by_chance = np.outer(observed.sum(axis=1), observed.sum(axis=0))
        expected = float((costs * by_chance).sum())
        return 1 - float((costs * observed).sum()) / expected if expected else math.nan

    drawn = sampling_distribution(pairs, kappa, clusters=clusters, resamples=resamples, seed=seed)
    return Agreement(kappa(pairs.sum(axis=0)), percentile_interval(drawn.replicates, level))


def _costs(categories: Sequence[float | str], weights: Weights | None) -> NDArray[np.float64]:
    """Return what each pair of verdicts costs, in the order of the categories."""
    if weights is None:
        return 1 - np.eye(len(categories))
    if any(isinstance(category, str) for category in categories):
        raise DataError(f"{weights} weights are for marks, and these verdicts are words; leave the weights out")
    marks = np.array(categories, dtype=np.float64)
    distances = np.abs(marks[:, np.newaxis] - marks)
    return distances if weights == "linear" else distances**2
