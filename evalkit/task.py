"""What a benchmark is to the engine: samples, and for each a chain of calls that ends in a score."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Required, TypedDict

from evalkit.cascade import Cascade
from evalkit.chain import Chain, Score
from evalkit.datasets.dataset import Dataset
from evalkit.metrics.metric import Metric
from evalkit.place import TablePlace
from evalkit.prompts import Prompts
from evalkit.types import Sample


class Task(ABC):
    """A benchmark.

    Attributes:
        name: the key under which configs, run folders and tables know it.
        title: what people call it.
        metrics: by key; the first is the headline figure.
        expected_samples: how many samples the complete data set has, or None if unknown.
        place: where published tables show it.
        details: names of the texts that scores explain themselves with.
        roles: in which it asks models; any names, which the configuration fills with ``model@ROLE=NAME``.
        generation: decoding settings that the user chose for the models of this run, by role; they win over those
            that a prompt or the benchmark itself asks for.
        cascade: the stages that are asked in the place of the model under test, where the user chose a cascade.
        compared: the metrics by which two runs are compared; the headline figure alone if there are none.
    """

    name: str
    title: str
    metrics: Mapping[str, Metric]
    expected_samples: int | None
    place: TablePlace = TablePlace()
    details: Sequence[str] = ()
    roles: Sequence[str] = ("model",)
    compared: Sequence[str] = ()
    generation: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    cascade: Cascade | None = None

    @abstractmethod
    def samples(self) -> Iterable[Sample]:
        """Yield the data set, lazily, in the same order every time; may be iterated more than once."""

    @abstractmethod
    def chain(self, sample: Sample) -> Chain:
        """Ask about a sample, call by call, and return its score; see ``evalkit.chain``.

        What is asked and scored must depend on nothing but the sample and the responses. ``CallFailed`` is raised at a
        call that has no answer; caught, the chain may score what was answered before.
        """

    @abstractmethod
    def unanswered(self, sample: Sample) -> Score:
        """Return the score of a sample whose chain broke off, as the benchmark scores no answer."""

    def answer_language(self, sample: Sample) -> str | None:
        """Return the language in which an answer about a sample is expected, or None if that is open."""
        return sample.language

    @property
    def data_at_hand(self) -> bool:
        """Whether the samples can be read without fetching anything from elsewhere."""
        return True

    def describe(self) -> Mapping[str, Any]:
        """Return facts for ``evalkit show``: source, licence, access, counts, hours."""
        return {}

    def known_schemes(self) -> Sequence[str]:
        """Return the names that the task's setting ``schemes`` takes, those it has first; none where it has no such."""
        return ()

    def mixed_recipe(self, metric: str, languages: Collection[str]) -> Mapping[str, str]:  # noqa: ARG002 - see below
        """Return what a figure's comparability depends on if its samples are in several languages.

        Args:
            metric: key of the figure's metric.
            languages: that samples say they are in.

        Returns:
            Further fields of the recipe; none where the metric is the same in every language.
        """
        return {}


class CommonSettings(TypedDict, total=False):
    """The arguments of ``DatasetTask``, described there, which its subclasses take beside their own."""

    name: Required[str]
    title: Required[str]
    dataset: Required[Dataset]
    prompts: Prompts | None
    place: Mapping[str, str] | None
    expected_samples: int | None
    facts: Mapping[str, Any] | None


class DatasetTask(Task):
    """A benchmark whose samples are those of one data set.

    Args:
        name: key of the task in configs and run folders.
        title: what people call it.
        dataset: yields its samples.
        prompts: how the models of the run want to be asked.
        place: where published tables show it, by the names of ``TablePlace``.
        expected_samples: how many samples the complete data set has.
        facts: source, licence, access and the like, for people.

    Raises:
        ConfigurationError: ``place`` has a key that is not known.
    """

    def __init__(
        self,
        name: str,
        title: str,
        dataset: Dataset,
        *,
        prompts: Prompts | None = None,
        place: Mapping[str, str] | None = None,
        expected_samples: int | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.title = title
        self.place = TablePlace.from_mapping(f"task {name}: place", place)
        self.expected_samples = expected_samples
        self._dataset = dataset
        self._prompts = prompts or Prompts()
        self._facts = dict(facts or {})

    def samples(self) -> Iterable[Sample]:
        """Return the samples, in the order of the data set."""
        return self._dataset

    @property
    def data_at_hand(self) -> bool:
        """Whether the data set lies on this machine."""
        return self._dataset.at_hand

    def describe(self) -> Mapping[str, Any]:
        """Return the facts, and where the data set is read from."""
        return {**self._facts, "read from": self._dataset.source}
