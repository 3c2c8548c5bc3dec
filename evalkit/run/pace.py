"""What the calls of a probe say of a whole run: how long it takes, and what it costs.

A role's time is its calls' mean time, task by task, times the calls that it will be asked; models in this process take
turns, and those behind servers answer as many at once as they are allowed to. An answer from the cache takes no time
and costs nothing, and as large a share of the further ones is expected to be there.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from evalkit.adapter import Limits
from evalkit.inference.endpoint import ModelSpec
from evalkit.inference.opening import is_served
from evalkit.metrics.distributions import student_t_quantiles
from evalkit.run.forecast import TaskForecast
from evalkit.run.probe import AnsweredCall, Probe
from evalkit.types import Usage

_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Expectation:
    """A number that is expected, and how far off it may be.

    Attributes:
        value: the expected one.
        variance: of its estimate, by the spread between the samples asked; None where one sample tells nothing.
        freedom: the degrees of freedom of the variance.
    """

    value: float
    variance: float | None = None
    freedom: float = math.inf

    @classmethod
    def mean(cls, values: Sequence[float]) -> "Expectation":
        """Expect the mean of some values."""
        count = len(values)
        return cls(fmean(values), variance(values) / count if count > 1 else None, max(1, count - 1))

    @property
    def error(self) -> float | None:
        """Half of its 95 % interval, by Student's t; None where that is not known."""
        if not self.variance:
            return self.variance
        return float(student_t_quantiles((1 + _LEVEL) / 2, self.freedom)) * math.sqrt(self.variance)

    def __mul__(self, factor: float) -> "Expectation":
        return Expectation(self.value * factor, self.variance and self.variance * factor**2, self.freedom)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a model answered.

    Attributes:
        calls: that it answered, not the cache.
        a_call: seconds for a call.
        for_a_second: seconds for a second of the audio that it heard; None if it heard none.
    """

    calls: int
    a_call: Expectation
    for_a_second: float | None


def pace_of(found: Probe, role: str) -> Pace | None:
    """Return how fast the model of a role answered; None if it was not asked."""
    calls = [call for call in found.calls if call.role == role and not call.cached]
    if not calls:
        return None
    seconds = [call.seconds for call in calls]
    heard = sum(call.audio_seconds for call in calls)
    return Pace(len(calls), Expectation.mean(seconds), sum(seconds) / heard if heard else None)


def seconds_by_role(tasks: Iterable[TaskForecast], found: Probe) -> dict[str, Expectation]:
    """Return how long each role's model works on all its calls, one after the other."""
    work: dict[str, list[Expectation]] = defaultdict(list)
    for task in tasks:
        for role, load in task.loads.items():
            calls = _like(found, task.name, role)
            if calls and load.calls:
                work[role].append(Expectation.mean([call.seconds for call in calls]) * load.calls)
    return {role: _total(parts) for role, parts in work.items()}


def seconds_of_run(
    by_role: Mapping[str, Expectation], models: Mapping[str, ModelSpec], calls: Mapping[str, float]
) -> Expectation:
    """Return how long a run takes: models of this process take turns, and beside them servers answer many at once.

    Args:
        by_role: how long each role's model works.
        models: by role.
        calls: how many each is asked, of which its server may allow only so many a minute.
    """
    together = _total([by_role[role] for role in by_role if not is_served(models[role])])
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


def _total(parts: Sequence[Expectation]) -> Expectation:
    """Return the sum of independent numbers, its degrees of freedom as Welch and Satterthwaite have them."""
    value = sum(each.value for each in parts)
    spreads = [(each.variance, each.freedom) for each in parts if each.variance is not None]
    if len(spreads) < len(parts):
        return Expectation(value)
    spread = sum(each for each, _ in spreads)
    by_freedom = sum(each**2 / freedom for each, freedom in spreads)
    return Expectation(value, spread, spread**2 / by_freedom if by_freedom else math.inf)


def _served(work: Expectation, spec: ModelSpec, calls: float) -> Expectation:
    limits = limits_of(spec)
    allowed = 0.0 if limits.requests_per_minute is None else calls / limits.requests_per_minute * 60
    return max(work * (1 / limits.concurrency), Expectation(allowed, 0.0), key=lambda each: each.value)
