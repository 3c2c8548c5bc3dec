"""Whole clusters are drawn and exchanged: against a loop over clusters, and against sums made first."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evalkit import bootstrap, paired_test
from evalkit.errors import DataError
from evalkit.metrics.clusters import cluster_numbers, cluster_sums
from evalkit.metrics.resampling import bootstrap_values, paired_replicates


def error_rate(totals: Any) -> float:
    return float(totals[0] / totals[1]) if totals[1] else math.nan


def utterances(speakers: int, each: int, seed: int) -> tuple[Any, list[str]]:
    """Errors and words; a speaker's utterances are alike, and come mixed with those of others."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(speakers), each))
    words = generator.integers(5, 30, len(labels))
    errors = generator.binomial(words, generator.beta(1, 9, speakers)[labels])
    return np.column_stack([errors, words]).astype(float), [f"speaker {label}" for label in labels]


def test_rows_are_added_up_in_the_order_of_the_clusters_first_row() -> None:
    rows = np.array([[1.0, 10], [2, 20], [4, 40], [8, 80], [16, 160]])
    assert cluster_sums(rows, ["b", "a", "b", 3, "a"]).tolist() == [[5, 50], [18, 180], [8, 80]]
    assert cluster_sums(rows, None) is rows


def test_clustered_error_rate_agrees_with_drawing_speakers_one_by_one() -> None:
    statistics, labels = utterances(speakers=12, each=9, seed=1)
    of_speaker = {label: np.flatnonzero(np.array(labels) == label) for label in labels}
    names, generator, resamples = sorted(of_speaker), np.random.default_rng(2), 5_000
    expected = []
    for _ in range(resamples):
        drawn = np.concatenate([of_speaker[names[i]] for i in generator.integers(0, len(names), len(names))])
        expected.append(error_rate(statistics[drawn].sum(axis=0)))
    ours = bootstrap_values(statistics, error_rate, clusters=labels, resamples=resamples)
    # Standard errors of a standard deviation and of a quantile, each of two estimates, four times over.
    spread = float(np.std(expected))
    assert np.std(ours) == pytest.approx(spread, rel=4 / math.sqrt(resamples))
    for share in (0.025, 0.5, 0.975):
        assert np.quantile(ours, share) == pytest.approx(np.quantile(expected, share), abs=0.2 * spread)
    alone = bootstrap_values(statistics, error_rate, resamples=resamples)
    assert spread > 1.5 * np.std(alone)


def test_clusters_are_what_adding_up_first_makes() -> None:
    a, labels = utterances(speakers=9, each=4, seed=3)
    b = utterances(speakers=9, each=4, seed=4)[0]
    sums_a, sums_b = cluster_sums(a, labels), cluster_sums(b, labels)
    assert bootstrap(a, error_rate, clusters=labels) == bootstrap(sums_a, error_rate)
    assert paired_test(a, b, error_rate, clusters=labels) == paired_test(sums_a, sums_b, error_rate)


def test_clusters_of_one_sample_are_samples() -> None:
    a, _ = utterances(speakers=9, each=4, seed=3)
    assert bootstrap(a, error_rate, clusters=range(len(a))) == bootstrap(a, error_rate)


def test_whole_clusters_are_exchanged() -> None:
    # Two clusters of opposite gains: every exchange of whole clusters gives a difference of ±4 or 0 utterances.
    a, b, labels = [1.0] * 2 + [0.0] * 2, [0.0] * 2 + [1.0] * 2, "xxyy"
    replicates = paired_replicates(a, b, lambda total: float(total[0]), clusters=labels, resamples=500)
    assert set(replicates.exchanged) == {-4.0, 0.0, 4.0}


@pytest.mark.parametrize(
    ("labels", "message"),
    [(["x"], "1 labels of clusters for 2 samples"), ([["x"], ["y"]], "must be a text or a number")],
)
def test_labels_that_cannot_be_are_refused(labels: Any, message: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: bootstrap([1.0, 2.0], error_rate, clusters=labels),
        lambda: paired_test([1.0, 2.0], [1.0, 3.0], error_rate, clusters=labels),
    ]
    for call in calls:
        with pytest.raises(DataError, match=message):
            call()


def test_an_array_of_numbers_is_numbered_as_a_list_is() -> None:
    labels = np.random.default_rng(0).integers(0, 20, 100)
    assert cluster_numbers(labels).tolist() == cluster_numbers(labels.tolist()).tolist()
    assert cluster_numbers(np.array([7, 3, 7])).tolist() == [0, 1, 0]
