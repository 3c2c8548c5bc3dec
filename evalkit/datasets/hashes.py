"""A set of hashes that takes eight bytes for each."""

from bisect import bisect_left

import numpy as np

_RECENT = 1 << 16


class Hashes:
    """Whole numbers of 64 bits, in order but for the latest; a built-in set takes ten times the memory."""

    def __init__(self) -> None:
        self._ordered = np.empty(0, np.int64).data
        self._recent: set[int] = set()

    def __len__(self) -> int:
        return len(self._ordered) + len(self._recent)

    def add(self, number: int) -> bool:
        """Take in a number, and tell whether it was not there yet."""
        if number in self._recent:
            return False
        place = bisect_left(self._ordered, number)
        if place < len(self._ordered) and self._ordered[place] == number:
            return False
        self._recent.add(number)
        if len(self._recent) == _RECENT:
            recent = np.fromiter(self._recent, np.int64, _RECENT)
            self._ordered = np.sort(np.concatenate((self._ordered, recent)), kind="stable").data
            self._recent.clear()
        return True
