"""The samples of a task as numbers: the statistics of a metric, and what they are drawn against."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.errors import ConfigurationError, StoreError
from evalkit.hints import hint
from evalkit.metrics.functions import get_metric_function
from evalkit.metrics.metric import in_unit
from evalkit.metrics.resampling import bootstrap
from evalkit.results.metrics_file import RunResult
from evalkit.results.scores import ScoresFile
from evalkit.results.task_result import MetricResult, TaskResult
from reports.plots.intervals import Point

DURATION = "duration"
_RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class MeasuredSamples:
    """The samples of a task that count towards one of its metrics.

    Attributes:
        metric: as the task has it.
        statistics: of the metric, samples × k.
        numbers: what each sample is drawn against; nan where that is not known.
        clusters: label of each by the field that the task was resampled by; None where samples were drawn singly.
    """

    metric: MetricResult
    statistics: npt.NDArray[np.float64]
    numbers: npt.NDArray[np.float64]
    clusters: npt.NDArray[np.object_] | None = None

    def value(self, chosen: npt.NDArray[Any], seed: int = 0) -> Point | None:
        """Return the metric over some of the samples with its interval, in the unit printed; None if undefined."""
        rows = self.statistics[chosen]
        function = get_metric_function(self.metric.function)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = function(rows.sum(axis=0))
        if not math.isfinite(value):
            return None
        labels = None if self.clusters is None else self.clusters[chosen].tolist()
        low, high = bootstrap(rows, function, clusters=labels, resamples=_RESAMPLES, level=self.metric.level, seed=seed)
        scale = self.metric.scale
        ends = (in_unit(low, scale), in_unit(high, scale)) if math.isfinite(low + high) else (None, None)
        return Point(in_unit(value, scale), *ends)


def task_of(run: RunResult, name: str) -> TaskResult:
    """Return a task of a run.

    Raises:
        ConfigurationError: there is none of that name.
    """
    if name not in run.tasks:
        known = ", ".join(run.tasks) or "none"
        raise ConfigurationError(f"{run.name}: has no task '{name}'{hint(name, run.tasks)} (there are {known})")
    return run.tasks[name]


def metric_of(result: TaskResult, key: str | None) -> MetricResult:
    """Return a metric of a task, its headline if no key is given.

    Raises:
        ConfigurationError: there is none of that key.
    """
    if key is None:
        return result.metric
    if key not in result.metrics:
        known = ", ".join(result.metrics)
        raise ConfigurationError(f"{result.name}: has no metric '{key}'{hint(key, result.metrics)} (there are {known})")
    return result.metrics[key]


def read_samples(run: RunResult, task: str, key: str | None = None, by: str = DURATION) -> MeasuredSamples:
    """Read what a plot needs of a task's samples.

    Args:
        run: as read from its folder.
        task: its name.
        key: of the metric; None for the headline.
        by: what samples are drawn against: ``duration``, or the name of a number in their metadata or groups.

    Raises:
        ConfigurationError: there is no such task or metric.
        StoreError: the scores cannot be read.
    """
    result = task_of(run, task)
    metric = metric_of(result, key)
    key = result.headline if key is None else key
    if run.folder is None:
        raise StoreError(f"{run.name}: is not read from a folder, and has no scores")
    scores = ScoresFile(run.folder / task, result.digest)
    numbers = [
        _number(row, by) for row in scores.rows(["status", "audio", "groups", "metadata"]) if row["status"] != "skipped"
    ]
    labels = scores.clusters(result.resampled)
    return MeasuredSamples(
        metric,
        scores.statistics(key, tuple(metric.statistics)),
        np.array(numbers, dtype=float),
        None if labels is None else np.array(labels, dtype=object),
    )


def _number(row: Mapping[str, Any], by: str) -> float:
    """Return what one sample is drawn against; what is no number in a file of anybody is not known."""
    try:
        if by == DURATION:
            return float(sum(audio["duration"] for audio in json.loads(row["audio"]))) or math.nan
        known = {**json.loads(row["groups"]), **json.loads(row["metadata"])}
        number = float(known[by])
    except (KeyError, TypeError, ValueError, RecursionError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan
