"""What every call of a finished task asked and got, found by sample: for showing a run, not for going on with it."""

import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from evalkit.errors import StoreError

_MOST_ROLES = 256


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One line of a role's record, as it was stored; everything in it may be someone else's.

    Attributes:
        role: whose record it is.
        position: the call's place in the sample's chain.
        asked: the content of the request.
        response: what came back.
    """

    role: str
    position: int
    asked: dict[str, Any]
    response: dict[str, Any]


class RecordedCalls:
    """The records of one task's folder; in memory is where each line lies, 16 bytes a call.

    Damaged lines are passed over: what is shown of a run does not decide a figure.

    Args:
        folder: the task's folder in a run folder.

    Raises:
        StoreError: a record cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._files: list[tuple[str, BinaryIO]] = []
        keys, places = array("q"), array("q")
        try:
            paths = [path for path in sorted(folder.glob("*.jsonl")) if path.is_file() and not path.is_symlink()]
            for number, path in enumerate(paths[:_MOST_ROLES]):
                self._files.append((path.stem, path.open("rb")))
                for offset, sample in _samples_of(path):
                    keys.append(hash(sample))
                    places.append(offset * _MOST_ROLES + number)
        except OSError as error:
            self.close()
            raise StoreError(f"{folder}: its records cannot be read ({error.strerror})") from error
        self._keys: npt.NDArray[np.int64] = np.frombuffer(keys, dtype=np.int64) if keys else np.empty(0, np.int64)
        # Stable, so that of two records of one call the later stays the later.
        order = np.argsort(self._keys, kind="stable")
        self._keys = self._keys[order]
        self._places = (np.frombuffer(places, dtype=np.int64) if places else np.empty(0, np.int64))[order]

    def of(self, sample_id: str) -> dict[int, RecordedCall]:
        """Return a sample's calls by their place in its chain, of each the last that was recorded."""
        key = hash(sample_id)
        first, last = np.searchsorted(self._keys, key, "left"), np.searchsorted(self._keys, key, "right")
        calls: dict[int, RecordedCall] = {}
        for place in self._places[first:last].tolist():
            offset, number = divmod(place, _MOST_ROLES)
            role, file = self._files[number]
            file.seek(offset)
            record = _parsed(file.readline())
            if record is not None and record["sample"] == sample_id:
                calls[record["call"]] = RecordedCall(role, record["call"], record["asked"], record["response"])
        return dict(sorted(calls.items()))

    def close(self) -> None:
        """Close the files."""
        for _, file in self._files:
            file.close()

    def __enter__(self) -> "RecordedCalls":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _samples_of(path: Path) -> Iterator[tuple[int, str]]:
    offset = 0
    with path.open("rb") as file:
        for line in file:
            record = _parsed(line)
            if record is not None:
                yield offset, record["sample"]
            offset += len(line)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    types = {"sample": str, "call": int, "asked": dict, "response": dict}
    if not isinstance(record, dict) or not all(isinstance(record.get(name), kind) for name, kind in types.items()):
        return None
    return record
