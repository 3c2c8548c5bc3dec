"""Student's t, the normal and the beta distribution at many points at once, to four digits and more, without SciPy.

Each is integrated numerically: over a change of variable that makes its density fall off at both ends of a fixed grid,
where the trapezoidal rule is accurate (Trefethen & Weideman 2014, *The Exponentially Convergent Trapezoidal Rule*).
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_STEPS = np.linspace(-1, 1, 8001)
_FURTHEST_T = 11.0  # sinh(11) is 29,937, far beyond what any test asks of even two degrees of freedom
_FURTHEST_BETA = 5.5
_AS_NORMAL = 1e7  # degrees of freedom from which Student's t is the normal distribution to six digits


def student_t_cdf(points: ArrayLike, degrees_of_freedom: float) -> Array:
    """Return the probability of at most each point; of infinitely many degrees of freedom it is the normal's."""
    at, cumulative = _student_t(float(degrees_of_freedom))
    return np.interp(np.asarray(points, dtype=np.float64), at, cumulative)


def student_t_quantiles(probabilities: ArrayLike, degrees_of_freedom: float) -> Array:
    """Return the points with those probabilities of at most; `degrees_of_freedom` is at least 1."""
    at, cumulative = _student_t(float(degrees_of_freedom))
    return np.interp(np.asarray(probabilities, dtype=np.float64), cumulative, at)


def beta_quantiles(probabilities: ArrayLike, a: float, b: float) -> Array:
    """Return the points of a beta distribution with those probabilities of at most; `a` and `b` are at least 1."""
    logits = math.log(a / b) + math.sqrt(1 / a + 1 / b) * np.sinh(_FURTHEST_BETA * _STEPS)
    # log x and log (1 - x) of x = 1 / (1 + exp(-logit)), whose derivative x (1 - x) raises both powers by one
    log_density = -a * np.logaddexp(0, -logits) - b * np.logaddexp(0, logits)
    cumulative = _integrated(log_density, np.cosh(_FURTHEST_BETA * _STEPS))
    return 1 / (1 + np.exp(-np.interp(np.asarray(probabilities, dtype=np.float64), cumulative, logits)))


@lru_cache(maxsize=64)
def _student_t(degrees_of_freedom: float) -> tuple[Array, Array]:
    at = np.sinh(_FURTHEST_T * _STEPS)
    if degrees_of_freedom < _AS_NORMAL:
        log_density = -(degrees_of_freedom + 1) / 2 * np.log1p(at**2 / degrees_of_freedom)
    else:
        log_density = -(at**2) / 2
    return at, _integrated(log_density, np.cosh(_FURTHEST_T * _STEPS))


def _integrated(log_density: Array, derivative: Array) -> Array:
    """Return the share of the integral up to each point of an evenly spaced grid."""
    parts = np.exp(log_density - log_density.max()) * derivative
    cumulative = np.cumsum(parts) - parts / 2
    return np.asarray(cumulative / parts.sum(), dtype=np.float64)
