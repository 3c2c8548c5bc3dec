"""Asking every question of a task, and stopping when there is nothing more to ask.

A task is asked in passes. Each pass walks the samples, replays what the store already answers, and puts the calls that
are ready for one role to that role's model; passes repeat until no sample has a further call. Nothing but the store
carries state from one pass to the next, which is why resuming a run is the same as running it, why memory does not grow
with the data set, and why a local model of one role has the machine to itself while it works.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from evalkit.adapter import ModelAdapter
from evalkit.errors import ConfigurationError, EvalkitError
from evalkit.run.executor import Executor, PendingCall
from evalkit.run.store import ResponseStore
from evalkit.task import Task
from evalkit.types import Call, Response, Sample


class TooManyFailuresError(EvalkitError):
    """The bound on failed samples was passed; what was answered is kept."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a sample stands: what was answered, and what comes next.

    Attributes:
        responses: the good responses so far, in order.
        next_call: what to ask now; None if the chain is complete, broken or not to be started.
        error: why the chain broke, or None.
        skipped: why the sample is not put to the model at all, or None.
    """

    responses: tuple[Response, ...]
    next_call: Call | None = None
    error: str | None = None
    skipped: str | None = None


def replay(task: Task, adapters: Mapping[str, ModelAdapter], store: ResponseStore, sample: Sample) -> Chain:
    """Follow a sample's chain as far as it goes; a sample in a language that a model does not take is skipped."""

    def refusal(call: Call) -> str | None:
        if call.role not in adapters:
            raise ConfigurationError(
                f"task {task.name} needs a model in the role '{call.role}'; choose one with model@{call.role}=NAME"
            )
        # What the model is told goes before what the data set says, which may be the code of a dialect.
        language = call.request.language or sample.language
        if adapters[call.role].capabilities.speaks(language):
            return None
        return f"the {call.role} does not take the language '{language}'"

    return follow(task, store, sample, refusal)


def follow(
    task: Task,
    store: ResponseStore,
    sample: Sample,
    refusal: Callable[[Call], str | None] | None = None,
) -> Chain:
    """Follow a sample's chain of calls through the store until it ends, breaks or meets a call not yet answered."""
    responses: list[Response] = []
    while True:
        call = task.next_call(sample, responses)
        if call is None:
            return Chain(tuple(responses))
        if refusal is not None and (skipped := refusal(call)):
            return Chain(tuple(responses), skipped=skipped)
        response = store.get(sample.id, len(responses), call)
        if response is None:
            return Chain(tuple(responses), next_call=call)
        if response.error is not None:
            return Chain(tuple(responses), error=response.error)
        responses.append(response)


def ask(
    task: Task,
    adapters: Mapping[str, ModelAdapter],
    store: ResponseStore,
    executor: Executor,
    *,
    limit: int | None = None,
    max_failures: int | None = None,
    on_answer: Callable[[Response], None] | None = None,
) -> None:
    """Have every call of a task answered and stored.

    Args:
        task: the benchmark.
        adapters: the model of each role.
        store: where responses are kept, and found again.
        executor: how calls reach a model.
        limit: how many samples of the data set to take, from its start; None for all.
        max_failures: how many calls may fail before the run stops; None for any number.
        on_answer: told of every response after it is stored.

    Raises:
        TooManyFailuresError: more than ``max_failures`` calls failed.
    """
    failures = 0
    more_to_ask = True
    while more_to_ask:
        more_to_ask = False
        for role, adapter in adapters.items():
            for item, response in executor.execute(adapter, _ready(task, adapters, store, role, limit)):
                store.append(item.sample.id, len(item.responses), item.call, response)
                if not response.failed and task.next_call(item.sample, (*item.responses, response)) is not None:
                    more_to_ask = True
                if on_answer is not None:
                    on_answer(response)
                failures += response.failed
                if max_failures is not None and failures > max_failures:
                    raise TooManyFailuresError(
                        f"{task.name}: {failures} calls failed, more than max_failures={max_failures}; the last, "
                        f"sample {item.sample.id}: {response.error}. What was answered is kept: run the same "
                        "command again to continue, or raise max_failures"
                    )


def selected_samples(task: Task, limit: int | None) -> Iterable[Sample]:
    """The samples a run takes: all of a task's, or the first ``limit``."""
    return islice(task.samples(), limit)


def _ready(
    task: Task, adapters: Mapping[str, ModelAdapter], store: ResponseStore, role: str, limit: int | None
) -> Iterator[PendingCall]:
    for sample in selected_samples(task, limit):
        chain = replay(task, adapters, store, sample)
        if chain.next_call is not None and chain.next_call.role == role:
            yield PendingCall(sample, chain.responses, chain.next_call)
