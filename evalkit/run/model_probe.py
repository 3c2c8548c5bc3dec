"""Whether a model answers: one question to it, and what its server's list of models says of it.

The question goes through the engine as that of any run, into a folder that is thrown away.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from types import MappingProxyType
from typing import Literal

from evalkit.adapter import Listing, ServedModelAdapter
from evalkit.audio import Audio
from evalkit.chain import Chain, Outcome, Score
from evalkit.errors import EvalkitError, PermanentError, TransientError
from evalkit.inference.opening import is_served
from evalkit.inference.served.cache import CacheSettings
from evalkit.metrics.mean import mean_metric
from evalkit.metrics.metric import Metric
from evalkit.run.plan import Plan
from evalkit.run.probe import evaluate_aside
from evalkit.run.selection import Selection
from evalkit.task import Task
from evalkit.types import Call, Message, Request, Response, Sample, Usage

_SECONDS_TO_LIST = 30


@dataclass(frozen=True, slots=True)
class Answered:
    """What one question to a model came to.

    Attributes:
        response: of the model's, the last there was; a failure where it gave none.
        usage: of all models that were asked on the way, as those of a cascade are.
        seconds: from the beginning to the end, loading included.
    """

    response: Response
    usage: Usage
    seconds: float


@dataclass(slots=True)
class _Watch:
    """Takes down the calls of the one sample."""

    responses: list[Response] = field(default_factory=list)
    refusal: str = ""

    def started(self, task: str, samples: int) -> None:
        """Nothing needs to be noted."""

    def answered(self, task: str, sample_id: str, call: Call, response: Response) -> None:  # noqa: ARG002 - not told
        """Take down a response."""
        self.responses.append(response)

    failed = answered

    def sample_done(self, task: str, outcome: Outcome, *, asked: bool) -> None:  # noqa: ARG002 - no matter
        """Take down why the model could not be asked."""
        if outcome.status == "skipped" and outcome.reason is not None:
            self.refusal = outcome.reason.message

    def finished(self, task: str) -> None:
        """Nothing needs to be noted."""


class _Question(Task):
    """One question, for models that do not hear or do not write.

    Args:
        name: the key of the task in the configuration.
        audio: what is heard; nothing for a written question.
        output: whether the answer is to be text or speech.
    """

    title = "Question"
    metrics: Mapping[str, Metric] = MappingProxyType(
        {"answered": mean_metric("Answered", statistics=("answered", "asked"))}
    )
    expected_samples = None

    def __init__(self, name: str, audio: Sequence[Audio], output: Literal["text", "speech"]) -> None:
        self.name = name
        self._content = tuple(audio) or ("Which city is the capital of France?",)
        self._output = output

    def samples(self) -> Iterable[Sample]:
        """Yield the one sample."""
        yield Sample("question", language="en")

    def chain(self, sample: Sample) -> Chain:  # noqa: ARG002 - the question is always the same
        """Ask."""
        yield Call("model", Request((Message("user", self._content),), output=self._output))
        return Score({"answered": (1.0, 1.0)})

    def unanswered(self, sample: Sample) -> Score:  # noqa: ARG002 - the question is always the same
        """Return that nothing came."""
        return Score({"answered": (0.0, 1.0)})


def ask_once(plan: Plan, *, hears: bool) -> Answered:
    """Put one question to the model of a plan: the first of its first task, or what suits the model.

    Args:
        plan: of a task about recordings.
        hears: whether the model does.

    Raises:
        EvalkitError: the model cannot be had, its server turns the caller away, or it can be asked nothing.
    """
    (task, *_) = plan.tasks
    audio = next(iter(task.samples())).audio if hears else ()
    began = perf_counter()
    for question in (task if hears else _Question(task.name, audio, "text"), _Question(task.name, audio, "speech")):
        watch = _watched(plan, question)
        if watch.responses:
            usage = sum((response.usage for response in watch.responses if response.usage is not None), Usage())
            return Answered(watch.responses[-1], usage, perf_counter() - began)
    raise EvalkitError(f"it can be asked nothing: {watch.refusal}")


def _watched(plan: Plan, task: Task) -> _Watch:
    """Ask the first sample of a task."""
    watch = _Watch()
    evaluate_aside(replace(plan, tasks=(task,), cache=CacheSettings(), notices=(), selection=Selection(limit=1)), watch)
    return watch


def listing(plan: Plan) -> Listing | None:
    """Return what the list of models of the model's server says; None where there is none, or no server yet.

    Raises:
        RejectedError: the server turns the caller away.
        EvalkitError: the model's settings cannot be.
    """
    spec = plan.models["model"]
    if spec.process.launch is not None or not is_served(spec):
        return None
    model = spec.make()
    assert isinstance(model, ServedModelAdapter)  # noqa: S101 - is_served says so

    async def listed() -> Listing | None:
        try:
            async with asyncio.timeout(_SECONDS_TO_LIST):
                return await model.listing()
        except (TimeoutError, TransientError, PermanentError):
            return None  # the sample shows whether the server is there
        finally:
            await model.close()

    return asyncio.run(listed())
