"""How much of a figure's difference each cause explains: from the base run to the new one, changed step by step.

First the samples of both, then what is right, then how answers are scored, then the answers themselves, those that
differ for one reason together. Each step's effect is what the figure moves by; the steps sum to the whole difference.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from evalkit.metrics.functions import get_metric_function
from evalkit.metrics.metric import difference_in_unit, in_unit, rounded
from evalkit.results.task_result import MetricResult
from evalkit.run.difference.causes import CauseKey
from evalkit.run.difference.rescored import Statistics

Array = npt.NDArray[np.float64]
Keys = frozenset[CauseKey]

FAILURES: Keys = frozenset({CauseKey("failures")})
UNEXPLAINED: Keys = frozenset({CauseKey("unexplained")})
_ROUNDING = 1e-9  # of floats that are summed in another order


@dataclass(frozen=True, slots=True)
class Step:
    """One change on the way from a base figure to a new one.

    Attributes:
        keys: the causes that are changed; several where they cannot be told apart.
        size: what the figure moves by, in its unit.
        samples: how many samples have another score after it.
        detail: in a sentence, what the figure would be otherwise.
    """

    keys: Keys
    size: float
    samples: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Scored:
    """The statistics of the samples that both runs have, in the order of the base run, under each change.

    Attributes:
        base: as the base run stored them.
        new: as the new run stored them.
        shared: how many samples they are.
        stages: what the base run's answers are worth, one change after another, and the causes of each change.
        new_now: what the new run's answers are worth scored now, as the new run scores.
        new_as_base: and scored as the base run scores; None where it was not found out.
        groups: for each sample why the answers differ; empty where they do not.
    """

    base: Statistics
    new: Statistics
    shared: int
    groups: Sequence[Keys]
    stages: Sequence[tuple[Keys, Statistics]] = ()
    new_now: Statistics | None = None
    new_as_base: Statistics | None = None


@dataclass(slots=True)
class _Way:
    """The way from one figure to another, on which each step is noted."""

    value: float
    steps: list[Step] = field(default_factory=list)

    def step(self, keys: Keys, value: float, samples: int, detail: str = "") -> None:
        size = difference_in_unit(value, self.value)
        if samples:
            self.steps.append(Step(keys, 0.0 if abs(size) < _ROUNDING else size, samples, detail))
        self.value = value


def attributed(
    base: MetricResult,
    new: MetricResult,
    keys: tuple[str, str],
    totals: tuple[Array, Array],
    scored: Scored,
    only_in_one: tuple[int, int],
) -> list[Step]:
    """Return the steps from a base figure to a new one.

    Args:
        base: the figure of the base run.
        new: that of the new run.
        keys: under which the statistics of each are known.
        totals: of all samples of each run.
        scored: the samples of both.
        only_in_one: how many samples only the base and only the new run has.

    Raises:
        ConfigurationError: the function of a figure is not known.
        ValueError: the figure is not a number somewhere on the way.
    """
    value_of = _valued(base), _valued(new)
    way = _Way(value_of[0](totals[0]))
    samples = frozenset({CauseKey("samples")})
    at = scored.base[keys[0]]
    shared = value_of[0](at.sum(axis=0))
    detail = f"over the {scored.shared:,} samples of both the base run has {_shown(shared, base)}"
    if only_in_one[0]:
        way.step(samples, shared, only_in_one[0], detail)
    key, value = keys[0], value_of[0]
    for causes, statistics in scored.stages:
        if any(cause.kind == "scoring" for cause in causes):
            key, value = keys[1], value_of[1]
        after = statistics[key]
        worth = value(after.sum(axis=0))
        way.step(causes, worth, _moved(at, after), _scoring_detail(causes, way.value, worth, scored, keys, base, new))
        at = after
    if key != keys[1]:
        raise ValueError("scored by another metric")
    target = (scored.new_now or scored.new)[keys[1]]
    running = at.sum(axis=0)
    for causes, rows in _in_groups(at, target, scored.groups):
        running = running + (target[rows] - at[rows]).sum(axis=0)
        detail = _without(rows, at, target, new) if causes == FAILURES else ""
        way.step(causes, value_of[1](running), len(rows), detail)
    stored = scored.new[keys[1]]
    way.step(frozenset({CauseKey("evalkit")}), value_of[1](stored.sum(axis=0)), _moved(target, stored))
    if only_in_one[1]:
        detail = f"over the {scored.shared:,} samples of both the new run has {_shown(way.value, new)}"
        way.step(samples, value_of[1](totals[1]), only_in_one[1], detail)
    return _merged(way.steps)


def _in_groups(at: Array, target: Array, groups: Sequence[Keys]) -> Iterator[tuple[Keys, list[int]]]:
    """Yield the rows in which the two differ, those of one reason together, the likeliest reason first."""
    rows: dict[Keys, list[int]] = {}
    for row in np.flatnonzero((at != target).any(axis=1)).tolist():
        rows.setdefault(groups[row] or UNEXPLAINED, []).append(row)
    return iter(sorted(rows.items(), key=lambda each: min(key.prior for key in each[0])))


def _merged(steps: Iterable[Step]) -> list[Step]:
    """Sum the steps of the same causes, as the samples that only one of the runs has are two."""
    merged: dict[Keys, Step] = {}
    for step in steps:
        before = merged.get(step.keys)
        if before is not None:
            details = "; ".join(filter(None, (before.detail, step.detail)))
            step = Step(step.keys, before.size + step.size, before.samples + step.samples, details)
        merged[step.keys] = step
    return list(merged.values())


def _moved(before: Array, after: Array) -> int:
    """Return how many samples have another score; all of them where the statistics are of another metric."""
    return len(after) if before.shape != after.shape else int((before != after).any(axis=1).sum())


def _valued(metric: MetricResult) -> Callable[[Array], float]:
    """Return what makes a metric's value, in its unit, of sums.

    Raises:
        ConfigurationError: the function is not known.
    """
    function = get_metric_function(metric.function)

    def value(totals: Array) -> float:
        found = function(totals)
        if not math.isfinite(found):
            raise ValueError("undefined over a part of the samples")
        return in_unit(found, metric.scale)

    return value


def _scoring_detail(
    causes: Keys,
    before: float,
    after: float,
    scored: Scored,
    keys: tuple[str, str],
    base: MetricResult,
    new: MetricResult,
) -> str:
    if not any(cause.kind == "scoring" for cause in causes):
        return ""
    detail = f"the base run's answers scored as the new run's: {_shown(after, new)} in place of {_shown(before, base)}"
    if scored.new_as_base is None or scored.new_now is None:
        return detail
    now = _valued(new)(scored.new_now[keys[1]].sum(axis=0))
    as_base = _valued(base)(scored.new_as_base[keys[0]].sum(axis=0))
    return f"{detail}; the new run's scored as the base run's: {_shown(as_base, base)} in place of {_shown(now, new)}"


def _without(rows: list[int], base: Array, new: Array, metric: MetricResult) -> str:
    """Return what both runs have over the other samples; nothing where that is undefined."""
    try:
        values = [_valued(metric)(np.delete(side, rows, axis=0).sum(axis=0)) for side in (base, new)]
    except ValueError:
        return ""
    return f"without these the base run has {_shown(values[0], metric)} and the new run {_shown(values[1], metric)}"


def _shown(value: float, metric: MetricResult) -> str:
    return f"{rounded(value, metric.decimals)} {metric.unit}".rstrip()
