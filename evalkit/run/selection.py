"""Which samples of a data set a run takes: all, the first so many, a random part, some of every group; or its shard."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from evalkit.errors import ConfigurationError
from evalkit.results.shards import Shard
from evalkit.types import Sample

_WHOLE = 1 << 64


@dataclass(frozen=True, slots=True)
class Selection:
    """What part of each task's samples to take; whatever is chosen is taken in the order of the data set.

    Attributes:
        limit: at most so many samples; None for no bound.
        fraction: of the samples, chosen at random; None for all.
        spread: take the samples of ``limit`` at random and evenly from all groups, rather than from the start.
        seed: of the random choice, which depends on nothing else but the samples' ids.
        shard: of what is chosen take this share alone; None for all of it.
    """

    limit: int | None = None
    fraction: float | None = None
    spread: bool = False
    seed: int = 0
    shard: Shard | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ConfigurationError(f"limit is {self.limit}; it must be at least 1, or null for no bound")
        if self.fraction is not None and not 0 < self.fraction <= 1:
            raise ConfigurationError(f"fraction is {self.fraction}; it must be more than 0 and at most 1, or null")
        if self.spread and self.limit is None:
            raise ConfigurationError("spread=true spreads limit= samples over all groups: give limit= too")

    @property
    def partial(self) -> bool:
        """Whether it may leave anything out; a shard leaves nothing out, as others take the rest."""
        return self.limit is not None or self.fraction is not None


class HasSamples(Protocol):
    """A task, or whatever else holds samples."""

    def samples(self) -> Iterable[Sample]:
        """Return them, in the same order every time."""


class SelectedSamples:
    """The samples that a run takes of a task, the same every time they are iterated."""

    def __init__(self, source: HasSamples, selection: Selection) -> None:
        self._source = source
        self._selection = selection
        self._spread_over: set[str] | None = None

    def __iter__(self) -> Iterator[Sample]:
        shard = self._selection.shard
        return self.of_all_shards() if shard is None else shard.share(self.of_all_shards())

    def of_all_shards(self) -> Iterator[Sample]:
        """Return the samples that the run takes in all its shards, of which these are a share."""
        if not self._selection.spread:
            return islice(self._part(), self._selection.limit)
        if self._spread_over is None:
            self._spread_over = self._evenly()
        return (sample for sample in self._part() if sample.id in (self._spread_over or ()))

    def _part(self) -> Iterable[Sample]:
        fraction = self._selection.fraction
        if fraction is None:
            return self._source.samples()
        return (sample for sample in self._source.samples() if self._draw(sample.id) < fraction * _WHOLE)

    def _draw(self, name: str) -> int:
        """Return a number below 2 to the power of 64, as good as random, that belongs to a name."""
        return int.from_bytes(hashlib.blake2b(f"{self._selection.seed} {name}".encode(), digest_size=8).digest())

    def _evenly(self) -> set[str]:
        """Take ids from each combination of groups in turn, at random within each."""
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for sample in self._part():
            groups[repr(sorted(sample.groups.items()))].append(sample.id)
        queues = [sorted(groups[name], key=self._draw, reverse=True) for name in sorted(groups, key=self._draw)]
        chosen: set[str] = set()
        while queues and len(chosen) < (self._selection.limit or 0):
            queue = queues.pop(0)
            chosen.add(queue.pop())
            if queue:
                queues.append(queue)
        return chosen
