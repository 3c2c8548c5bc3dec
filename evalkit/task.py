"""What a benchmark is to the engine: samples, the next question to ask, and a score for the answers."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from evalkit.chain import CallFailed, Chain, Score
from evalkit.datasets.dataset import Dataset
from evalkit.metrics.metric import Metric
from evalkit.types import Call, Response, Sample


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
        generation: decoding settings that the user chose for the models of this run, by role; they win over those
            that a prompt or the benchmark itself asks for.
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
    generation: Mapping[str, Mapping[str, Any]] = MappingProxyType({})

    @abstractmethod
    def samples(self) -> Iterable[Sample]:
        """The data set, lazily, in the same order every time; may be iterated more than once."""

    def chain(self, sample: Sample) -> Chain:
        """The sample's calls and, in the end, its score."""
        responses: list[Response] = []
        while (call := self.next_call(sample, responses)) is not None:
            try:
                responses.append((yield call))
            except CallFailed:
                break
        return self.score(sample, responses)

    def unanswered(self, sample: Sample) -> Score:
        """The score of a sample to which no answer could be had, as the benchmark scores no answer."""
        return self.score(sample, ())

    def next_call(self, sample: Sample, responses: Sequence[Response]) -> Call | None:
        """What to ask next, given the good responses so far; None when there is nothing more to ask."""
        raise NotImplementedError

    def score(self, sample: Sample, responses: Sequence[Response]) -> Score:
        """Score a sample by its good responses.

        A chain that broke off has fewer of them than it would have: what is missing is scored as the benchmark scores
        no answer.
        """
        raise NotImplementedError

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
