"""Which samples changed: how many were fixed and broken, and those that moved the value most, with their texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.metrics.functions import MetricFunction
from evalkit.results.compared import Change, ChangeCounts
from evalkit.results.comparison.answers import Answer, Answers
from evalkit.results.comparison.pairing import Pairs
from evalkit.results.comparison.side import Rows, Statistics
from evalkit.results.task_result import MetricResult


@dataclass(frozen=True, slots=True)
class Changes:
    """The samples whose answers changed a value.

    Attributes:
        counts: how many they are.
        improved: those that moved it most for the better.
        worsened: those that moved it most for the worse.
    """

    counts: ChangeCounts
    improved: Sequence[Change]
    worsened: Sequence[Change]


def find_changes(pairs: Pairs, metric: MetricResult, function: MetricFunction, most: int) -> Changes:
    """Find the samples that changed a metric.

    Args:
        pairs: the shared samples.
        metric: as the base run has it.
        function: the one that the metric names.
        most: how many samples to list either way.
    """
    effects = sample_effects(*pairs.statistics, function) * metric.scale
    order = _ordered(effects, pairs.ids)
    lowered = order[: np.count_nonzero(effects < 0)]
    raised = order[::-1][: np.count_nonzero(effects > 0)]
    improved, worsened = (raised, lowered) if metric.higher_is_better else (lowered, raised)
    chosen = np.concatenate([improved[:most], worsened[:most]])
    answers = Answers(pairs, metric).of(chosen)
    described = [_change(answer, float(effect)) for answer, effect in zip(answers, effects[chosen], strict=True)]
    return Changes(
        _counts(pairs.statistics, metric, len(improved), len(worsened)),
        improved=described[: len(improved[:most])],
        worsened=described[len(improved[:most]) :],
    )


def _ordered(effects: npt.NDArray[np.float64], ids: Any) -> Rows:
    """Return positions by effect, those of one effect by id."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = [("effect", "ascending"), ("id", "ascending")]
    ordered: Rows = pc.sort_indices(pa.table({"effect": effects, "id": ids}), keys).to_numpy().astype(np.int64)
    return ordered


def sample_effects(base: Statistics, new: Statistics, function: MetricFunction) -> npt.NDArray[np.float64]:
    """Return by how much a value would move if one sample alone had its new answer; 0 where that leaves it undefined.

    Args:
        base: statistics of the base run, samples × k.
        new: statistics of the new run.
        function: makes the value of a sum.
    """
    total = base.sum(axis=0)
    # By distinct gains: of a hundred thousand samples most changed alike, or not at all. The gain comes first: equal
    # statistics then have no effect, whatever the rounding.
    gains, alike = np.unique(new - base, axis=0, return_inverse=True)
    value = function(total)
    effects = np.array([function(total + gain) - value if gain.any() else 0.0 for gain in gains])
    effects[~np.isfinite(effects)] = 0
    return effects[alike.reshape(-1)]


def right_answers(statistics: Statistics, metric: MetricResult) -> npt.NDArray[np.bool_] | None:
    """Tell of each sample whether it is right; None where samples are not simply right or wrong."""
    if metric.function == "corpus_error_rate":
        return np.asarray(~statistics[:, :3].any(axis=1))
    if metric.function == "ratio" and (statistics[:, 1] == 1).all() and np.isin(statistics[:, 0], (0, 1)).all():
        return np.asarray(statistics[:, 0] == int(metric.higher_is_better))
    return None


def _counts(both: tuple[Statistics, Statistics], metric: MetricResult, improved: int, worsened: int) -> ChangeCounts:
    base, new = (right_answers(statistics, metric) for statistics in both)
    if base is None or new is None:
        return ChangeCounts(improved, worsened)
    return ChangeCounts(
        improved,
        worsened,
        fixed=int(np.count_nonzero(~base & new)),
        broken=int(np.count_nonzero(base & ~new)),
        both_wrong=int(np.count_nonzero(~base & ~new)),
    )


def _change(answer: Answer, effect: float) -> Change:
    return Change(
        sample_id=answer.sample_id,
        reference=" / ".join(answer.references),
        base_answer=answer.base,
        new_answer=answer.new,
        effect=effect,
        alignment=answer.alignment,
        units=answer.longest,
    )
