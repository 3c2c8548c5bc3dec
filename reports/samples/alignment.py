"""Reference beside hypothesis: an alignment in one line, or in blocks for the eye."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby

from rapidfuzz.distance import Levenshtein

from evalkit.metrics.error_rate import AlignedUnit
from evalkit.results.aligned_rows import LINE_WIDTH, aligned_rows, gap

_LETTERS = {"equal": " ", "substitution": "S", "deletion": "D", "insertion": "I"}
_MARKED = {"equal": "{0}", "substitution": "[{0}→{1}]", "deletion": "[-{0}-]", "insertion": "[+{1}+]"}


# Of longer stretches of errors nobody reads what stands for what.
_MOST_PAIRS = 400


def readable(steps: Sequence[AlignedUnit]) -> list[AlignedUnit]:
    """Return the alignment with words set against those that they are spelled like, where the counts leave a choice.

    ``[-see-] [a→C] [big→cat]`` for *see a big* heard as *C cat* counts as much as ``[see→C] [-a-] [big→cat]``; of
    such choices within one stretch of errors, the one is taken whose substitutions are most alike. Substitutions,
    deletions and insertions stay as many as the figure counts.
    """
    result: list[AlignedUnit] = []
    for equal, stretch in groupby(steps, lambda step: step.operation == "equal"):
        found = list(stretch)
        result += found if equal else _paired(found)
    return result


def _paired(stretch: list[AlignedUnit]) -> list[AlignedUnit]:
    reference = [step.reference for step in stretch if step.reference is not None]
    hypothesis = [step.hypothesis for step in stretch if step.hypothesis is not None]
    pairs = len(reference) + len(hypothesis) - len(stretch)
    no_choice = not pairs or len(reference) == len(hypothesis) == pairs
    if no_choice or len(reference) * len(hypothesis) > _MOST_PAIRS:
        return stretch

    @cache
    def best(i: int, j: int, left: int) -> tuple[float, tuple[AlignedUnit, ...]]:
        if left > min(len(reference) - i, len(hypothesis) - j):
            return -1.0, ()
        if i == len(reference) and j == len(hypothesis):
            return 0.0, ()
        choices = []
        if left:
            likeness, rest = best(i + 1, j + 1, left - 1)
            alike = Levenshtein.normalized_similarity(reference[i], hypothesis[j])
            choices.append((alike + likeness, AlignedUnit("substitution", reference[i], hypothesis[j]), rest))
        if i < len(reference):
            likeness, rest = best(i + 1, j, left)
            choices.append((likeness, AlignedUnit("deletion", reference[i], None), rest))
        if j < len(hypothesis):
            likeness, rest = best(i, j + 1, left)
            choices.append((likeness, AlignedUnit("insertion", None, hypothesis[j]), rest))
        likeness, step, rest = max(choices, key=lambda choice: choice[0])
        return likeness, (step, *rest)

    likeness, steps = best(0, 0, pairs)
    return list(steps) if likeness > 0 else stretch


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
