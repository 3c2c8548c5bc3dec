"""File names for what run folders name: others may have made those."""

import re
from itertools import chain, count


class FileNames:
    """Names as path components, one for each name."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, ...], str] = {}

    def of(self, *names: str) -> str:
        """Return the file name of the last name among those that share the names before it."""
        if names not in self._given:
            plain = re.sub(r"[^\w.-]+", "_", names[-1]).lstrip(".")[:100] or "_"
            # Some file systems take names that differ in case alone for one.
            taken = {given.lower() for key, given in self._given.items() if key[:-1] == names[:-1]}
            numbered = (f"{plain}-{number}" for number in count(2))
            self._given[names] = next(name for name in chain([plain], numbered) if name.lower() not in taken)
        return self._given[names]
