"""A sample's chain of calls, as far as stored responses lead."""

from collections.abc import Callable, Mapping

from evalkit.adapter import Model
from evalkit.chain import ChainRun, Outcome
from evalkit.errors import ConfigurationError, StoreError
from evalkit.results.responses import ResponseStore
from evalkit.task import Task
from evalkit.types import Call, Sample


def replay(
    task: Task, store: ResponseStore, sample: Sample, refusal: Callable[[Call], str | None] | None = None
) -> ChainRun:
    """Follow a sample's chain through the store until it ends or meets a call that is not answered yet.

    Raises:
        ConfigurationError: no model fills the role of the next call.
    """
    run = ChainRun(task.chain(sample), task.unanswered, sample, task=task.name, refusal=refusal)
    follow(run, store)
    return run


def follow(run: ChainRun, store: ResponseStore) -> None:
    """Let a chain go on with stored responses until it ends or meets a call that is not answered yet."""
    while run.call is not None:
        response = store.get(run.sample.id, run.position, run.call)
        if response is None:
            return
        run.send(response)


def outcome_of(
    task: Task, store: ResponseStore, sample: Sample, refusal: Callable[[Call], str | None] | None = None
) -> Outcome:
    """How a sample ended, by stored responses alone.

    Raises:
        StoreError: the store holds no response to a call of its chain.
    """
    outcome = replay(task, store, sample, refusal).outcome
    if outcome is None:
        raise StoreError(
            f"task {task.name}: the run holds no answer for sample {sample.id} to what is asked now; "
            "run the same command again to have it asked"
        )
    return outcome


def refusal_by(task: Task, adapters: Mapping[str, Model], sample: Sample) -> Callable[[Call], str | None]:
    """What says of a call why the model of its role cannot be asked, or None if it can: the sample is then skipped."""

    def refusal(call: Call) -> str | None:
        if call.role not in adapters:
            raise ConfigurationError(
                f"task {task.name} needs a model in the role '{call.role}'; choose one with model@{call.role}=NAME"
            )
        # What the model is told goes before what the data set says, which may be the code of a dialect.
        language = call.request.language or sample.language
        reason = adapters[call.role].capabilities.refusal(call.request, language)
        return f"the {call.role} {reason}" if reason else None

    return refusal
