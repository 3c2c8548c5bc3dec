"""Following a sample's chain through stored responses."""

from typing import Protocol

from evalkit.chain import ChainRun, Outcome
from evalkit.errors import StoreError
from evalkit.task import Task
from evalkit.types import Call, Response, Sample


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


def begin(task: Task, sample: Sample) -> ChainRun:
    """Return a sample's chain at its first call."""
    return ChainRun(task.chain(sample), task.unanswered, sample, task=task.name, generation=task.generation)


def replay(task: Task, responses: Responses, sample: Sample) -> ChainRun:
    """Follow a sample's chain through stored responses until it ends or meets a call that is not answered yet."""
    run = begin(task, sample)
    while run.call is not None:
        response = responses.get(sample.id, run.position, run.call)
        if response is None:
            break
        run.send(response)
    return run


def outcome_of(task: Task, responses: Responses, sample: Sample) -> Outcome:
    """Return how a sample ended, by stored responses alone.

    Raises:
        StoreError: there is no response to a call of its chain.
    """
    outcome = replay(task, responses, sample).outcome
    if outcome is None:
        raise StoreError(
            f"task {task.name}: the run holds no answer for sample {sample.id} to what is asked now; "
            "run the same command again to have it asked"
        )
    return outcome
