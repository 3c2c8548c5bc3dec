"""Asking a few samples of every task for real, to see how long calls take and what they cost.

The samples go through the engine as those of any run, at the concurrency and in the batches that are set, into a folder
that is thrown away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from evalkit.chain import Outcome
from evalkit.errors import ConfigurationError
from evalkit.inference.observer import Observer
from evalkit.run.evaluate import evaluate
from evalkit.run.forecast import TaskForecast
from evalkit.run.plan import Plan
from evalkit.run.rehearsal import seconds_of
from evalkit.run.selection import Selection
from evalkit.types import Call, Response, Usage


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """One call of a probe.

    Attributes:
        task: that asked.
        role: that answered.
        seconds: that answering took; a batch's time is shared equally by its members.
        audio_seconds: that the model heard.
        usage: what the answer took by the server's count, or None.
        cached: whether the cache held the answer, so that nobody had to be asked.
    """

    task: str
    role: str
    seconds: float
    audio_seconds: float
    usage: Usage | None
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """What asking a few samples showed.

    Attributes:
        calls: that were answered.
        samples: asked of each task, at most.
        failed: calls that gave no answer.
        refused: tasks of which the models could be asked nothing to the end, with the reason.
        seconds: that the probe took, loading of models included.
    """

    calls: tuple[AnsweredCall, ...]
    samples: int
    failed: int
    refused: Mapping[str, str]
    seconds: float


@dataclass(slots=True)
class _Watch:
    """Takes down every call of a probe."""

    calls: list[AnsweredCall] = field(default_factory=list)
    failures: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def started(self, task: str, samples: int) -> None:
        """Nothing needs to be noted."""

    def answered(self, task: str, sample_id: str, call: Call, response: Response) -> None:  # noqa: ARG002 - not told
        """Take down how long an answer took, which from the cache took nothing."""
        heard = sum(map(seconds_of, call.request.audio))
        if response.cached:
            self.calls.append(AnsweredCall(task, call.role, 0.0, heard, Usage(), cached=True))
        elif response.seconds is not None:
            self.calls.append(AnsweredCall(task, call.role, response.seconds, heard, response.usage))

    def failed(self, task: str, sample_id: str, call: Call, response: Response) -> None:  # noqa: ARG002 - counted
        """Count a call without an answer."""
        self.failures += 1

    def sample_done(self, task: str, outcome: Outcome, *, asked: bool) -> None:  # noqa: ARG002 - no matter
        """Take down whether anything of a task can be asked."""
        if outcome.status == "skipped":
            self.skipped.setdefault(task, outcome.reason.message if outcome.reason else "")
        else:
            self.ended.add(task)

    def finished(self, task: str) -> None:
        """Nothing needs to be noted."""


def evaluate_aside(plan: Plan, observer: Observer) -> None:
    """Carry out a plan in a folder that is thrown away, without averages.

    Raises:
        EvalkitError: as ``evaluate`` does.
    """
    with TemporaryDirectory(prefix="evalkit-probe-") as folder:
        evaluate(replace(plan, name="probe", folder=Path(folder) / "probe", aggregates=()), observer)


def probe(plan: Plan, tasks: Sequence[TaskForecast], samples: int) -> Probe:
    """Ask some samples, evenly spread over their groups, of every task that is at hand.

    Raises:
        ConfigurationError: no task is at hand.
        EvalkitError: a model cannot be had.
    """
    at_hand = {each.name for each in tasks if each.state == "at hand"}
    chosen = tuple(task for task in plan.tasks if task.name in at_hand)
    if not chosen:
        raise ConfigurationError("nothing to probe: no task is at hand and has all of its models")
    watch = _Watch()
    began = perf_counter()
    selection = Selection(limit=samples, spread=True, seed=plan.selection.seed)
    evaluate_aside(replace(plan, tasks=chosen, selection=selection), watch)
    refused = {task: reason for task, reason in watch.skipped.items() if task not in watch.ended}
    return Probe(tuple(watch.calls), samples, watch.failures, refused, perf_counter() - began)
