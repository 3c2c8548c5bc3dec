"""A sample's chain of calls, as far as stored answers lead."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evalkit.adapter import Model
from evalkit.errors import ConfigurationError
from evalkit.results.responses import ResponseStore
from evalkit.task import Task
from evalkit.types import Call, Response, Sample


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


def replay(task: Task, adapters: Mapping[str, Model], store: ResponseStore, sample: Sample) -> Chain:
    """Follow a sample's chain as far as stored answers lead.

    Raises:
        ConfigurationError: no model fills the role of the next call.
    """
    return follow(task, store, sample, refusal_by(task, adapters, sample))


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


def follow(
    task: Task,
    store: ResponseStore,
    sample: Sample,
    refusal: Callable[[Call], str | None] | None = None,
    so_far: Sequence[Response] = (),
) -> Chain:
    """Follow a sample's chain of calls through the store until it ends, breaks or meets a call not yet answered.

    Args:
        task: the benchmark.
        store: where answers are.
        sample: whose chain it is.
        refusal: says why a call cannot be put to its model, or None.
        so_far: the responses that the chain begins with, if they are already known.
    """
    responses = list(so_far)
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
