"""What mutants taught: changes of the statistics that every other test let pass."""

import numpy as np
import sacrebleu

from evalkit.metrics.bleu import bleu_metric
from evalkit.metrics.bleu_schemes import get_bleu_scheme
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


def test_bleu_is_called_so_and_printed_in_points_by_its_signature() -> None:
    metric = bleu_metric(get_bleu_scheme("en"), recipe={"transcriber": "ab12"})
    assert (metric.name, metric.unit, metric.scale, metric.decimals, metric.higher_is_better) == (
        "BLEU",
        "",
        1,
        2,
        True,
    )
    assert metric.full_recipe == {
        "metric": "BLEU",
        "nrefs": "1",
        "case": "mixed",
        "eff": "no",
        "tok": "13a",
        "smooth": "exp",
        "version": sacrebleu.__version__,
        "normaliser": "raw-en.v1",
        "transcriber": "ab12",
    }
