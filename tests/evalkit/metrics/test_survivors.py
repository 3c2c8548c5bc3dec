"""What mutants taught: changes of the statistics that every other test let pass."""

import numpy as np

from evalkit.metrics.functions import ratio
from evalkit.metrics.resampled_sums import _uniform_counts
from evalkit.metrics.resampling import bootstrap, paired_test


def test_the_seed_is_0_unless_another_is_given() -> None:
    rng = np.random.default_rng(3)
    one, other = (np.stack([rng.integers(0, 3, 60), np.full(60, 3)], axis=1) for _ in range(2))
    assert bootstrap(one, ratio, resamples=300) == bootstrap(one, ratio, resamples=300, seed=0)
    assert paired_test(one, other, ratio, resamples=300) == paired_test(one, other, ratio, resamples=300, seed=0)
    assert paired_test(one, other, ratio, resamples=300) != paired_test(one, other, ratio, resamples=300, seed=1)


def test_every_row_of_a_small_set_is_drawn_equally_often() -> None:
    counts = _uniform_counts(np.random.default_rng(0), 40_000, n=10)
    assert (counts.sum(axis=1) == 10).all()
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.03)
