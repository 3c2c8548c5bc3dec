"""Answers of any number and length, looked up by their samples' ids; what is held in memory is where each lies."""

import json
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator

import numpy as np

from evalkit.errors import ConfigurationError

_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class AnswerFile:
    """Texts by id, in a temporary file that is gone with the process; in memory are 17 bytes for each.

    Args:
        answers: ids with their texts.

    Attributes:
        twice: an id that is there more than once, the first to come again; None if all differ.

    Raises:
        ConfigurationError: the temporary file cannot be written.
    """

    def __init__(self, answers: Iterable[tuple[str, str]]) -> None:
        keys, starts = array("q"), array("q")
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - until close
            end = 0
            for identity, text in answers:
                keys.append(hash(identity))
                starts.append(end)
                end += self._file.write(_json([identity, text]).encode("utf-8", "surrogatepass") + b"\n")
            self._file.flush()
        except OSError as error:
            raise ConfigurationError(
                f"{tempfile.gettempdir()}: answers cannot be kept there while they are asked for ({error.strerror}); "
                "make room, or set TMPDIR to a folder that has it"
            ) from error
        order = np.argsort(keys, kind="stable")
        self._keys = np.array(keys)[order].data
        self._starts = np.array(starts)[order].data
        self._asked = np.zeros(len(keys), dtype=bool)
        self.twice = self._first_that_comes_again()

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        """Yield the ids, in the order of writing."""
        for start in np.sort(self._starts).tolist():
            yield self._read(start)[0]

    def get(self, identity: str) -> str | None:
        """Return the text of an id, which counts as asked for from now on; None if there is none."""
        place, text = self._find(identity)
        if text is not None:
            self._asked[place] = True
        return text

    def not_asked(self, most: int) -> tuple[int, list[str]]:
        """Return how many ids were not asked for, and the first of them, in the order of writing."""
        starts = np.sort(np.asarray(self._starts)[~self._asked])
        return len(starts), [self._read(start)[0] for start in starts[:most].tolist()]

    def close(self) -> None:
        """Drop the file."""
        self._file.close()

    def _find(self, identity: str) -> tuple[int, str | None]:
        """Return the place among the ordered keys at which an id first lies, and its text; or None for that."""
        key = hash(identity)
        place = bisect_left(self._keys, key)
        while place < len(self._keys) and self._keys[place] == key:  # seldom also another id of the same 64 bits
            found, text = self._read(self._starts[place])
            if found == identity:
                return place, text
            place += 1
        return place, None

    def _read(self, start: int) -> tuple[str, str]:
        self._file.seek(start)
        identity, text = json.loads(self._file.readline().decode("utf-8", "surrogatepass"))
        return identity, text

    def _first_that_comes_again(self) -> str | None:
        keys, starts = np.asarray(self._keys), np.asarray(self._starts)
        alike = np.flatnonzero(keys[1:] == keys[:-1]) + 1
        for place in alike[np.argsort(starts[alike])].tolist():
            identity, _ = self._read(self._starts[place])
            if self._find(identity)[0] < place:
                return identity
        return None
