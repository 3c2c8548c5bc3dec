"""Intervals of few samples, of proportions and of samples that all agree."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from evalkit import bootstrap, paired_test
from evalkit.metrics.functions import corpus_bleu, corpus_error_rate, ratio
from evalkit.metrics.intervals import FEWEST_UNITS, percentile_interval, widened
from evalkit.metrics.resampling import bootstrap_values, sampling_distribution


def mean_of(count: int) -> Any:
    return lambda total: float(total[0]) / count


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("units", [5, 10, 200])
def test_a_difference_is_expanded_to_the_quantiles_of_t(units: int, level: float) -> None:
    # Of normal replicates the ends are known: t times the standard error without its bias.
    drawn = stats.norm.ppf((np.arange(50_000) + 0.5) / 50_000)
    replicates = widened(np.random.default_rng(0).permutation(drawn), units, None, 0, accelerated=False)
    end = stats.t.ppf((1 + level) / 2, units - 1) * math.sqrt(units / (units - 1))
    # An empirical quantile ends where its draws do.
    end = min(end, drawn[-1])
    assert percentile_interval(replicates, level) == pytest.approx((-end, end), rel=0.03)


def test_the_order_of_replicates_stays() -> None:
    drawn = np.random.default_rng(1).normal(size=500)
    drawn[7] = math.nan
    replicates = widened(drawn, 9, None, 0, accelerated=True)
    assert math.isnan(replicates[7])
    known = ~np.isnan(drawn)
    assert (np.argsort(replicates[known], kind="stable") == np.argsort(drawn[known], kind="stable")).mean() > 0.9
    assert np.std(replicates[known]) > 1.1 * np.std(drawn[known])


def test_a_skewed_value_is_less_sure_on_its_long_side() -> None:
    numbers = np.random.default_rng(2).exponential(1, 30)
    drawn = bootstrap_values(numbers, mean_of(30))
    of_value = percentile_interval(sampling_distribution(numbers, mean_of(30)).replicates)
    of_difference = percentile_interval(widened(drawn, 30, None, 0, accelerated=False))
    assert of_value.low > of_difference.low
    assert of_value.high > of_difference.high


def test_the_standard_error_is_that_of_a_mean() -> None:
    numbers = np.random.default_rng(3).normal(3, 2, 6)
    distribution = sampling_distribution(numbers, mean_of(6), resamples=20_000)
    assert distribution.units == 6
    # 20,000 replicates give a standard deviation within 0.5 %.
    assert distribution.standard_error == pytest.approx(float(stats.sem(numbers)), rel=0.02)


@pytest.mark.parametrize(("right", "trials"), [(0, 6), (6, 6), (1, 1), (3, 8), (50, 84), (1_900, 2_000)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_a_proportion_has_its_exact_interval(right: int, trials: int, level: float) -> None:
    rows = np.column_stack([np.arange(trials) < right, np.ones(trials)])
    exact = stats.binomtest(right, trials).proportion_ci(level, "exact")
    assert bootstrap(rows, ratio, level=level) == pytest.approx((exact.low, exact.high), rel=1e-3)


def test_samples_that_do_not_count_make_a_proportion_no_surer() -> None:
    # Precision: right among what was triggered.
    rows = [[1, 1]] * 5 + [[0, 1]] * 2 + [[0, 0]] * 30
    exact = stats.binomtest(5, 7).proportion_ci(0.95, "exact")
    assert bootstrap(rows, ratio) == pytest.approx((exact.low, exact.high), rel=1e-3)
    assert np.isnan(bootstrap([[0, 0]] * 9, ratio)).all()


def test_marks_are_no_proportion() -> None:
    marks = np.column_stack([np.random.default_rng(4).integers(1, 6, 40), np.ones(40)])
    drawn = bootstrap_values(marks, ratio)
    assert bootstrap(marks, ratio) == pytest.approx(percentile_interval(drawn), abs=0.5 * float(np.std(drawn)))


def test_clustered_answers_are_no_independent_proportion() -> None:
    rows = np.column_stack([np.repeat([1, 0], 40), np.ones(80)])
    clusters = np.repeat(np.arange(8), 10).tolist()
    alone, together = bootstrap(rows, ratio), bootstrap(rows, ratio, clusters=clusters)
    assert together.high - together.low > 2 * (alone.high - alone.low)


@pytest.mark.parametrize("units", [6, 200])
def test_no_error_in_a_few_samples_leaves_room_for_some(units: int) -> None:
    low, high = bootstrap([[0, 0, 0, 9]] * units, corpus_error_rate)
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / units), rel=0.01)
    assert sampling_distribution([[0, 0, 0, 9]] * units, corpus_error_rate).standard_error > 0.2 / units


def test_where_all_samples_agree_both_ends_are_open() -> None:
    share = 1 - 0.025 ** (1 / 12)
    half_wrong = bootstrap([[4, 0, 0, 8]] * 12, corpus_error_rate)
    assert half_wrong == pytest.approx((0.5 - 0.5 * share, 0.5 + 0.5 * share), rel=0.01)
    perfect = [[9, 8, 7, 6, 9, 8, 7, 6, 9, 9]] * 12
    assert bootstrap(perfect, corpus_bleu, resamples=500) == pytest.approx((100 * (1 - share), 100), rel=0.02)
    right = np.ones((24, 2))
    in_pairs = bootstrap(right, ratio, clusters=[n // 2 for n in range(24)])
    assert in_pairs == pytest.approx((1 - share, 1), rel=0.01)


def test_two_systems_alike_on_all_samples_may_differ_on_others() -> None:
    rows = np.column_stack([np.arange(40) % 3, np.zeros(40), np.zeros(40), np.full(40, 10)])
    test = paired_test(rows, rows.copy(), corpus_error_rate)
    share = 1 - 0.025 ** (1 / 40)
    assert (test.difference, test.p_value) == (0, 1)
    assert test.interval == pytest.approx((-share, share), rel=0.01)


def test_where_the_scale_is_not_known_nothing_is_said() -> None:
    assert np.isnan(bootstrap([[5.0, 1.0]] * 30, ratio)).all()
    assert np.isnan(bootstrap([[5.0, 1.0]] * 30, mean_of(30))).all()
    # An error rate beyond its range is no bound for others.
    assert np.isnan(bootstrap([[0, 0, 20, 9]] * 30, corpus_error_rate)).all()


def test_too_few_units_have_no_interval() -> None:
    rows = [[n % 3, 0, 0, 9] for n in range(FEWEST_UNITS)]
    assert np.isfinite(bootstrap(rows, corpus_error_rate)).all()
    assert np.isnan(bootstrap(rows[:-1], corpus_error_rate)).all()
    test = paired_test(rows[:-1], rows[1:], corpus_error_rate)
    assert np.isnan(test.interval).all()
    assert 0 < test.p_value <= 1
    many = [[n % 3, 0, 0, 9] for n in range(400)]
    assert np.isnan(bootstrap(many, corpus_error_rate, clusters=[n % 4 for n in range(400)])).all()
