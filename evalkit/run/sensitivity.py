"""Scoring a run's stored answers under every scheme, side by side; nothing is written and nobody is asked."""

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.chain import Score
from evalkit.errors import ConfigurationError, StoreError
from evalkit.inference.replay import outcome_of
from evalkit.metrics.error_rate import STATISTICS, align
from evalkit.metrics.functions import get_metric_function
from evalkit.metrics.metric import Metric
from evalkit.metrics.resampling import BootstrapSettings, bootstrap
from evalkit.results.certainty import finite_in_unit
from evalkit.results.differences import interval_in_unit, measured_difference
from evalkit.results.metrics_file import read_run
from evalkit.results.responses import ResponseStore
from evalkit.results.scores import ScoresFile
from evalkit.results.sensitivity import ChangedSample, ErrorChange, SchemeFigure, Sensitivity, TaskSensitivity
from evalkit.results.task_result import TaskResult
from evalkit.run.stored import read_stored_config, stored_statistics, stored_tasks
from evalkit.task import Task
from evalkit.text.units import mixed_tokens
from evalkit.types import Sample

_TEXTS = ("reference_normalised", "hypothesis_normalised")
_REASONS_EITHER_WAY = 3
_EXAMPLES = 3
# The errors of answers without end would take minutes to align, and explain nothing.
_MOST_UNITS_ALIGNED = 2_000


def sensitivity(path: str | Path, tasks: Sequence[str] = (), allow: Sequence[str] = ()) -> Sensitivity:
    """Score a run's stored answers under every scheme that its tasks know, and compare each with the headline's.

    Args:
        path: the run folder, which is left as it is.
        tasks: names of those wanted; empty for all that are scored by a scheme.
        allow: packages of the user's own whose task classes may be made.

    Raises:
        StoreError: the folder is not that of a run, or is damaged.
        ConfigurationError: the run has no such task, or none that is scored by a scheme.
    """
    path = Path(path)
    run, config = read_run(path), read_stored_config(path)
    for name in tasks:
        if name not in run.tasks:
            raise ConfigurationError(f"{path}: has no task '{name}' (there are {', '.join(run.tasks) or 'none'})")
    settings = stored_statistics(config, path)
    found = []
    for task in stored_tasks(config, tasks or run.tasks, allow):
        result = run.tasks[task.name]
        schemes = task.known_schemes() if result.not_applicable is None else ()
        if len(schemes) > 1:
            variants = [_with_scheme(config, task.name, scheme, allow) for scheme in schemes]
            found.append(_task(path / task.name, result, variants, settings))
    if not found:
        raise ConfigurationError(f"{path}: none of its tasks is scored by a scheme of normalisation")
    return Sensitivity(run.name, run.model, settings.level, tuple(found))


def _with_scheme(config: Mapping[str, Any], name: str, scheme: str, allow: Sequence[str]) -> Task:
    """Make a task of a stored run that is scored by one scheme alone."""
    changed = {**config, "tasks": {name: {**config["tasks"][name], "schemes": [scheme]}}}
    (task,) = stored_tasks(changed, [name], allow)
    return task


@dataclass(frozen=True, slots=True)
class _Scored:
    """A task's samples under one scheme.

    Attributes:
        metric: the headline of the scheme.
        statistics: samples × k.
        texts: reference and answer as the scheme has them, by row; of samples that some scheme counts otherwise alone.
    """

    metric: Metric
    statistics: npt.NDArray[np.float64]
    texts: Mapping[int, tuple[str, str]]


def _task(folder: Path, result: TaskResult, variants: Sequence[Task], settings: BootstrapSettings) -> TaskSensitivity:
    scores = ScoresFile(folder, result.digest)
    ids, (headline, *others) = _scored(folder, scores, variants)
    comparer = _Comparer(ids, headline, scores.clusters(result.resampled), settings)
    return TaskSensitivity(
        task=result.name,
        title=result.title,
        unit=headline.metric.unit,
        decimals=headline.metric.decimals,
        samples=len(ids),
        figures=(comparer.headline(), *(comparer.other(each) for each in others)),
    )


def _scored(folder: Path, scores: ScoresFile, variants: Sequence[Task]) -> tuple[list[str], list[_Scored]]:
    """Score the samples that count under every scheme, one after the other, and return their ids and what was found."""
    headlines = [next(iter(task.metrics.items())) for task in variants]
    ids: list[str] = []
    statistics = [array("d") for _ in variants]
    texts: list[dict[int, tuple[str, str]]] = [{} for _ in variants]
    with ResponseStore(folder, writable=False) as store:
        for row, sample in enumerate(sample for sample, status, _ in scores.samples() if status != "skipped"):
            ids.append(sample.id)
            found = [_score(task, store, sample) for task in variants]
            vectors = [[*map(float, score.statistics[key])] for score, (key, _) in zip(found, headlines, strict=True)]
            for gathered, vector in zip(statistics, vectors, strict=True):
                gathered.extend(vector)
            if any(vector != vectors[0] for vector in vectors):
                for kept, score in zip(texts, found, strict=True):
                    kept[row] = score.details.get(_TEXTS[0], ""), score.details.get(_TEXTS[1], "")
    return ids, [
        _Scored(metric, np.frombuffer(values, dtype=np.float64).reshape(-1, len(metric.statistics)), kept)
        for (_, metric), values, kept in zip(headlines, statistics, texts, strict=True)
    ]


def _score(task: Task, store: ResponseStore, sample: Sample) -> Score:
    score = outcome_of(task, store, sample).score
    if score is None:
        raise StoreError(f"task {task.name}: sample {sample.id} has a response and no score; run the task again")
    return score


class _Comparer:
    """Compares other schemes with that of the headline."""

    def __init__(
        self, ids: Sequence[str], headline: _Scored, clusters: Sequence[str] | None, settings: BootstrapSettings
    ) -> None:
        self._ids = ids
        self._headline = headline
        self._clusters = clusters
        self._settings = settings

    def headline(self) -> SchemeFigure:
        """Return the figure that the others are compared with."""
        return self._figure(self._headline)

    def other(self, scored: _Scored) -> SchemeFigure:
        """Return the figure under another scheme, and why it is another."""
        figure, base = self._figure(scored), self._headline
        changed = np.flatnonzero((scored.statistics != base.statistics).any(axis=1)).tolist()
        if scored.metric.function != base.metric.function or figure.value is None or not len(self._ids):
            return figure
        found = measured_difference(
            base.statistics,
            scored.statistics,
            scored.metric.function,
            scored.metric.scale,
            self._clusters,
            self._settings,
        )
        return SchemeFigure(
            scheme=figure.scheme,
            metric=figure.metric,
            value=figure.value,
            interval=figure.interval,
            difference=found.difference,
            # Of a change that no sample shows, how many others might is all that an interval could be of.
            difference_interval=found.interval if changed else None,
            changed=len(changed),
            reasons=tuple(self._reasons(scored, changed)),
            examples=tuple(self._examples(scored, changed)),
        )

    def _figure(self, scored: _Scored) -> SchemeFigure:
        metric, statistics = scored.metric, scored.statistics
        value, interval = None, None
        if len(statistics):
            value = finite_in_unit(metric.value(statistics.sum(axis=0)), metric.scale)
            settings = self._settings
            drawn = bootstrap(
                statistics,
                get_metric_function(metric.function),
                resamples=settings.resamples,
                level=settings.level,
                seed=settings.seed,
                clusters=self._clusters,
            )
            interval = interval_in_unit(drawn, metric.scale)
        return SchemeFigure(metric.recipe.get("normaliser", ""), metric.name, value, interval)

    def _reasons(self, scored: _Scored, changed: Sequence[int]) -> Iterator[ErrorChange]:
        """Yield the commonest errors of samples that change which one of the two schemes counts alone."""
        if scored.metric.statistics != STATISTICS:
            return
        counted: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
        first: dict[tuple[bool, str], str] = {}
        for row in changed:
            before, after = _errors(self._headline, row), _errors(scored, row)
            for forgiven, alone in ((True, before - after), (False, after - before)):
                for error in alone:
                    counted[forgiven][error] += 1
                    first.setdefault((forgiven, error), self._ids[row])
        # What one sample shows may be but a matter of its alignment.
        fewest = min(2, max((samples for errors in counted.values() for samples in errors.values()), default=0))
        for forgiven, errors in counted.items():
            commonest = errors.most_common(_REASONS_EITHER_WAY)
            for error, samples in (each for each in commonest if each[1] >= fewest):
                yield ErrorChange(error, forgiven, samples, first[forgiven, error])

    def _examples(self, scored: _Scored, changed: Sequence[int]) -> Iterator[ChangedSample]:
        """Yield the samples that move the figure most."""
        base, function, scale = self._headline, get_metric_function(scored.metric.function), scored.metric.scale
        total = base.statistics.sum(axis=0)
        before = function(total)
        effects = {
            row: (function(total + scored.statistics[row] - base.statistics[row]) - before) * scale for row in changed
        }
        finite = [row for row, effect in effects.items() if math.isfinite(effect)]
        for row in sorted(finite, key=lambda each: (-abs(effects[each]), each))[:_EXAMPLES]:
            yield ChangedSample(self._ids[row], effects[row], base.texts[row], scored.texts[row])


def _errors(scored: _Scored, row: int) -> Counter[str]:
    """Count the errors of a sample, each as ``expected → found``."""
    reference, hypothesis = (_units(text, scored.metric.recipe.get("unit", "")) for text in scored.texts[row])
    steps = align(reference[:_MOST_UNITS_ALIGNED], hypothesis[:_MOST_UNITS_ALIGNED])
    return Counter(
        f"{step.reference or '(nothing)'} → {step.hypothesis or '(nothing)'}"
        for step in steps
        if step.operation != "equal"
    )


def _units(text: str, unit: str) -> Sequence[str]:
    """Cut a normalised text into what is counted."""
    if unit == "token":
        return mixed_tokens(text)
    return text.split() if unit == "word" else [character for character in text if not character.isspace()]
