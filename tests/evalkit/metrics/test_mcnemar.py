"""McNemar's exact test against SciPy's binomial test."""

import pytest
from scipy import stats

from evalkit.errors import DataError
from evalkit.metrics.mcnemar import mcnemar_exact


@pytest.mark.parametrize(
    ("fixed", "broken"), [(0, 0), (0, 1), (3, 0), (5, 15), (7, 7), (8, 9), (300, 411), (4000, 3900)]
)
def test_it_is_the_binomial_test_of_a_half(fixed: int, broken: int) -> None:
    differing = fixed + broken
    expected = stats.binomtest(fixed, differing).pvalue if differing else 1.0
    assert mcnemar_exact(fixed, broken) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_exact(broken, fixed) == mcnemar_exact(fixed, broken)


def test_counts_cannot_be_negative() -> None:
    with pytest.raises(DataError, match="negative, got -1 and 3"):
        mcnemar_exact(-1, 3)
