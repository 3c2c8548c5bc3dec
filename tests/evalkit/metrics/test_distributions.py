"""The quantiles of Student's t, of the normal and of the beta distribution, against SciPy."""

import math

import numpy as np
import pytest
from scipy import stats

from evalkit.metrics.distributions import beta_quantiles, student_t_cdf, student_t_quantiles

PROBABILITIES = np.array([0.0005, 0.0025, 0.025, 0.1, 0.5, 0.8, 0.975, 0.9995])


@pytest.mark.parametrize("degrees_of_freedom", [2, 3.7, 9, 39, 2_000, 1e6, math.inf])
def test_student_t(degrees_of_freedom: float) -> None:
    expected = stats.t.ppf(PROBABILITIES, degrees_of_freedom)
    assert student_t_quantiles(PROBABILITIES, degrees_of_freedom) == pytest.approx(expected, rel=1e-4, abs=1e-9)
    at = [-4, -2, 0, 1.5, 6]
    expected = stats.t.cdf(at, degrees_of_freedom)
    assert student_t_cdf(at, degrees_of_freedom) == pytest.approx(expected, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 6), (8, 1), (3, 22), (60, 30), (1, 10**5), (50_000, 50_001)])
def test_beta(a: float, b: float) -> None:
    assert beta_quantiles(PROBABILITIES, a, b) == pytest.approx(stats.beta.ppf(PROBABILITIES, a, b), rel=1e-4)
