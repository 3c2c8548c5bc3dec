"""What a benchmark is to the engine: samples, the next question to ask, and a score for the answers."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalkit.metrics.metric import Metric
from evalkit.types import Call, Response, Sample


@dataclass(frozen=True, slots=True)
class Score:
    """One sample's score.

    Attributes:
        statistics: for each metric key of the task, its vector of sufficient statistics.
        details: what the score was computed from, for people to read (normalised texts, …).
    """

    statistics: Mapping[str, Sequence[float]]
    details: Mapping[str, str] = field(default_factory=dict)


class Task(ABC):
    """A benchmark. Both ``next_call`` and ``score`` are pure functions of what they are given.

    Attributes:
        name: the key under which configs, run folders and tables know it.
        title: what people call it.
        metrics: by key; the first is the headline figure.
        expected_samples: how many samples the complete data set has, or None if unknown.
        table: where published tables show it: ``{"table": …, "group": …, "benchmark": …}``; may be empty.
        details: names of the texts that ``score`` explains itself with.
    """

    name: str
    title: str
    metrics: Mapping[str, Metric]
    expected_samples: int | None
    table: Mapping[str, str]
    details: Sequence[str] = ()

    @abstractmethod
    def samples(self) -> Iterable[Sample]:
        """The data set, lazily, in the same order every time; may be iterated more than once."""

    @abstractmethod
    def next_call(self, sample: Sample, responses: Sequence[Response]) -> Call | None:
        """What to ask next, given the good responses so far; None when there is nothing more to ask."""

    @abstractmethod
    def score(self, sample: Sample, responses: Sequence[Response]) -> Score:
        """Score a sample; a chain that broke off, or never started, is scored as the benchmark scores no answer."""

    @property
    def data_at_hand(self) -> bool:
        """Whether the samples can be read without fetching anything from elsewhere."""
        return True

    def describe(self) -> Mapping[str, Any]:
        """Facts for ``evalkit show``: source, licence, access, counts, hours."""
        return {}
