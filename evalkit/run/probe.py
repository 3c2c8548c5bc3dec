"""Asking a few samples of every task for real, to see how long calls take and what they cost.

The samples go through the engine as those of any run, at the concurrency and in the batches that are set, into a folder
that is thrown away. A role's time is its calls' mean time, task by task, times the calls that it will be asked;
models in this process take turns, and those behind servers answer as many at once as they are allowed to. An answer
from the cache takes no time and costs nothing, and as large a share of the further ones is expected to be there.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, variance
from tempfile import TemporaryDirectory
from time import perf_counter

from evalkit.adapter import Limits
from evalkit.chain import Outcome
from evalkit.errors import ConfigurationError
from evalkit.inference.endpoint import ModelSpec
from evalkit.inference.opening import is_served
from evalkit.run.evaluate import evaluate
from evalkit.run.forecast import TaskForecast
from evalkit.run.plan import Plan
from evalkit.run.rehearsal import seconds_of
from evalkit.run.selection import Selection
from evalkit.types import Call, Response, Usage

_TWO_SIDED = 1.96  # 95 % of a normal distribution


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


@dataclass(frozen=True, slots=True)
class Expectation:
    """A number that is expected, and how far off it may be.

    Attributes:
        value: the expected one.
        error: half of its 95 % interval, by the spread between the samples asked; None where one sample tells nothing.
    """

    value: float
    error: float | None


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
    with TemporaryDirectory(prefix="evalkit-probe-") as folder:
        evaluate(
            replace(
                plan,
                name="probe",
                folder=Path(folder) / "probe",
                tasks=chosen,
                aggregates=(),
                selection=Selection(limit=samples, spread=True, seed=plan.selection.seed),
            ),
            watch,
        )
    refused = {task: reason for task, reason in watch.skipped.items() if task not in watch.ended}
    return Probe(tuple(watch.calls), samples, watch.failures, refused, perf_counter() - began)


def seconds_by_role(tasks: Iterable[TaskForecast], found: Probe) -> dict[str, Expectation]:
    """Return how long each role's model works on all its calls, one after the other."""
    work: dict[str, list[tuple[float, float | None]]] = defaultdict(list)
    for task in tasks:
        for role, load in task.loads.items():
            calls = _like(found, task.name, role)
            if calls and load.calls:
                seconds = [call.seconds for call in calls]
                spread = variance(seconds) / len(seconds) * load.calls**2 if len(seconds) > 1 else None
                work[role].append((fmean(seconds) * load.calls, spread))
    return {role: _sum(parts) for role, parts in work.items()}


def seconds_of_run(
    by_role: Mapping[str, Expectation], models: Mapping[str, ModelSpec], calls: Mapping[str, float]
) -> Expectation:
    """Return how long a run takes: models of this process take turns, and beside them servers answer many at once.

    Args:
        by_role: how long each role's model works.
        models: by role.
        calls: how many each is asked, of which its server may allow only so many a minute.
    """
    local = [by_role[role] for role in by_role if not is_served(models[role])]
    together = _sum((each.value, None if each.error is None else (each.error / _TWO_SIDED) ** 2) for each in local)
    served = [_served(by_role[role], models[role], calls[role]) for role in by_role if is_served(models[role])]
    return max([together, *served], key=lambda each: each.value)


def limits_of(spec: ModelSpec) -> Limits:
    """Return how hard a server may be pressed.

    Raises:
        ConfigurationError: a limit cannot be.
    """
    return Limits(**(spec.config.get("limits") or {}))


def usage_by_role(tasks: Iterable[TaskForecast], found: Probe) -> dict[str, Usage]:
    """Return what all calls of each role will take by the servers' own counts; roles without any are left out."""
    sums: dict[str, Usage] = {}
    for task in tasks:
        for role, load in task.loads.items():
            counted = [call.usage for call in _like(found, task.name, role) if call.usage is not None]
            if counted:
                share = load.calls / len(counted)
                sums[role] = sums.get(role, Usage()) + _scaled(sum(counted, Usage()), share)
    return sums


def _like(found: Probe, task: str, role: str) -> list[AnsweredCall]:
    """Return the calls of a task to a role; where it was not asked, those of all tasks to it."""
    of_role = [call for call in found.calls if call.role == role]
    return [call for call in of_role if call.task == task] or of_role


def _scaled(usage: Usage, factor: float) -> Usage:
    counts = {
        name: round(getattr(usage, name) * factor)
        for name in ("requests", "input_tokens", "output_tokens", "input_audio_tokens", "output_audio_tokens")
    }
    cost = None if usage.cost is None else usage.cost * factor
    return Usage(**counts, audio_seconds=usage.audio_seconds * factor, cost=cost)


def _sum(parts: Iterable[tuple[float, float | None]]) -> Expectation:
    """Return the sum of independent numbers, each with its variance."""
    parts = list(parts)
    spreads = [spread for _, spread in parts if spread is not None]
    known = len(spreads) == len(parts)
    return Expectation(sum(value for value, _ in parts), _TWO_SIDED * math.sqrt(sum(spreads)) if known else None)


def _served(work: Expectation, spec: ModelSpec, calls: float) -> Expectation:
    limits = limits_of(spec)
    error = None if work.error is None else work.error / limits.concurrency
    allowed = 0.0 if limits.requests_per_minute is None else calls / limits.requests_per_minute * 60
    return max(
        Expectation(work.value / limits.concurrency, error), Expectation(allowed, 0.0), key=lambda each: each.value
    )
