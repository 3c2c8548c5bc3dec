"""Cohen's kappa against tables worked out by hand, and its interval against its known standard error."""

import math
from typing import Any

import numpy as np
import pytest

from evalkit.errors import DataError
from evalkit.metrics.agreement import cohens_kappa


def verdicts(table: Any) -> tuple[list[int], list[int]]:
    """The verdicts of two judges, of which a table says how often each pair occurs."""
    pairs = [(row, column) for row, counts in enumerate(table) for column, _ in enumerate(counts)]
    both = [pair for pair in pairs for _ in range(table[pair[0]][pair[1]])]
    return [row for row, _ in both], [column for _, column in both]


def test_kappa_of_two_by_two() -> None:
    # 35 of 50 agree; by chance (25·30 + 25·20) / 2500 = half would.
    a, b = verdicts([[20, 5], [10, 15]])
    assert cohens_kappa(a, b, resamples=50).value == pytest.approx((0.7 - 0.5) / 0.5)
    words = [["yes", "no"][each] for each in a], [["yes", "no"][each] for each in b]
    assert cohens_kappa(*words, resamples=50).value == pytest.approx(0.4)


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_weighted_kappa_by_its_definition(weights: Any) -> None:
    generator = np.random.default_rng(0)
    a = generator.integers(1, 6, 80)
    b = np.clip(a + generator.integers(-1, 2, 80), 1, 5)
    power = 1 if weights == "linear" else 2
    observed = np.mean(np.abs(a - b) ** power)
    by_chance = np.mean(np.abs(a[:, np.newaxis] - b) ** power)
    found = cohens_kappa(a.tolist(), b.tolist(), weights, resamples=300)
    assert found.value == pytest.approx(1 - observed / by_chance)
    assert found.interval.low < found.value < found.interval.high < 1


def test_a_mark_that_nobody_gave_counts_as_far_as_it_is() -> None:
    near, far = ([1, 1, 2, 2], [1, 2, 2, 1]), ([1, 1, 5, 5], [1, 5, 5, 1])
    assert (
        cohens_kappa(*near, "quadratic", resamples=9).value == cohens_kappa(*far, "quadratic", resamples=9).value == 0
    )
    assert cohens_kappa([1, 2, 5, 5], [1, 1, 5, 5], "quadratic", resamples=9).value > 0.9


def test_the_interval_is_as_wide_as_the_standard_error_says() -> None:
    a, b = verdicts([[80, 20], [40, 60]])
    # Fleiss, Cohen & Everitt (1969): sqrt(observed (1 - observed) / n) / (1 - by chance), about
    error = math.sqrt(0.7 * 0.3 / 200) / 0.5
    low, high = cohens_kappa(a, b, resamples=4_000).interval
    assert high - low == pytest.approx(2 * 1.97 * error, rel=0.1)


def test_answers_that_hang_together_say_less() -> None:
    generator = np.random.default_rng(1)
    alike = np.repeat(generator.random(12) < 0.6, 20)
    a = np.tile([0, 1], 120)
    b = np.where(alike, a, 1 - a)
    alone = cohens_kappa(a.tolist(), b.tolist(), resamples=500).interval
    together = cohens_kappa(
        a.tolist(), b.tolist(), clusters=np.repeat(np.arange(12), 20).tolist(), resamples=500
    ).interval
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_where_kappa_or_its_interval_is_undefined() -> None:
    assert math.isnan(cohens_kappa(["yes"] * 9, ["yes"] * 9, resamples=9).value)
    always = cohens_kappa(["yes", "no"] * 9, ["yes", "no"] * 9, resamples=9)
    assert always.value == 1
    assert math.isnan(always.interval.low)


@pytest.mark.parametrize(
    ("a", "b", "weights", "message"),
    [
        ([1, 2], [1], None, "got 2 and 1 verdicts"),
        ([], [], None, "no samples|shape"),
        (["good", "bad"], ["good", "good"], "linear", "linear weights are for marks"),
        (list(range(50)), list(range(50)), None, "at most 40 kinds, got 50"),
    ],
)
def test_verdicts_that_cannot_be_compared(a: Any, b: Any, weights: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        cohens_kappa(a, b, weights)
