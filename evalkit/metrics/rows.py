"""Rows of statistics, one a sample: checked, and made into values of their sums."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.errors import DataError
from evalkit.metrics.functions import range_of_sample, ratio

Array = NDArray[np.float64]
Value = Callable[[Array], float]


def as_rows(statistics: ArrayLike) -> Array:
    """Return statistics as n_samples × k numbers.

    Raises:
        DataError: there are no samples, the array is of another shape, or a statistic is not finite.
    """
    rows = np.asarray(statistics, dtype=np.float64)
    if rows.ndim == 1:
        rows = rows[:, np.newaxis]
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise DataError(f"statistics must be an array of n_samples × k numbers, got shape {rows.shape}")
    if len(rows) == 0:
        raise DataError("there are no samples to resample: the statistics have no rows")
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise DataError(f"the statistics of sample {int(np.argmin(finite))} (counted from 0) are not finite")
    return rows


def values_of_sums(value: Value, sums: Array) -> Array:
    """Return the metric of each sum, nan where undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.array([float(value(row)) for row in sums])
    values[np.isinf(values)] = math.nan
    return values


def is_proportion(value: Value, rows: Array) -> bool:
    """Say whether a metric is the share of right ones among samples that are right or wrong, or do not count."""
    if value is not ratio or rows.shape[1] != 2:
        return False
    right, counted = rows.T
    return bool(np.isin(rows, (0, 1)).all() and (right <= counted).all())


def known_range(value: Value, rows: Array) -> tuple[float, float] | None:
    """Return between which values a sample can be; None where neither the function nor the rows say."""
    return (0.0, 1.0) if is_proportion(value, rows) else range_of_sample(value)
