"""What a benchmark is to the engine: samples, the next question to ask, and a score for the answers."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalkit.datasets.dataset import Dataset
from evalkit.metrics.metric import Metric
from evalkit.types import Call, Response, Sample


@dataclass(frozen=True, slots=True)
class Score:
    """One sample's score.

    Attributes:
        statistics: for each metric key of the task, its vector of sufficient statistics.
        details: what the score was computed from, for people to read (normalised texts, …).
        failure: why the sample counts as failed although every call was answered, such as a judge whose replies
            could not be read; its statistics are then those of a wrong answer.
    """

    statistics: Mapping[str, Sequence[float]]
    details: Mapping[str, str] = field(default_factory=dict)
    failure: str | None = None


class Task(ABC):
    """A benchmark. Both ``next_call`` and ``score`` are pure functions of what they are given.

    Attributes:
        name: the key under which configs, run folders and tables know it.
        title: what people call it.
        metrics: by key; the first is the headline figure.
        expected_samples: how many samples the complete data set has, or None if unknown.
        table: where published tables show it: ``{"table": …, "group": …, "benchmark": …}``; may be empty. A
            ``set`` keeps data of another kind, such as a demo's, in a table of its own.
        details: names of the texts that ``score`` explains itself with.
        roles: in which it asks models.
        compared: the metrics by which two runs are compared; the headline figure alone if there are none.
    """

    name: str
    title: str
    metrics: Mapping[str, Metric]
    expected_samples: int | None
    table: Mapping[str, str]
    details: Sequence[str] = ()
    roles: Sequence[str] = ("model",)
    compared: Sequence[str] = ()

    @abstractmethod
    def samples(self) -> Iterable[Sample]:
        """The data set, lazily, in the same order every time; may be iterated more than once."""

    @abstractmethod
    def next_call(self, sample: Sample, responses: Sequence[Response]) -> Call | None:
        """What to ask next, given the good responses so far; None when there is nothing more to ask."""

    @abstractmethod
    def score(self, sample: Sample, responses: Sequence[Response]) -> Score:
        """Score a sample by its good responses.

        A chain that broke off has fewer of them than it would have: what is missing is scored as the benchmark scores
        no answer.
        """

    @property
    def data_at_hand(self) -> bool:
        """Whether the samples can be read without fetching anything from elsewhere."""
        return True

    def describe(self) -> Mapping[str, Any]:
        """Facts for ``evalkit show``: source, licence, access, counts, hours."""
        return {}


class DatasetTask(Task):
    """A benchmark whose samples are those of one data set.

    Args:
        name: key of the task in configs and run folders.
        title: what people call it.
        dataset: yields its samples.
        table: where published tables show it.
        expected_samples: how many samples the complete data set has.
        facts: source, licence, access and the like, for people.
    """

    def __init__(
        self,
        name: str,
        title: str,
        dataset: Dataset,
        *,
        table: Mapping[str, str] | None = None,
        expected_samples: int | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.title = title
        self.table = dict(table or {})
        self.expected_samples = expected_samples
        self._dataset = dataset
        self._facts = dict(facts or {})

    def samples(self) -> Iterable[Sample]:
        """The samples, in the order of the data set."""
        return self._dataset

    @property
    def data_at_hand(self) -> bool:
        """Whether the data set lies on this machine."""
        return self._dataset.at_hand

    def describe(self) -> Mapping[str, Any]:
        """The facts, and where the data set is read from."""
        return {**self._facts, "read from": self._dataset.source}
