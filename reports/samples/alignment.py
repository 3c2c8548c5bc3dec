"""Reference beside hypothesis: an alignment in one line, or in blocks for the eye."""

from collections.abc import Iterator, Sequence

from evalkit.metrics.error_rate import AlignedUnit
from evalkit.results.aligned_rows import LINE_WIDTH, aligned_rows, gap

_LETTERS = {"equal": " ", "substitution": "S", "deletion": "D", "insertion": "I"}
_MARKED = {"equal": "{0}", "substitution": "[{0}→{1}]", "deletion": "[-{0}-]", "insertion": "[+{1}+]"}


def inline(steps: Sequence[AlignedUnit], separator: str) -> str:
    """Return one line: ``the [cat→bat] sat [-on-] [+upon+] it``."""
    return separator.join(_MARKED[step.operation].format(step.reference, step.hypothesis) for step in steps)


def blocks(steps: Sequence[AlignedUnit], width: int = LINE_WIDTH) -> Iterator[str]:
    """Yield lines in threes (REF, HYP, operation), unit below unit, broken before they get too long.

    Args:
        steps: the alignment.
        width: columns that units may take; a unit that is wider has a line of its own.
    """
    columns = []
    for step in steps:
        reference, hypothesis = step.reference or "", step.hypothesis or ""
        columns.append((reference or gap(hypothesis), hypothesis or gap(reference), _LETTERS[step.operation]))
    yield from aligned_rows(("REF", "HYP", ""), columns, width)
