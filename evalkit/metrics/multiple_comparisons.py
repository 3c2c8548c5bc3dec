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
    for position, p in enumerate(p_values):
        if not 0 <= p <= 1:
            raise DataError(f"p-value {position} (counted from 0) is {p}, expected a number in [0, 1]")
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = largest
    return adjusted
