"""Following a sample's chain through stored responses, and standing for models that are not asked again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from evalkit.adapter import Capabilities
from evalkit.chain import Chain, ChainRun, Outcome
from evalkit.errors import StoreError
from evalkit.inference.endpoint import ModelFacts
from evalkit.task import Task
from evalkit.types import Call, Request, Response, Sample

IN_STEP = 200
"""How many chains are best followed in step: fewer gain less, and more take memory for nothing."""


class Responses(Protocol):
    """Where responses are found again."""

    def get(self, sample_id: str, position: int, call: Call) -> Response | None:
        """Return the stored response to the ``position``-th call of a sample, or None if there is none."""


class WritableResponses(Responses, Protocol):
    """Where responses are kept."""

    def append(self, sample_id: str, position: int, call: Call, response: Response) -> Response:
        """Keep a response and return it as ``get`` will give it.

        Raises:
            StoreError: it cannot be written.
        """


def chain_of(task: Task, sample: Sample) -> Chain:
    """Return a sample's chain as the models of the run are asked: a cascade by its stages."""
    chain = task.chain(sample)
    return chain if task.cascade is None else task.cascade.through(chain, task.answer_language(sample))


def begin(task: Task, sample: Sample) -> ChainRun:
    """Return a sample's chain at its first call."""
    return ChainRun(chain_of(task, sample), task.unanswered, sample, task=task.name, generation=task.generation)


def replay(task: Task, responses: Responses, sample: Sample) -> ChainRun:
    """Follow a sample's chain through stored responses until it ends or meets a call that is not answered yet."""
    (run,) = replays(task, responses, [sample])
    return run


def replays(task: Task, responses: Responses, samples: Iterable[Sample]) -> list[ChainRun]:
    """Follow the chains of samples, best ``IN_STEP`` of them, until each ends or meets a call not answered yet.

    They go on in step: a processor has the code of one step at hand for all of them, where it would fetch that of every
    step anew for each sample, and takes two thirds of the time.
    """
    runs = [begin(task, sample) for sample in samples]
    asking = [(run, run.call) for run in runs if run.call is not None]
    while asking:
        responded = [(run, responses.get(run.sample.id, run.position, call)) for run, call in asking]
        for run, response in responded:
            if response is not None:
                run.send(response)
        asking = [(run, run.call) for run, response in responded if response is not None and run.call is not None]
    return runs


def outcome_of(task: Task, responses: Responses, sample: Sample) -> Outcome:
    """Return how a sample ended, by stored responses alone.

    Raises:
        StoreError: there is no response to a call of its chain.
    """
    return ended(task, replay(task, responses, sample))


def ended(task: Task, run: ChainRun) -> Outcome:
    """Return how a chain ended that was followed through stored responses.

    Raises:
        StoreError: there was no response to one of its calls.
    """
    if run.outcome is None:
        raise StoreError(
            f"task {task.name}: the run holds no answer for sample {run.sample.id} to what is asked now; "
            "run the same command again to have it asked"
        )
    return run.outcome


@dataclass(frozen=True, slots=True)
class StoredCapabilities(Capabilities):
    """What a model could be asked that is not at hand any more: all but what it is known to have been skipped for.

    Attributes:
        refused: why samples were skipped for it, by task and id.
    """

    refused: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def refusal(self, request: Request, language: str | None) -> str | None:  # noqa: ARG002 - as it was then
        """Return why the sample of a request was skipped; None if it was not."""
        return self.refused.get((request.task, request.sample_id))


class StoredEndpoint:
    """Stands for a model whose answers are stored already, and which is never loaded; see ``Endpoint``.

    Args:
        role: that it plays.
        facts: what it was when it answered.
    """

    def __init__(self, role: str, facts: ModelFacts) -> None:
        self.role = role
        self._facts = facts

    async def facts(self) -> ModelFacts:
        """Return what the model was when it answered."""
        return self._facts

    async def answer(self, call: Call) -> Response:
        """Refuse the call: whatever is stored was found before.

        Raises:
            StoreError: always.
        """
        raise StoreError(
            f"task {call.request.task}: no answer of the {self.role} is stored to what is asked now about sample "
            f"{call.request.sample_id}; choose a model for that role too, model@{self.role}=NAME"
        )

    def expect_more(self, whether: bool) -> None:
        """Take no note: nothing waits here."""

    async def close(self) -> None:
        """Do nothing: nothing is open."""
