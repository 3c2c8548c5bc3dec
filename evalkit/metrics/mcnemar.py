"""McNemar's exact test: is one system right where the other is wrong more often than the other way round?

McNemar (1947), *Note on the sampling error of the difference between correlated proportions or percentages*,
Psychometrika 12(2); exact by the binomial distribution, as Dietterich (1998) and Gillick & Cox (1989) recommend for few
answers. Samples that depend on each other (`evalkit.metrics.clusters`) make it too eager; `paired_test` knows of them.
"""

from evalkit.errors import DataError


def mcnemar_exact(fixed: int, broken: int) -> float:
    """Return the two-sided p-value of two systems being right equally often.

    Args:
        fixed: samples that only the second system has right.
        broken: samples that only the first system has right.

    Raises:
        DataError: a count is negative.

    >>> round(mcnemar_exact(5, 15), 4)
    0.0414
    """
    if fixed < 0 or broken < 0:
        raise DataError(f"counts of samples cannot be negative, got {fixed} and {broken}")
    differing = fixed + broken
    term = tail = 1  # whole numbers, so that no count is too large: the binomial coefficients, added up
    for chosen in range(min(fixed, broken)):
        term = term * (differing - chosen) // (chosen + 1)
        tail += term
    return min(1.0, float(2 * tail / 2**differing))
