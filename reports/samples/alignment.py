"""Reference beside hypothesis: an alignment in one line, or in blocks for the eye."""

from collections.abc import Iterator, Sequence

from evalkit.metrics.error_rate import AlignedUnit
from evalkit.printable import display_width

_LINE_WIDTH = 110
_LETTERS = {"equal": " ", "substitution": "S", "deletion": "D", "insertion": "I"}
_MARKED = {"equal": "{0}", "substitution": "[{0}→{1}]", "deletion": "[-{0}-]", "insertion": "[+{1}+]"}


def inline(steps: Sequence[AlignedUnit], separator: str) -> str:
    """Return one line: ``the [cat→bat] sat [-on-] [+upon+] it``."""
    return separator.join(_MARKED[step.operation].format(step.reference, step.hypothesis) for step in steps)


def blocks(steps: Sequence[AlignedUnit], width: int = _LINE_WIDTH) -> Iterator[str]:
    """Yield lines in threes (REF, HYP, operation), unit below unit, broken before they get too long.

    Args:
        steps: the alignment.
        width: columns that units may take; a unit that is wider has a line of its own.
    """
    for line in _lines(steps, width):
        reference = [step.reference or "*" * display_width(step.hypothesis or "") for step in line]
        hypothesis = [step.hypothesis or "*" * display_width(step.reference or "") for step in line]
        yield "  REF  " + _row(line, reference)
        yield "  HYP  " + _row(line, hypothesis)
        if any(step.operation != "equal" for step in line):
            yield "       " + _row(line, [_LETTERS[step.operation] for step in line])


def _lines(steps: Sequence[AlignedUnit], most: int) -> Iterator[list[AlignedUnit]]:
    line: list[AlignedUnit] = []
    used = 0
    for step in steps:
        width = _column_width(step) + 1
        if line and used + width > most:
            yield line
            line, used = [], 0
        line.append(step)
        used += width
    if line:
        yield line


def _row(line: Sequence[AlignedUnit], texts: Sequence[str]) -> str:
    gaps = [_column_width(step) - display_width(text) for step, text in zip(line, texts, strict=True)]
    return " ".join(text + " " * gap for text, gap in zip(texts, gaps, strict=True)).rstrip()


def _column_width(step: AlignedUnit) -> int:
    return max(display_width(step.reference or ""), display_width(step.hypothesis or ""), 1)
