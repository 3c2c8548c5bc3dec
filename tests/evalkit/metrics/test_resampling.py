"""Resampling against plain loops, exact distributions, SciPy and simulated truth."""

import itertools
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evalkit.errors import ConfigurationError, DataError
from evalkit.metrics.intervals import Interval, percentile_interval
from evalkit.metrics.resampling import bootstrap, bootstrap_values, paired_test, sampling_distribution


def error_rate(totals: Any) -> float:
    return float((totals[..., 0] + totals[..., 1]) / totals[..., 2])


def accuracy(totals: Any) -> float:
    return float(totals[0] / totals[1])


def share_of_four(totals: Any) -> Any:
    return totals[..., 0] / 4


def simulated_recogniser(n: int, seed: int, rate: float = 0.12) -> Any:
    """Substitutions, deletions and words of n utterances; long ones are recognised worse."""
    generator = np.random.default_rng(seed)
    words = generator.integers(1, 40, n)
    substitutions = generator.binomial(words, np.minimum(1, rate * words / 20))
    deletions = generator.binomial(words - substitutions, 0.02)
    return np.column_stack([substitutions, deletions, words]).astype(float)


def resample_one_by_one(statistics: Any, resamples: int, seed: int) -> Any:
    generator = np.random.default_rng(seed)
    n = len(statistics)
    return np.array([statistics[generator.choice(n, n, replace=True)].sum(axis=0) for _ in range(resamples)])


def replicate_sums(statistics: Any, resamples: int, seed: int = 0) -> Any:
    """The sums themselves, which `value` is given."""
    sums: list[Any] = []

    def remember(totals: Any) -> float:
        sums.append(totals.copy())
        return 0.0

    bootstrap_values(statistics, remember, resamples=resamples, seed=seed)
    return np.array(sums)


def assert_ends_agree(interval: Interval, replicates: Any, resamples: int) -> None:
    """Both ends within four Monte-Carlo standard errors of a difference of two estimated quantiles.

    A quantile q of R replicates has standard error sqrt(q (1 - q) / R) / density; at the 2.5 % point of a
    normal distribution with standard deviation s the density is 0.0584 / s.
    """
    low, high = np.quantile(replicates, [0.025, 0.975])
    of_one = math.sqrt(0.025 * 0.975 / resamples) / 0.0584 * np.std(replicates)
    assert interval.low == pytest.approx(low, abs=4 * math.sqrt(2) * of_one)
    assert interval.high == pytest.approx(high, abs=4 * math.sqrt(2) * of_one)


@pytest.mark.slow
@pytest.mark.parametrize("n", [84, 600], ids=["few distinct rows", "many distinct rows"])
def test_bootstrap_agrees_with_resampling_one_by_one(n: int) -> None:
    statistics = simulated_recogniser(n, seed=1)
    resamples = 20_000
    expected = [error_rate(totals) for totals in resample_one_by_one(statistics, resamples, seed=2)]
    assert_ends_agree(bootstrap(statistics, error_rate, resamples=resamples), expected, resamples)


@pytest.mark.slow
def test_paired_interval_agrees_with_resampling_one_by_one() -> None:
    a, b = simulated_recogniser(300, seed=3), simulated_recogniser(300, seed=3)
    b[::4, 0] += 1
    resamples = 20_000
    together = resample_one_by_one(np.hstack([a, b]), resamples, seed=4)
    expected = [error_rate(totals[:3]) - error_rate(totals[3:]) for totals in together]
    test = paired_test(a, b, error_rate, resamples=resamples)
    assert test.difference == pytest.approx(error_rate(a.sum(axis=0)) - error_rate(b.sum(axis=0)))
    assert_ends_agree(test.interval, expected, resamples)


@pytest.mark.parametrize("n", [100, 600], ids=["few distinct rows", "many distinct rows"])
def test_rows_are_drawn_uniformly_with_replacement(n: int) -> None:
    resamples = 3_000
    counts = replicate_sums(np.eye(n), resamples)
    assert np.array_equal(counts.sum(axis=1), np.full(resamples, n))

    # Each row's count is binomial(n, 1/n): every frequency within five standard errors.
    for count in range(6):
        probability = math.comb(n, count) * (1 / n) ** count * (1 - 1 / n) ** (n - count)
        standard_error = math.sqrt(probability * (1 - probability) / counts.size)
        assert np.mean(counts == count) == pytest.approx(probability, abs=5 * standard_error)
    # No row is favoured: chi-square with n - 1 degrees of freedom, within five standard deviations.
    chi_square = float(np.sum((counts.sum(axis=0) - resamples) ** 2) / resamples)
    assert chi_square == pytest.approx(n - 1, abs=5 * math.sqrt(2 * (n - 1)))
    # Counts of different rows hang together: any half of them gets binomial(n, 1/2) draws.
    for half in (np.arange(n) < n // 2, np.arange(n) % 2 == 0):
        assert counts[:, half].sum(axis=1).var() == pytest.approx(n / 4, rel=5 * math.sqrt(2 / resamples))


@pytest.mark.parametrize("largest", [2**24 // 500, 2**25 // 500, 2**40])
def test_whole_numbers_are_summed_exactly(largest: int) -> None:
    n = 500
    weights = largest - np.random.default_rng(5).integers(0, 3, n)
    sums = replicate_sums(np.column_stack([np.eye(n), weights]), resamples=200)
    expected = sums[:, :n].astype(np.int64) @ weights
    assert np.array_equal(sums[:, n].astype(np.int64), expected)


def test_fractions_are_summed_in_double_precision() -> None:
    n = 500
    weights = np.random.default_rng(5).random(n)
    sums = replicate_sums(np.column_stack([np.eye(n), weights]), resamples=200)
    assert sums[:, n] == pytest.approx(sums[:, :n] @ weights, rel=1e-13)


@pytest.mark.slow
def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    # Some 600,000 errors in one long simulation give the true rate to within a thousandth of an interval.
    truth = error_rate(simulated_recogniser(200_000, seed=6).sum(axis=0))
    simulations = 300
    covered = 0
    for seed in range(simulations):
        interval = bootstrap(simulated_recogniser(150, seed=1000 + seed), error_rate, resamples=300)
        covered += interval.low <= truth <= interval.high
    # Three binomial standard errors (0.013) each way; percentile intervals fall a point short at this size.
    assert 0.90 <= covered / simulations <= 0.985


def test_wider_level_gives_wider_interval() -> None:
    statistics = simulated_recogniser(200, seed=7)
    narrow, wide = (bootstrap(statistics, error_rate, level=level) for level in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_standard_error_of_a_mean() -> None:
    numbers = np.random.default_rng(8).normal(3, 2, 400)
    replicates = bootstrap_values(numbers, lambda total: total[0] / 400)
    # The bootstrap's own standard deviation of a mean is known; 10,000 replicates give it within 0.7 %.
    assert replicates.std(ddof=1) == pytest.approx(numbers.std() / math.sqrt(400), rel=0.03)
    assert replicates.shape == (10_000,)


def test_interval_is_the_percentiles_of_the_replicates() -> None:
    statistics = simulated_recogniser(50, seed=9)
    replicates = sampling_distribution(statistics, error_rate, seed=3).replicates
    assert bootstrap(statistics, error_rate, level=0.9, seed=3) == percentile_interval(replicates, 0.9)
    assert percentile_interval(np.arange(101), 0.9) == pytest.approx((5, 95))


def test_scipy_agrees_on_the_interval() -> None:
    stats = pytest.importorskip("scipy.stats")
    numbers = np.random.default_rng(10).exponential(1.0, 80)
    theirs = stats.bootstrap((numbers,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(0))
    ours = percentile_interval(bootstrap_values(numbers, lambda total: total[0] / 80, resamples=20_000))
    assert_ends_agree(ours, theirs.bootstrap_distribution, 20_000)


def test_scipy_agrees_on_the_p_value() -> None:
    stats = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(11)
    a = generator.normal(0.3, 1, 12)
    b = generator.normal(0, 1, 12)
    exact = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x) - np.mean(y), permutation_type="samples", n_resamples=np.inf
    ).pvalue
    ours = paired_test(a, b, lambda total: total[0] / 12, resamples=40_000).p_value
    assert ours == pytest.approx(exact, abs=5 * math.sqrt(exact * (1 - exact) / 40_000))


def test_p_value_of_an_error_rate_matches_all_exchanges() -> None:
    a, b = simulated_recogniser(9, seed=12, rate=0.3), simulated_recogniser(9, seed=12, rate=0.3)
    b[:, 0] = np.random.default_rng(13).binomial(b[:, 2].astype(int), 0.2)
    observed = abs(error_rate(a.sum(axis=0)) - error_rate(b.sum(axis=0)))
    extreme = 0
    for keep in itertools.product([True, False], repeat=9):
        kept = np.array(keep)[:, np.newaxis]
        exchanged_a, exchanged_b = np.where(kept, a, b), np.where(kept, b, a)
        difference = error_rate(exchanged_a.sum(axis=0)) - error_rate(exchanged_b.sum(axis=0))
        extreme += abs(difference) >= observed - 1e-12
    exact = extreme / 2**9
    assert 0.01 < exact < 0.9
    p_value = paired_test(a, b, error_rate, resamples=40_000).p_value
    assert p_value == pytest.approx(exact, abs=5 * math.sqrt(exact * (1 - exact) / 40_000))


def test_p_value_of_an_accuracy_is_the_exact_sign_test() -> None:
    # 15 questions only a answers, 5 only b: two-sided binomial(20, 1/2), ties with the observed 10 included.
    a_correct = np.repeat([1, 1, 0, 0], [60, 15, 5, 20])
    b_correct = np.repeat([1, 0, 1, 0], [60, 15, 5, 20])
    one = np.ones(100)
    test = paired_test(np.column_stack([a_correct, one]), np.column_stack([b_correct, one]), accuracy)
    exact = 2 * sum(math.comb(20, k) for k in range(6)) / 2**20
    assert test.difference == pytest.approx(0.10)
    assert test.p_value == pytest.approx(exact, abs=5 * math.sqrt(exact / 10_000))


def test_ties_count_whatever_the_rounding() -> None:
    # Whichever rows are exchanged, the difference is ±0.1 three times over: all 8 outcomes of size 0.1 or 0.3.
    test = paired_test([0.1, 0.2, 0.3], [0.0, 0.1, 0.2], lambda total: total[0], resamples=20_000)
    assert test.p_value == pytest.approx(0.25, abs=0.016)


@pytest.mark.slow
def test_p_values_are_uniform_without_an_effect_and_small_with_one() -> None:
    without, with_effect = [], []
    for seed in range(300):
        a, b = simulated_recogniser(60, seed=seed), simulated_recogniser(60, seed=10_000 + seed)
        without.append(paired_test(a, b, error_rate, resamples=99).p_value)
        if seed < 30:
            worse = simulated_recogniser(60, seed=10_000 + seed, rate=0.4)
            with_effect.append(paired_test(a, worse, error_rate, resamples=99).p_value)
    for level in (0.05, 0.25, 0.5, 0.75):
        standard_error = math.sqrt(level * (1 - level) / 300)
        assert np.mean(np.array(without) <= level) == pytest.approx(level, abs=3.5 * standard_error)
    assert max(with_effect) <= 0.05


def test_pairing_cancels_what_is_hard_for_both() -> None:
    a = simulated_recogniser(400, seed=14)
    b = a.copy()
    b[::20, 0] += 1
    test = paired_test(a, b, error_rate)
    alone = bootstrap(a, error_rate)
    assert test.interval.high - test.interval.low < (alone.high - alone.low) / 3
    assert test.interval.high < 0
    assert test.p_value < 0.001


def test_swapping_the_systems_changes_the_sign() -> None:
    a, b = simulated_recogniser(80, seed=15), simulated_recogniser(80, seed=16)
    forward, backward = paired_test(a, b, error_rate), paired_test(b, a, error_rate)
    assert forward.difference == -backward.difference
    assert forward.p_value == pytest.approx(backward.p_value, abs=0.03)
    assert forward.interval.low == pytest.approx(-backward.interval.high, abs=0.01)


@pytest.mark.parametrize("n", [1, 40, 400])
def test_equal_systems_do_not_differ(n: int) -> None:
    statistics = np.random.default_rng(17).random((n, 3)) + 0.1
    test = paired_test(statistics, statistics.copy(), error_rate)
    assert (test.difference, test.p_value) == (0.0, 1.0)
    # How far samples that were not drawn might differ, a function of somebody's own does not say.
    assert np.isnan(test.interval).all()


def test_p_value_is_never_zero() -> None:
    test = paired_test(np.ones(100), np.zeros(100), lambda total: total[0], resamples=999)
    assert test.p_value == 1 / 1000


def test_a_single_sample_has_no_interval_and_is_no_evidence() -> None:
    assert np.isnan(bootstrap([[3.0, 1.0, 8.0]], error_rate)).all()
    test = paired_test([[3.0, 1.0, 8.0]], [[1.0, 1.0, 8.0]], error_rate)
    assert (test.difference, test.p_value) == (0.25, 1.0)
    assert np.isnan(test.interval).all()


@pytest.mark.parametrize("n", [50, 3_000], ids=["few distinct rows", "many distinct rows"])
def test_result_depends_on_the_seed_and_not_on_the_threads(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(18)
    a, b = generator.random((n, 3)), generator.random((n, 3))

    def everything(seed: int) -> tuple[Any, Any]:
        values = bootstrap_values(a, error_rate, resamples=500, seed=seed)
        return values.tolist(), paired_test(a, b, error_rate, resamples=500, seed=seed)

    results = []
    for cores in (1, 2, 4, None):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        results.append(everything(seed=1))
    assert all(result == results[0] for result in results)
    assert everything(seed=2)[0] != results[0][0]


@pytest.mark.parametrize(
    "statistics",
    [[1, 0, 1, 1], (1.0, 0.0, 1.0, 1.0), np.array([True, False, True, True]), np.array([[1], [0], [1], [1]])],
    ids=["list", "tuple", "bool", "column"],
)
def test_numbers_may_come_in_any_form(statistics: Any) -> None:
    values = bootstrap_values(statistics, share_of_four, resamples=200)
    assert set(values) <= {0, 0.25, 0.5, 0.75, 1}
    assert len(set(values)) > 1


def test_rare_undefined_replicates_are_left_out() -> None:
    # Half of ten references are empty: all ten draws are with probability 2**-10, below a tail of 2.5 %.
    statistics = np.array([[1.0, 0.0, 4.0], [0.0, 0.0, 0.0]] * 5)
    replicates = bootstrap_values(statistics, error_rate, resamples=20_000)
    assert 0 < np.isnan(replicates).sum() < 60
    assert percentile_interval(replicates) == (0.25, 0.25)


def test_infinite_replicates_are_undefined_too() -> None:
    # An insertion against an empty reference: some resamples have errors and no reference words.
    statistics = np.array([[2.0, 0.0, 0.0]] * 5 + [[0.0, 0.0, 8.0]] * 5)
    replicates = bootstrap_values(statistics, error_rate, resamples=20_000)
    assert 0 < np.isnan(replicates).sum() < 60
    assert not np.isinf(replicates).any()
    assert all(map(math.isfinite, percentile_interval(replicates)))


@pytest.mark.parametrize(
    "statistics",
    [[[1.0, 0.0, 4.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]] * 20],
    ids=["a quarter of the resamples", "all"],
)
def test_no_interval_where_too_many_replicates_are_undefined(statistics: Any) -> None:
    interval = bootstrap(statistics, error_rate)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_undefined_differences() -> None:
    defined, undefined = np.array([[1.0, 0.0, 4.0]] * 30), np.zeros((30, 3))
    test = paired_test(defined, undefined, error_rate)
    assert all(math.isnan(number) for number in (test.difference, *test.interval, test.p_value))


def test_undefined_exchanges_count_as_extreme() -> None:
    # Half of the exchanges bring all words to one side and leave 0/0 on the other; the rest only change the sign.
    a, b = [[1.0, 0.0, 4.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [2.0, 0.0, 4.0]]
    assert paired_test(a, b, error_rate).p_value == 1.0


@pytest.mark.parametrize(
    ("statistics", "message"),
    [
        ([], "no samples"),
        (np.empty((0, 4)), "no samples"),
        (np.ones((3, 2, 2)), r"shape \(3, 2, 2\)"),
        (np.ones((3, 0)), r"shape \(3, 0\)"),
        ([[1.0, 2.0], [np.nan, 2.0]], "sample 1 "),
        ([1.0, 2.0, np.inf], "sample 2 "),
    ],
)
def test_statistics_that_cannot_be_resampled(statistics: Any, message: str) -> None:
    resampling: list[Callable[[], object]] = [
        lambda: bootstrap(statistics, error_rate),
        lambda: paired_test(statistics, statistics, error_rate),
    ]
    for call in resampling:
        with pytest.raises(DataError, match=message):
            call()


def test_paired_test_refuses_different_samples() -> None:
    with pytest.raises(DataError, match=r"\(3, 1\) and \(4, 1\)"):
        paired_test(np.ones(3), np.ones(4), lambda total: total[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"level": 95}, "level"), ({"level": 0.0}, "level"), ({"resamples": 0}, "resamples")],
)
def test_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        bootstrap([1.0, 2.0], lambda total: total[0], **settings)
    with pytest.raises(ConfigurationError, match=message):
        paired_test([1.0, 2.0], [1.0, 3.0], lambda total: total[0], **settings)
