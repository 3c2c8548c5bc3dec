"""From stored responses to per-sample statistics, figures and intervals. No inference happens here."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.chain import Outcome
from evalkit.errors import ConfigurationError, DataError, StoreError
from evalkit.metrics.metric import COUNTS, Metric, Statistics, recipe_line
from evalkit.metrics.resampling import bootstrap_values, percentile_interval
from evalkit.task import Task
from evalkit.types import Response, Sample

_ROWS_AT_ONCE = 2_000
_MOST_GROUPS_BROKEN_DOWN = 50


@dataclass(frozen=True, slots=True)
class BootstrapSettings:
    """How intervals are made: their level, the number of resamples, and the seed."""

    level: float = 0.95
    resamples: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ConfigurationError(f"statistics.level is {self.level}; it must lie between 0 and 1, such as 0.95")
        if self.resamples < 1:
            raise ConfigurationError(f"statistics.resamples is {self.resamples}; it must be at least 1")


@dataclass(slots=True)
class _Tally:
    """What accumulates while a task is scored: counts, statistics and group labels of the samples that count."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*COUNTS, "empty"), 0))
    statistics: dict[str, list[tuple[float, ...]]] = field(default_factory=dict)
    groups: list[Mapping[str, str]] = field(default_factory=list)
    languages: set[str] = field(default_factory=set)
    reasons: set[str] = field(default_factory=set)


class TaskScorer:
    """Counts how the samples of a task ended, and keeps their statistics.

    Args:
        task: the benchmark.
        folder: the task's folder in the run folder.
        settings: how intervals are made.
        models: what people call the model of each role; a figure says which transcriber and judge had a part in it.
        partial: True if the samples are known to be only a part of the data set.
    """

    def __init__(
        self,
        task: Task,
        folder: Path,
        settings: BootstrapSettings,
        *,
        models: Mapping[str, str],
        partial: bool = False,
    ) -> None:
        self._task = task
        self._folder = folder
        self._settings = settings
        self._models = models
        self._partial = partial
        self._tally = _Tally(statistics={key: [] for key in task.metrics})
        self._rows: list[dict[str, Any]] = []

    def add(self, outcome: Outcome) -> None:
        """Count one sample; samples come in the order of the data set."""
        self._rows.append(_row(self._task, outcome, self._tally))

    def finish(self) -> dict[str, Any]:
        """Write ``scores.parquet`` and return the task's entry of ``metrics.json``."""
        _write_parquet(self._folder / "scores.parquet", self._task, iter(self._rows))
        return _entry(self._task, self._tally, self._settings, self._models, self._partial)

    def close(self) -> None:
        """Drop scores that were not finished."""


def score_task(
    task: Task,
    outcomes: Iterable[Outcome],
    folder: Path,
    bootstrap: BootstrapSettings,
    *,
    titles: Mapping[str, str] | None = None,
    partial: bool = False,
) -> dict[str, Any]:
    """Score all outcomes of a task at once; see ``TaskScorer`` for the arguments."""
    scorer = TaskScorer(task, folder, bootstrap, models=titles or {}, partial=partial)
    for outcome in outcomes:
        scorer.add(outcome)
    return scorer.finish()


def _entry(
    task: Task, tally: _Tally, bootstrap: BootstrapSettings, titles: Mapping[str, str], partial: bool
) -> dict[str, Any]:
    counts = tally.counts
    total = sum(counts[status] for status in COUNTS)
    arrays = {
        key: np.asarray(rows, dtype=np.float64).reshape(len(rows), len(task.metrics[key].statistics))
        for key, rows in tally.statistics.items()
    }
    helpers = {role: titles.get(role, "not named") for role in task.roles if role != "model"}
    counted = {status: counts[status] for status in COUNTS}
    all_skipped = total > 0 and counts["skipped"] == total
    return {
        "title": task.title,
        "table": task.place.to_json(),
        "samples": {"expected": task.expected_samples, "total": total, **counts},
        "partial": partial or (task.expected_samples is not None and total < task.expected_samples),
        "not_applicable": "; ".join(sorted(tally.reasons)) if all_skipped else None,
        "headline": next(iter(task.metrics)),
        "metrics": {
            key: _figure(
                metric, arrays[key], bootstrap, {**task.mixed_recipe(key, tally.languages), **helpers, **counted}
            )
            for key, metric in task.metrics.items()
        },
        "groups": _by_group(task, arrays, tally.groups, bootstrap),
    }


def _row(task: Task, outcome: Outcome, tally: _Tally) -> dict[str, Any]:
    sample, status, score = outcome.sample, outcome.status, outcome.score
    reason = None if outcome.reason is None else outcome.reason.message
    good = [exchange.response for exchange in outcome.exchanges if not exchange.response.failed]
    tally.counts[status] += 1
    row: dict[str, Any] = {
        **sample.to_json(),
        "status": status,
        "reason": reason,
        "responses": [response.text for response in good],
    }
    if score is None:
        tally.reasons.add(str(reason))
        return row
    # An empty answer is a good response and may be right, for silence; the count lets the reader judge.
    tally.counts["empty"] += status == "scored" and not any(_says_something(response) for response in good)
    tally.groups.append(sample.groups)
    if sample.language is not None:
        tally.languages.add(sample.language)
    for key, metric in task.metrics.items():
        vector = tuple(score.statistics[key])
        tally.statistics[key].append(vector)
        row |= {f"{key}.{name}": value for name, value in zip(metric.statistics, vector, strict=True)}
    return row | dict(score.details)


def _says_something(response: Response) -> bool:
    return bool(response.text.strip() or response.tool_calls or response.speech is not None)


def _figure(
    metric: Metric, statistics: Statistics, settings: BootstrapSettings, further: Mapping[str, Any]
) -> dict[str, Any]:
    figure: dict[str, Any] = {"name": metric.name, "value": None, "interval": None, "level": settings.level}
    figure["standard_error"] = None
    if len(statistics):
        values = bootstrap_values(statistics, metric.value, resamples=settings.resamples, seed=settings.seed)
        interval = percentile_interval(values, settings.level)
        figure["value"] = _finite(metric.value(statistics.sum(axis=0)))
        figure["interval"] = [_finite(interval.low), _finite(interval.high)]
        if None not in figure["interval"]:
            # Where an interval can be given, the few resamples that leave the figure undefined do not count.
            figure["standard_error"] = _finite(float(np.nanstd(values, ddof=1)))
    totals = statistics.sum(axis=0)
    return figure | {
        "unit": metric.unit,
        "higher_is_better": metric.higher_is_better,
        "statistics": {name: _whole(total) for name, total in zip(metric.statistics, totals, strict=True)},
        "recipe": recipe_line(metric, further),
    }


def _by_group(
    task: Task, arrays: Mapping[str, Statistics], groups: list[Mapping[str, str]], settings: BootstrapSettings
) -> dict[str, Any]:
    """Figures for each value of each group, where the values are few enough to be read."""
    tables: dict[str, Any] = {}
    for name in sorted({name for labels in groups for name in labels}):
        labels = np.array([sample.get(name, "") for sample in groups])
        values = sorted(set(labels.tolist()) - {""})
        if len(values) > _MOST_GROUPS_BROKEN_DOWN:
            continue
        tables[name] = {}
        for value in values:
            chosen = labels == value
            figures = {key: _figure(metric, arrays[key][chosen], settings, {}) for key, metric in task.metrics.items()}
            tables[name][value] = {
                "samples": int(chosen.sum()),
                "metrics": {
                    key: {part: figure[part] for part in ("name", "value", "interval", "standard_error")}
                    for key, figure in figures.items()
                },
            }
    return tables


def _finite(number: float) -> float | None:
    """JSON knows no infinity and no NaN."""
    return float(number) if math.isfinite(number) else None


def _whole(number: float) -> float | int:
    """Most statistics are counts, and are written as such."""
    return int(number) if float(number).is_integer() else float(number)


def _write_parquet(path: Path, task: Task, rows: Iterator[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    text, texts = pa.string(), pa.list_(pa.string())
    columns = {
        "id": text,
        "status": text,
        "reason": text,
        "language": text,
        "audio": text,
        "references": texts,
    }
    columns |= {"responses": texts, "groups": text, "metadata": text}
    columns |= dict.fromkeys(task.details, text)
    columns |= {f"{key}.{name}": pa.float64() for key, metric in task.metrics.items() for name in metric.statistics}
    schema = pa.schema(list(columns.items()))
    unfinished = path.with_suffix(".unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pyarrow.parquet.ParquetWriter(unfinished, schema) as writer:
            batch: list[dict[str, Any]] = []
            for row in rows:
                batch.append(row | {name: _json(row[name]) if row[name] else "{}" for name in _JSON_COLUMNS})
                if len(batch) == _ROWS_AT_ONCE:
                    writer.write_table(_table(batch, schema))
                    batch.clear()
            writer.write_table(_table(batch, schema))
        unfinished.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror or error})") from error


def _table(rows: list[dict[str, Any]], schema: Any) -> Any:
    import pyarrow as pa

    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except UnicodeEncodeError:  # a model may answer with half of a surrogate pair, which Parquet cannot hold
        return pa.Table.from_pylist([_encodable(row) for row in rows], schema=schema)


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {key: _encodable(item) for key, item in value.items()}
    return value


_JSON_COLUMNS = ("audio", "groups", "metadata")
_json = json.JSONEncoder(ensure_ascii=False).encode


def stored_samples(path: Path) -> Iterator[tuple[Sample, str, str | None]]:
    """The samples of a scored task with their status and its reason, read back from ``scores.parquet``."""
    import pyarrow.parquet

    if not path.is_file():
        raise DataError(f"{path}: not there; the run has not finished this task, run it again first")
    columns = ["id", "status", "reason", "language", "references", *_JSON_COLUMNS]
    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns):
            for row in batch.to_pylist():
                record = row | {name: json.loads(row[name]) for name in _JSON_COLUMNS}
                yield Sample.from_json(record), row["status"], row["reason"]
