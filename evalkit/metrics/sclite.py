"""Errors as sclite counts them: a substitution costs 4, a deletion or insertion 3.

NIST's scorer (SCTK) aligns by these weights, so that it takes a word left out and another put in for two errors where
the plain edit distance may find them one substitution, and now and then the reverse. Among alignments of one cost it
prefers, from the end on, a match or substitution to an insertion, and an insertion to a deletion: so all 800 alignments
of sclite 2.4.10 in the golden file come out.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evalkit.errors import DataError

_SUBSTITUTION, _GAP = 4, 3
_MATCHED, _INSERTED, _DELETED = range(3)
_MOST_CELLS = 10**8  # one byte each


def count_errors_like_sclite(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int, int, int]:
    """Count substitutions, deletions, insertions and reference length of one pair of unit sequences.

    Raises:
        DataError: the product of both lengths is above 10⁸, as its table would not fit into memory.
    """
    if reference == hypothesis:
        return 0, 0, 0, len(reference)
    substitutions = deletions = insertions = 0
    for said, heard in steps_like_sclite(reference, hypothesis):
        if said is None:
            insertions += 1
        elif heard is None:
            deletions += 1
        else:
            substitutions += int(reference[said] != hypothesis[heard])
    return substitutions, deletions, insertions, len(reference)


def steps_like_sclite(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Align two unit sequences: the position of either at each step, None where it has no unit.

    Raises:
        DataError: as ``count_errors_like_sclite``.
    """
    if len(reference) * len(hypothesis) > _MOST_CELLS:
        raise DataError(
            f"a reference of {len(reference):,} and a hypothesis of {len(hypothesis):,} units are too long to align"
            " as sclite does (10^8 pairs of units at most); use alignment='levenshtein' or score shorter pieces"
        )
    numbers: dict[str, int] = {}
    said = np.array([numbers.setdefault(unit, len(numbers)) for unit in reference], dtype=np.int64)
    heard = np.array([numbers.setdefault(unit, len(numbers)) for unit in hypothesis], dtype=np.int64)
    moves = _cheapest_moves(said, heard)
    steps: list[tuple[int | None, int | None]] = []
    row, column = len(said), len(heard)
    while row or column:
        move = moves[row, column]
        row, column = row - (move != _INSERTED), column - (move != _DELETED)
        steps.append((None if move == _INSERTED else row, None if move == _DELETED else column))
    return steps[::-1]


def _cheapest_moves(said: npt.NDArray[np.int64], heard: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Find the last step of the cheapest alignment of every two beginnings; shape (said + 1, heard + 1)."""
    moves = np.full((len(said) + 1, len(heard) + 1), _DELETED, dtype=np.uint8)
    moves[0, 1:] = _INSERTED
    only_inserted = _GAP * np.arange(len(heard) + 1)
    costs = only_inserted
    for row, unit in enumerate(said, start=1):
        matched = costs[:-1] + _SUBSTITUTION * (heard != unit)
        best = costs + _GAP
        best[1:] = np.minimum(matched, best[1:])
        costs = np.minimum.accumulate(best - only_inserted) + only_inserted
        moves[row, 1:][costs[1:] == costs[:-1] + _GAP] = _INSERTED
        moves[row, 1:][costs[1:] == matched] = _MATCHED
    return moves
