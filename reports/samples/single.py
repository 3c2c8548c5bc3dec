"""One sample of a run by its path ``RUN/TASK/SAMPLE``: what was asked, what was answered, and what it counts."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rapidfuzz import process

from evalkit.errors import ConfigurationError, StoreError
from evalkit.hints import hint
from evalkit.metrics.error_rate import STATISTICS
from evalkit.metrics.functions import get_metric_function
from evalkit.metrics.metric import in_unit
from evalkit.results.metrics_file import FILE_NAME, RunResult, read_run
from evalkit.results.scores import ScoresFile
from evalkit.results.task_result import MetricResult, TaskResult
from reports.samples.schemes import schemes_of
from reports.samples.utterances import Utterance, utterance_of

_SHOWN_IDS = 3
_DAMAGED = (TypeError, ValueError, KeyError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class SampleMetric:
    """What a sample counts in one metric.

    Attributes:
        metric: as the task has it.
        statistics: of the sample, by name.
        value: the metric over this sample alone, in the unit printed; None where it is undefined.
    """

    metric: MetricResult
    statistics: Mapping[str, float]
    value: float | None


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """All that a run has of one sample.

    Attributes:
        run: as read from its folder.
        task: the sample's.
        id: of the sample.
        status: ``scored``, ``failed`` or ``skipped``.
        reason: why it failed or was skipped; else empty.
        audio: the name and the duration in seconds, if known, of each recording.
        facts: its language, groups and metadata, by name.
        references: the accepted answers.
        responses: of every role in the order of the calls, as ``scores.parquet`` has them.
        details: the texts with which the task explains its scores, by name.
        metrics: what it counts, by key; empty if it was skipped.
        utterance: its alignment; None where the task aligns no texts.
    """

    run: RunResult
    task: TaskResult
    id: str
    status: str
    reason: str
    audio: tuple[tuple[str, float | None], ...]
    facts: Mapping[str, Any]
    references: tuple[str, ...]
    responses: tuple[Mapping[str, Any], ...]
    details: Mapping[str, str]
    metrics: Mapping[str, SampleMetric]
    utterance: Utterance | None


def sample_of_path(path: str) -> SampleRecord:
    """Read the sample that a path ``RUN/TASK/SAMPLE`` names; ids of samples may have slashes themselves.

    Raises:
        ConfigurationError: there is no such run, task or sample; names those that are nearest.
        StoreError: the run cannot be read.
    """
    parts = path.split("/")
    for position in range(1, len(parts) + 1):
        folder = Path("/".join(parts[:position]) or "/")
        if (folder / FILE_NAME).is_file():
            task, _, sample = "/".join(parts[position:]).partition("/")
            return read_sample(read_run(folder), task, sample)
    raise ConfigurationError(f"{path}: {_no_run(path)}; a sample is named as RUN/TASK/SAMPLE, and a task as task=NAME")


def read_sample(run: RunResult, task: str, sample: str) -> SampleRecord:
    """Read a sample of a run.

    Args:
        run: as read from its folder.
        task: name of the task.
        sample: its id.

    Raises:
        ConfigurationError: there is no such task or sample; names those that are nearest.
        StoreError: the scores cannot be read.
    """
    if task not in run.tasks:
        known = ", ".join(run.tasks) or "none"
        raise ConfigurationError(f"{run.folder}: has no task '{task}'{hint(task, run.tasks)} (there are {known})")
    if run.folder is None:
        raise StoreError(f"{run.name}: is not read from a folder, and has no scores")
    result = run.tasks[task]
    scores = ScoresFile(run.folder / task, result.digest)
    row = scores.row(sample)
    if row is None:
        raise ConfigurationError(f"{run.folder}/{task}: {_no_sample(sample, scores.table(['id'])['id'].to_pylist())}")
    try:
        return _record(run, result, row)
    except _DAMAGED as error:
        raise StoreError(f"{run.folder / task}: its scores cannot be read ({error}); run the task again") from error


def _record(run: RunResult, result: TaskResult, row: Mapping[str, Any]) -> SampleRecord:
    known = {f"{key}.{name}" for key, metric in result.metrics.items() for name in metric.statistics}
    counted = {} if row["status"] == "skipped" else result.metrics
    facts = {"language": row["language"], **json.loads(row["groups"]), **json.loads(row["metadata"])}
    return SampleRecord(
        run=run,
        task=result,
        id=row["id"],
        status=row["status"],
        reason=" ".join(filter(None, (row["reason_kind"], row["reason"]))),
        audio=tuple((str(each["locator"]), each.get("duration")) for each in json.loads(row["audio"])),
        facts={name: value for name, value in facts.items() if value is not None},
        references=tuple(row["references"]),
        responses=tuple(row["responses"]),
        details={name: value for name, value in row.items() if name not in _COLUMNS | known and isinstance(value, str)},
        metrics={key: _metric(key, each, row) for key, each in counted.items()},
        utterance=_utterance(result, row),
    )


_COLUMNS = frozenset(
    "id status reason_kind reason language audio references responses groups metadata clusters".split()
)


def _metric(key: str, metric: MetricResult, row: Mapping[str, Any]) -> SampleMetric:
    statistics = {name: float(row[f"{key}.{name}"]) for name in metric.statistics}
    try:
        value = get_metric_function(metric.function)(_vector(statistics.values()))
    except ConfigurationError:  # a function of somebody's own
        value = math.nan
    return SampleMetric(metric, statistics, in_unit(value, metric.scale) if math.isfinite(value) else None)


def _vector(numbers: Collection[float]) -> Any:
    import numpy as np

    return np.array(list(numbers))


def _utterance(result: TaskResult, row: Mapping[str, Any]) -> Utterance | None:
    """Align the texts of a task of recognition; others have none to align."""
    wanted = ("reference_normalised", "hypothesis_normalised", *(f"{result.headline}.{name}" for name in STATISTICS))
    if row["status"] == "skipped" or any(row.get(name) is None for name in wanted):
        return None
    try:
        return utterance_of(row, result, schemes_of(result))
    except ConfigurationError:  # a scheme that this version does not have
        return None


def _no_sample(sample: str, ids: Sequence[str]) -> str:
    if not sample:
        return f"name one of its {len(ids):,} samples, such as {', '.join(ids[:_SHOWN_IDS]) or 'none'}"
    near = process.extract(sample, ids, limit=_SHOWN_IDS, score_cutoff=60)
    close = f"; near to it are {', '.join(match for match, _, _ in near)}" if near else ""
    return f"has no sample '{sample}'{close}"


def _no_run(path: str) -> str:
    """Say where a path leaves what is there, with the nearest run in that folder."""
    parts = path.split("/")
    folder = Path("/" if path.startswith("/") else ".")
    while len(parts) > 1 and (folder / parts[0]).is_dir():
        folder /= parts.pop(0)
    try:
        runs = [each.parent.name for each in folder.glob(f"*/{FILE_NAME}")]
    except OSError:
        runs = []
    return f"no run '{parts[0]}' in {folder}{hint(parts[0], runs)}"
