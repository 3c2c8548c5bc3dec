"""Several runs of one model as one result: values with what the choice of runs makes of them, beside that of samples.

A folder that holds run folders, and is none itself, holds repeated runs: ``evalkit run … repeats=3`` makes one. They
must be of the same model but for its seed, on the same data, scored alike.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.adapter import SERVER_SAYS
from evalkit.errors import ConfigurationError, StoreError
from evalkit.metrics.functions import get_metric_function
from evalkit.metrics.metric import mean_in_unit
from evalkit.metrics.repeated_runs import RepeatedValue, combined_error, repeated_runs, student_interval
from evalkit.results.certainty import finite_in_unit
from evalkit.results.fields import Fields
from evalkit.results.folder import PROVENANCE, read_json, recorded_models
from evalkit.results.metrics_file import FILE_NAME, RunResult, read_run
from evalkit.results.scores import ScoresFile
from evalkit.results.task_result import Aggregate, GroupResult, MetricResult, RunSpread, TaskResult

_SEED = "seed"
_RESAMPLES = 2_000  # give a variance within 2 %, and there is no percentile to find
_NUMBER = re.compile(r"\d+")


def repeated_folders(folder: Path) -> list[Path]:
    """Return the run folders that a folder of repeated runs holds, in order; none of a run folder or another one."""
    if (folder / FILE_NAME).exists() or not folder.is_dir():
        return []
    held = [path for path in folder.iterdir() if (path / FILE_NAME).is_file()]
    return sorted(held, key=lambda path: [int(part) if part.isdigit() else part for part in _parts(path.name)])


def read_results(folder: str | Path) -> RunResult:
    """Read a run, or join the repeated runs that a folder holds. Nothing that it names is loaded or carried out.

    Raises:
        StoreError: it is neither, or damaged.
        ConfigurationError: the runs in it are not of one model, on the same data and scored alike.
    """
    folder = Path(folder)
    folders = repeated_folders(folder)
    return join_runs([read_run(path) for path in folders], folder.resolve().name) if folders else read_run(folder)


def join_runs(runs: Sequence[RunResult], name: str) -> RunResult:
    """Join several runs of one model into one result, which has no folder of its own.

    Its values are means over the runs; intervals and standard errors hold the choice of samples and of runs, and
    ``MetricResult.spread`` tells the two apart.

    Args:
        runs: read from their folders; at least two.
        name: what to call them together.

    Raises:
        StoreError: the scores of a run cannot be read, or a run is not finished.
        ConfigurationError: there are fewer than two, or they differ in more than the seed; names what differs.
    """
    if len(runs) < 2:
        raise ConfigurationError(f"{name}: repeated runs are at least two, and there is one; name that run itself")
    for run in runs:
        if run.unfinished:
            raise StoreError(f"{run.folder}: is not finished: without {', '.join(run.unfinished)}")
    first = runs[0]
    for run in runs[1:]:
        _refuse_other_runs(first, run)
    joiners = {task: _Joiner([run.tasks[task] for run in runs], [_folder(run) for run in runs]) for task in first.tasks}
    tasks = {task: joiner.task() for task, joiner in joiners.items()}
    return replace(
        first,
        name=name,
        model=f"{first.model} ({len(runs)} runs)",
        tasks=tasks,
        aggregates={
            each.name: _aggregate(each, [run.aggregates[each.name] for run in runs], joiners)
            for each in first.aggregates.values()
            if all(each.name in run.aggregates for run in runs)
        },
        folder=None,
        repetitions=tuple(runs),
    )


def _parts(name: str) -> list[str]:
    """Cut a name into words and numbers by turns, so that run 10 comes after run 9."""
    words, numbers = _NUMBER.split(name), _NUMBER.findall(name)
    return [part for pair in zip(words, [*numbers, ""], strict=True) for part in pair]


def _folder(run: RunResult) -> Path:
    if run.folder is None:
        raise StoreError(f"{run.name}: is not read from a folder, and has no scores")
    return run.folder


def _refuse_other_runs(first: RunResult, other: RunResult) -> None:
    """Refuse a run that is not one of the same model on the same data, scored alike."""

    def refuse(what: str) -> None:
        raise ConfigurationError(
            f"{other.folder}: is not another run of what {first.folder} is one of: {what}; repeated runs are of one "
            "model, and differ in the seed alone"
        )

    if set(first.tasks) != set(other.tasks):
        refuse(f"its tasks are {', '.join(other.tasks)}, there {', '.join(first.tasks)}")
    records = [read_json(_folder(run) / PROVENANCE) for run in (first, other)]
    models = [_without_seed(recorded_models(record).get("model", {})) for record in records]
    for key in sorted({*models[0], *models[1]}):
        if models[0].get(key) != models[1].get(key):
            refuse(f"the model's {key} is {models[1].get(key)}, there {models[0].get(key)}")
    for name, task in first.tasks.items():
        data = [Fields(PROVENANCE, record).mappings("data").get(name, {}) for record in records]
        if data[0].get("fingerprint") != data[1].get("fingerprint"):
            refuse(f"the data of {name} are others")
        for key, metric in task.metrics.items():
            again = other.tasks[name].metrics.get(key)
            if again is None:
                refuse(f"{name} was not scored by {key}")
            elif (field := _differing_field(metric, again)) is not None:
                refuse(f"{name}: {field}")


def _differing_field(metric: MetricResult, other: MetricResult) -> str | None:
    for field in dict.fromkeys((*metric.recipe, *other.recipe)):
        if metric.recipe.get(field) != other.recipe.get(field):
            return f"{field} is {other.recipe.get(field)}, there {metric.recipe.get(field)}"
    if (metric.function, *metric.statistics) != (other.function, *other.statistics):
        return f"{metric.name} is computed otherwise"
    return None


def _without_seed(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model is but for its seed, and for what a server says of itself at one time and not at another."""
    generation = fingerprint.get("generation")
    inner = {"generation": _without_seed(generation)} if isinstance(generation, Mapping) else {}
    kept = {key: value for key, value in fingerprint.items() if key not in (_SEED, SERVER_SAYS, "generation")}
    return kept | {key: value for key, value in inner.items() if value}


class _Joiner:
    """One task in several runs."""

    def __init__(self, tasks: Sequence[TaskResult], folders: Sequence[Path]) -> None:
        self._tasks = tasks
        self._files = [ScoresFile(path / each.name, each.digest) for path, each in zip(folders, tasks, strict=True)]
        self._found: dict[str, RepeatedValue | None] = {}
        rows = [list(file.rows(["id", "status", "groups"])) for file in self._files]
        counted = [[row for row in each if row["status"] != "skipped"] for each in rows]
        for path, each in zip(folders[1:], counted[1:], strict=True):
            if [row["id"] for row in each] != [row["id"] for row in counted[0]]:
                raise ConfigurationError(
                    f"{path / tasks[0].name}: other samples count than in {folders[0]}; repeated runs are of the same"
                )
        self._groups = [row["groups"] for row in counted[0]]
        self._clusters = self._files[0].clusters(tasks[0].resampled)

    @property
    def scale(self) -> float:
        """By what the headline metric is multiplied to be in its unit."""
        return self._tasks[0].metric.scale

    def headline(self) -> RepeatedValue | None:
        """Return what is known of the headline metric, before scaling; None if it has no value."""
        key = self._tasks[0].headline
        if key not in self._found:
            self._metric(key)
        return self._found[key]

    def task(self) -> TaskResult:
        """Return the task with the means over the runs."""
        first = self._tasks[0]
        # Of runs that failed differently, the counts of the one that failed most.
        samples = max((task.samples for task in self._tasks), key=lambda counts: (counts.failed, counts.empty))
        return replace(
            first,
            samples=samples,
            partial=any(task.partial for task in self._tasks),
            metrics={key: self._metric(key) for key in first.metrics},
            groups={
                name: {label: replace(part, metrics=self._part(name, label, part)) for label, part in parts.items()}
                for name, parts in first.groups.items()
            },
            replicates=None,
        )

    def _metric(self, key: str) -> MetricResult:
        metrics = [task.metrics[key] for task in self._tasks]
        found = self._repeated(key, slice(None))
        self._found[key] = found
        return _joined(metrics, found)

    def _part(self, name: str, label: str, part: GroupResult) -> dict[str, MetricResult]:
        chosen = np.array([json.loads(groups).get(name) == label for groups in self._groups])
        return {key: _joined([part.metrics[key]], self._repeated(key, chosen)) for key in part.metrics}

    def _repeated(self, key: str, chosen: Any) -> RepeatedValue | None:
        metric = self._tasks[0].metrics[key]
        names = tuple(metric.statistics)
        runs = np.stack([file.statistics(key, names)[chosen] for file in self._files])
        if not runs.shape[1]:
            return None
        clusters = None if self._clusters is None else np.array(self._clusters, dtype=object)[chosen].tolist()
        return repeated_runs(
            runs, get_metric_function(metric.function), clusters=clusters, resamples=_RESAMPLES, level=metric.level
        )


def _joined(metrics: Sequence[MetricResult], found: RepeatedValue | None) -> MetricResult:
    """Return a metric with what several runs make of it, in the unit that is printed."""
    first = metrics[0]
    if found is None:
        return replace(first, value=None, interval=None, standard_error=None)
    scale = first.scale
    values = tuple(finite_in_unit(value, scale) for value in found.values)
    known = [value for value in values if value is not None]
    ends = [finite_in_unit(end, scale) for end in found.interval]
    return replace(
        first,
        value=mean_in_unit(known) if len(known) == len(values) else None,
        interval=None if ends[0] is None or ends[1] is None else (ends[0], ends[1]),
        standard_error=finite_in_unit(found.standard_error, scale),
        statistics={name: sum(each.statistics[name] for each in metrics) / len(metrics) for name in first.statistics},
        spread=RunSpread(values, finite_in_unit(found.deviation, scale), finite_in_unit(found.sampling_error, scale)),
    )


def _aggregate(first: Aggregate, runs: Sequence[Aggregate], joiners: Mapping[str, _Joiner]) -> Aggregate:
    """Return an average over tasks with what several runs make of it."""
    values = tuple(each.metric.value for each in runs)
    known = [value for value in values if value is not None]
    members = [(joiners[name].headline(), joiners[name].scale) for name in first.members if name in joiners]
    variances = [
        ((found.standard_error * scale / len(first.members)) ** 2, found.degrees_of_freedom)
        for found, scale in members
        if found is not None
    ]
    parts = [(variance, variance**2 / degrees) for variance, degrees in variances]
    if len(known) < len(values) or len(parts) < len(first.members):
        return replace(first, metric=replace(first.metric, interval=None, standard_error=None))
    value = mean_in_unit(known)
    error, degrees = combined_error(parts)
    interval = student_interval(value, error, degrees, first.metric.level)
    sampling = math.sqrt(
        sum((found.sampling_error * scale / len(first.members)) ** 2 for found, scale in members if found is not None)
    )
    metric = replace(
        first.metric,
        value=value,
        interval=(interval.low, interval.high) if math.isfinite(interval.low) else None,
        standard_error=error if math.isfinite(error) else None,
        spread=RunSpread(values, float(np.std(known, ddof=1)), sampling if math.isfinite(sampling) else None),
    )
    return replace(first, metric=metric)
