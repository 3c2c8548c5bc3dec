"""MAPSSWE, the matched pairs sentence segment word error test that NIST compares recognisers by.

Gillick & Cox (1989), *Some statistical issues in the comparison of speech recognition algorithms*, ICASSP, as SCTK's
``sc_stats`` does it. Utterances are cut into segments that begin and end with two words which both systems recognised,
so that errors in one say nothing of those in the next; the mean difference of the errors of a segment is then tested
against 0 by the normal distribution. Speakers are not looked at: `paired_test` with clusters says more of new ones.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from evalkit.errors import DataError
from evalkit.metrics.sclite import steps_like_sclite

GOOD_WORDS = 2
"""As many words in a row must be right in both systems to part two segments; the default of ``sc_stats``."""


@dataclass(frozen=True, slots=True)
class Mapsswe:
    """The outcome of the test.

    Attributes:
        segments: how many have an error of either system.
        mean: of the first system's errors minus the second's in a segment; negative where the first is better.
        z: the mean by its standard error; 0 where all segments agree.
        p_value: two-sided.
    """

    segments: int
    mean: float
    z: float
    p_value: float


def mapsswe(references: Sequence[Sequence[str]], a: Sequence[Sequence[str]], b: Sequence[Sequence[str]]) -> Mapsswe:
    """Test whether two recognisers make as many word errors on the same utterances.

    Args:
        references: what was said, the words of one utterance each.
        a: what the first system recognised, in the same order.
        b: what the second did.

    Raises:
        DataError: the three differ in length, or a pair is too long to be aligned.

    >>> said = "so it goes on and on for a while".split()
    >>> mapsswe([said] * 3, [said] * 3, [said[1:], ["to", *said[1:]], said]).segments
    2
    """
    if not len(references) == len(a) == len(b):
        raise DataError(f"{len(references):,} utterances were said, and {len(a):,} and {len(b):,} recognised")
    differences = [
        errors_a - errors_b
        for reference, of_a, of_b in zip(references, a, b, strict=True)
        for errors_a, errors_b in segment_errors(reference, of_a, of_b)
    ]
    if not differences:
        return Mapsswe(0, 0.0, 0.0, 1.0)
    mean = float(np.mean(differences))
    spread = float(np.std(differences, ddof=1)) if len(differences) > 1 else 0.0
    z = mean / (spread / math.sqrt(len(differences))) if spread > 0 else 0.0
    return Mapsswe(len(differences), mean, z, 2 * NormalDist().cdf(-abs(z)))


def segment_errors(reference: Sequence[str], a: Sequence[str], b: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the errors of both systems in each segment of an utterance that has some.

    What was inserted before a word is found together with it, and after the last word at the end of the utterance.
    """
    if a == reference == b:
        return
    inserted, wrong = zip(*(_errors_by_place(reference, hypothesis) for hypothesis in (a, b)), strict=True)
    errors, good, found = [0, 0], 0, False
    for place in range(len(reference) + 1):
        insertions, mistakes = ([each[place] for each in of_both] for of_both in (inserted, wrong))
        errors = [sum(each) for each in zip(errors, insertions, mistakes, strict=True)]
        good = 0 if any(mistakes) else 1 if any(insertions) else good + 1
        found = found or any(insertions) or any(mistakes)
        if found and (good >= GOOD_WORDS or place == len(reference)):
            yield errors[0], errors[1]
            errors, found = [0, 0], False


def _errors_by_place(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return how many words were inserted before each word of the reference, and whether it is wrong itself.

    Both have one place more, for the end of the utterance.
    """
    inserted, wrong = [0] * (len(reference) + 1), [0] * (len(reference) + 1)
    if reference == hypothesis:
        return inserted, wrong
    place = 0
    for said, heard in steps_like_sclite(reference, hypothesis):
        if said is None:
            inserted[place] += 1
        else:
            wrong[said] = int(heard is None or reference[said] != hypothesis[heard])
            place = said + 1
    return inserted, wrong
