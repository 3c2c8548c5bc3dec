"""Shards of a run: fixed shares of its samples, each carried out by a process of its own on any machine.

A shard has a run folder of its own inside the run's, ``shards/3-of-16``, with its own lock, answers and record: none
waits for another, or writes where another does. ``evalkit.run.merging`` makes the run of them.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from evalkit.errors import ConfigurationError
from evalkit.results.fields import Fields
from evalkit.results.folder import SHARDS
from evalkit.results.metrics_file import FILE_NAME, has_begun

WHOLE = "whole"
"""Of the data of a task in a shard's ``provenance.json``: what its ``WholeData`` is."""

_TEXT = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})")
_FOLDER = re.compile(r"([1-9][0-9]{0,5})-of-([1-9][0-9]{0,5})")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, order=True)
class Shard:
    """One of the shares that a run's samples are divided into, by their place in the order of the data set.

    Attributes:
        number: which one, from 1.
        count: how many there are.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(f"no shard {self}: they are numbered from 1 to {self.count}")

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``3/16``.

        Raises:
            ValueError: it is not of that form, or there is no such shard.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError(f"'{text}' is not of the form K/N")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def takes(self, place: int) -> bool:
        """Tell whether the sample at a place, counted from 0, is the shard's."""
        return place % self.count == self.number - 1

    def share(self, samples: Iterable[_T]) -> Iterator[_T]:
        """Return every ``count``-th of the samples, from the ``number``-th on."""
        return islice(samples, self.number - 1, None, self.count)

    def size(self, samples: int) -> int:
        """Return how many of so many samples are the shard's."""
        return len(range(self.number - 1, samples, self.count))

    def folder(self, run: Path) -> Path:
        """Return the shard's own run folder inside that of its run."""
        return run / SHARDS / f"{self.number}-of-{self.count}"

    @staticmethod
    def run_of(folder: Path) -> Path:
        """Return the folder of the run that a shard's own folder is of."""
        return folder.parent.parent


@dataclass(frozen=True, slots=True)
class WholeData:
    """The samples of a task that all shards take together, as ``provenance.json`` of each has it under ``whole``.

    Attributes:
        samples: how many they are.
        fingerprint: of them in their order (``evalkit.datasets.fingerprint.OrderedFingerprint``).
        partial: whether they are known to be only a part of a data set whose size is not known.
    """

    samples: int
    fingerprint: str
    partial: bool

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Fields) -> "WholeData":
        """Read what ``to_json`` returned.

        Raises:
            StoreError: it is damaged.
        """
        return cls(fields.count("samples"), fields.text("fingerprint"), fields.flag("partial"))


def shards_of(run: Path) -> dict[Shard, Path]:
    """Return the folders of a run's shards that have begun, in order; none of a run that is not sharded.

    Raises:
        ConfigurationError: they divide the run into different numbers of shares.
    """
    matches = [(_FOLDER.fullmatch(path.name), path) for path in (run / SHARDS).glob("*-of-*") if has_begun(path)]
    numbers = [(int(match[1]), int(match[2]), path) for match, path in matches if match is not None]
    shards = {Shard(number, count): path for number, count, path in numbers if number <= count}
    counts = sorted({shard.count for shard in shards})
    if len(counts) > 1:
        raise ConfigurationError(
            f"{run / SHARDS}: holds shards of {' and of '.join(map(str, counts))}; take away those that do not belong"
        )
    return dict(sorted(shards.items()))


def refuse_mixture(run: Path, shard: Shard | None) -> None:
    """Refuse to write a whole run where its shards are, or a shard where a whole run or other shares are.

    Args:
        run: the run folder.
        shard: what is to be carried out; None for the whole.

    Raises:
        ConfigurationError: says what the folder holds.
    """
    shards = shards_of(run)
    if shard is None:
        if shards and not (run / FILE_NAME).is_file():
            raise ConfigurationError(
                f"{run}: holds shards that are not merged; `evalkit merge {run}` makes the run of them, or give this "
                "one another name="
            )
    elif has_begun(run) and not shards:
        raise ConfigurationError(f"{run}: holds a run without shards; give the sharded one another name=")
    elif shards and (count := next(iter(shards)).count) != shard.count:
        raise ConfigurationError(
            f"{run}: is divided into {count} shards, and shard={shard} is one of {shard.count}; give that division "
            "another name="
        )
