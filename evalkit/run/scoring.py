"""From outcomes to per-sample statistics, values and intervals. No inference happens here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from evalkit.chain import Outcome
from evalkit.errors import ConfigurationError
from evalkit.metrics.functions import get_metric_function
from evalkit.metrics.metric import Metric, Statistics
from evalkit.metrics.resampling import BootstrapSettings, SamplingDistribution, sampling_distribution
from evalkit.results.certainty import finite_in_unit, interval_and_error
from evalkit.results.score_rows import ScoreRows
from evalkit.results.scores import ScoreWriter
from evalkit.results.task_result import (
    FailureReason,
    GroupResult,
    MetricResult,
    ModelIdentity,
    SampleCounts,
    TaskResult,
)
from evalkit.run.sample_labels import Drawn
from evalkit.run.tally import Tally
from evalkit.task import Task

_MOST_GROUPS_BROKEN_DOWN = 50
_COUNTED = ("scored", "failed", "skipped", "empty", "audio_cut", "audio_split")


@dataclass(frozen=True, slots=True)
class ScoredChunk:
    """Samples of a task that were scored apart from those before them.

    Attributes:
        tally: what was gathered of them.
        rows: of their scores.
    """

    tally: Tally
    rows: ScoreRows


class TaskScorer:
    """Counts how the samples of a task ended, keeps their statistics, and writes ``scores.parquet`` as it goes.

    A failed sample counts with the score of what was answered; a skipped one is counted and left out of the values. The
    new scores take effect when the run with the result is published (``evalkit.results.publication.publish``).

    Args:
        task: the benchmark.
        folder: the task's folder in the run folder.
        settings: how intervals are made.
        models: who fills each role beside the model under test, at the latest when the scores are finished; those that
            no sample was put to are left aside, for the values do not depend on them.
        partial: True if the samples are known to be only a part of the data set.

    Raises:
        StoreError: the scores cannot be written; likewise from ``add`` and ``finish``.
    """

    def __init__(
        self,
        task: Task,
        folder: Path,
        settings: BootstrapSettings,
        *,
        models: Mapping[str, ModelIdentity],
        partial: bool = False,
    ) -> None:
        self._task = task
        self._settings = settings
        self._partial = partial
        self._known = models
        self._models: Mapping[str, ModelIdentity] = {}
        self._tally = Tally(task.metrics)
        self._writer = ScoreWriter(folder, task.metrics, task.details)

    def add(self, outcome: Outcome) -> None:
        """Count one sample; samples come in the order of the data set."""
        self._writer.add(outcome)
        self._tally.add(outcome)

    def add_chunk(self, chunk: ScoredChunk) -> None:
        """Count the samples of the next chunk: ``ROWS_AT_ONCE``, or the last ones."""
        self._writer.write(chunk.rows)
        self._tally.extend(chunk.tally)

    def finish(self) -> TaskResult:
        """Complete the scores and return what was measured.

        Raises:
            ConfigurationError: the samples have no field of the name by which they shall be drawn.
        """
        task, tally, counts = self._task, self._tally, self._tally.counts
        known = self._known
        asked = [role for role in task.roles if role != "model" and role in tally.asked]
        self._models = {role: known[role] for role in asked if role in known}
        resampled = self._resampled()
        drawn = tally.labels.drawn(resampled)
        digest = self._writer.finish()
        total = sum(counts[status] for status in ("scored", "failed", "skipped"))
        all_skipped = total > 0 and counts["skipped"] == total
        arrays = {
            key: np.frombuffer(values, dtype=np.float64).reshape(-1, len(task.metrics[key].statistics))
            for key, values in tally.statistics.items()
        }
        headline = next(iter(task.metrics))
        distributions = {key: self._distribution(metric, arrays[key], drawn) for key, metric in task.metrics.items()}
        of_headline = distributions[headline]
        return TaskResult(
            name=task.name,
            title=task.title,
            place=task.place,
            samples=SampleCounts(task.expected_samples, total, *(counts[each] for each in _COUNTED)),
            partial=self._partial or (task.expected_samples is not None and total < task.expected_samples),
            not_applicable="; ".join(sorted(map(_printable, tally.skipped))) if all_skipped else None,
            headline=headline,
            compared=tuple(task.compared) or (headline,),
            metrics={key: self._result(key, arrays[key], distributions[key]) for key in task.metrics},
            groups=self._by_group(arrays, drawn),
            models=self._models,
            failures=self._failures(),
            digest=digest,
            resampled=resampled,
            clusters=0 if drawn is None else len(np.unique(drawn)),
            replicates=None if of_headline is None else of_headline.replicates,
        )

    def close(self) -> None:
        """Drop scores that were not finished."""
        self._writer.close()

    def __enter__(self) -> "TaskScorer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _failures(self) -> tuple[FailureReason, ...]:
        reasons = sorted(self._tally.failed.items(), key=lambda each: (-each[1], each[0]))
        return tuple(
            FailureReason(kind, count, *map(_printable, self._tally.examples[kind])) for kind, count in reasons
        )

    def _resampled(self) -> str:
        """Return by which field the samples are clustered for intervals, or ``sample``."""
        try:
            return self._tally.labels.drawn_field(self._settings.cluster)
        except ConfigurationError as error:
            raise ConfigurationError(f"task {self._task.name}: {error}") from error

    def _distribution(self, metric: Metric, statistics: Statistics, drawn: Drawn | None) -> SamplingDistribution | None:
        if not len(statistics):
            return None
        settings, labels = self._settings, None if drawn is None else drawn.tolist()
        function = get_metric_function(metric.function)
        return sampling_distribution(
            statistics, function, clusters=labels, resamples=settings.resamples, seed=settings.seed
        )

    def _result(self, key: str, statistics: Statistics, distribution: SamplingDistribution | None) -> MetricResult:
        metric = self._task.metrics[key]
        totals = statistics.sum(axis=0)
        models = {role: model.fingerprint for role, model in self._models.items()}
        return MetricResult(
            name=metric.name,
            value=finite_in_unit(metric.value(totals), metric.scale) if len(statistics) else None,
            **interval_and_error(distribution, self._settings.level, metric.scale)._asdict(),
            level=self._settings.level,
            unit=metric.unit,
            scale=metric.scale,
            decimals=metric.decimals,
            higher_is_better=metric.higher_is_better,
            function=metric.function,
            statistics={name: _whole(total) for name, total in zip(metric.statistics, totals, strict=True)},
            recipe={**metric.full_recipe, **self._task.mixed_recipe(key, self._tally.languages), **models},
        )

    def _by_group(self, arrays: Mapping[str, Statistics], drawn: Drawn | None) -> dict[str, dict[str, GroupResult]]:
        """Measure the samples of each label of each group, where the labels are few enough to be read."""
        tables: dict[str, dict[str, GroupResult]] = {}
        for name, labels in self._tally.labels.groups():
            values = sorted(set(labels.tolist()) - {""})
            if len(values) > _MOST_GROUPS_BROKEN_DOWN:
                continue
            # What is said of one speaker alone depends on the samples drawn of that speaker, and on no other.
            units = None if self._tally.labels.clusters_by(name) else drawn
            tables[_printable(name)] = {
                _printable(value): self._group(arrays, labels == value, units) for value in values
            }
        return tables

    def _group(
        self, arrays: Mapping[str, Statistics], chosen: npt.NDArray[np.bool_], drawn: Drawn | None
    ) -> GroupResult:
        metrics = {}
        for key, metric in self._task.metrics.items():
            statistics = arrays[key][chosen]
            units = None if drawn is None else drawn[chosen]
            metrics[key] = self._result(key, statistics, self._distribution(metric, statistics, units))
        return GroupResult(int(chosen.sum()), metrics)


def score_task(
    task: Task,
    outcomes: Iterable[Outcome],
    folder: Path,
    settings: BootstrapSettings,
    *,
    models: Mapping[str, ModelIdentity] | None = None,
    partial: bool = False,
) -> TaskResult:
    """Score all outcomes of a task at once; see ``TaskScorer`` for the arguments."""
    with TaskScorer(task, folder, settings, models=models or {}, partial=partial) as scorer:
        for outcome in outcomes:
            scorer.add(outcome)
        return scorer.finish()


def _whole(number: float) -> float | int:
    """Return a whole number as an int: most statistics are counts, and are written as such."""
    return int(number) if float(number).is_integer() else float(number)


def _printable(text: str) -> str:
    """Replace half surrogate pairs, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
