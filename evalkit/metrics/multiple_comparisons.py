"""Keeping a table of tests honest: with twenty cells, one is below 0.05 by chance alone."""

from collections.abc import Sequence

from evalkit.errors import DataError


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that the chance of any false alarm among them stays below the level.

    The step-down procedure of Holm (1979), *A simple sequentially rejective multiple test procedure*; it
    holds however the tests depend on each other.

    Args:
        p_values: one per test made, each in [0, 1].

    Returns:
        The adjusted p-values in the order given; compare each with the level wanted for the whole family.

    Raises:
        DataError: a p-value that is nan or outside [0, 1]: leave out the tests that could not be made.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, position in enumerate(_ascending(p_values)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = largest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that the expected share of false alarms among all alarms stays below the level.

    The step-up procedure of Benjamini & Hochberg (1995), *Controlling the false discovery rate*; it holds for tests
    that are independent of each other or depend positively.

    Args:
        p_values: one per test made, each in [0, 1].

    Returns:
        The adjusted p-values in the order given; compare each with the level wanted.

    Raises:
        DataError: as in ``holm``.
    """
    adjusted = [0.0] * len(p_values)
    smallest = 1.0
    order = _ascending(p_values)
    for rank in range(len(order), 0, -1):
        smallest = min(smallest, p_values[order[rank - 1]] * len(order) / rank)
        adjusted[order[rank - 1]] = smallest
    return adjusted


def _ascending(p_values: Sequence[float]) -> list[int]:
    """Return the positions of p-values from the smallest on."""
    for position, p in enumerate(p_values):
        if not 0 <= p <= 1:
            raise DataError(f"p-value {position} (counted from 0) is {p}, expected a number in [0, 1]")
    return sorted(range(len(p_values)), key=p_values.__getitem__)
