"""Run folders as a finished run leaves them, made of a few numbers: values are given as fractions."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from evalkit.metrics.resampling import BootstrapSettings
from evalkit.results.aggregates import with_aggregates
from evalkit.results.metrics_file import RunResult
from evalkit.results.score_rows import columns
from evalkit.results.task_result import TaskResult
from tests.averages import configured_averages

DIGEST = "0" * 32
_SETTINGS = BootstrapSettings()


def metric(value: float | None, *, name: str = "WER", **recipe: str) -> dict[str, Any]:
    """A metric with the interval [0.8 value, 1.25 value] and the standard error value / 10."""
    fields = {"metric": name, "unit": "word", "normaliser": "whisper-en.v1", "averaging": "corpus"}
    return {
        "name": name,
        **_numbers(value),
        "level": 0.95,
        "unit": "%",
        "scale": 100,
        "decimals": 2,
        "higher_is_better": False,
        "function": "ratio",
        "recipe": fields | recipe,
    }


def part(value: float | None, samples: int = 24, metrics: Mapping[str, float | None] | None = None) -> dict[str, Any]:
    """The figures of the samples with one group label: of ``wer``, or of the metrics named."""
    values = metrics or {"wer": value}
    return {"samples": samples, "metrics": {key: _numbers(each) for key, each in values.items()}}


def task(
    benchmark: str, value: float | None, group: str = "Demo", table: str | Mapping[str, str] = "asr", **fields: Any
) -> dict[str, Any]:
    """A task's entry of metrics.json; fields of ``samples`` may be given by name, others replace what is here."""
    samples = {"expected": 24, "total": 24, "scored": 24, "failed": 0, "skipped": 0, "empty": 0}
    samples |= {name: fields.pop(name) for name in samples if name in fields}
    entry = {
        "title": benchmark,
        "place": {"table": table, "group": group, "benchmark": benchmark} if isinstance(table, str) else table,
        "samples": samples,
        "partial": samples["expected"] is not None and samples["total"] < samples["expected"],
        "not_applicable": None,
        "headline": "wer",
        "compared": [],
        "metrics": {"wer": metric(value)},
        "groups": {},
        "models": {},
        "failures": [],
        "digest": DIGEST,
    }
    return entry | fields


def utterance(
    sample: str, reference: str, hypothesis: str, counts: tuple[int, int, int, int] | None, **fields: Any
) -> dict[str, Any]:
    """A row of scores.parquet; the counts are substitutions, deletions, insertions and reference length."""
    names = ("substitutions", "deletions", "insertions", "reference_length")
    return {
        "id": sample,
        "status": "scored",
        "reason_kind": None,
        "reason": None,
        "language": None,
        "audio": json.dumps([{"locator": f"{sample}.flac", "duration": 2.5}]),
        "references": [reference],
        "responses": [{"role": "model", "text": hypothesis}],
        "clusters": "{}",
        "reference_normalised": reference.lower(),
        "hypothesis_normalised": hypothesis.lower(),
        **{f"wer.{name}": count for name, count in zip(names, counts or (None,) * 4, strict=True)},
    } | fields


def write_run(
    parent: Path,
    name: str,
    tasks: Mapping[str, Any],
    *,
    title: str = "Whisper tiny.en",
    utterances: Sequence[Mapping[str, Any]] = (),
    **fields: Any,
) -> Path:
    """Write a run folder with the same utterances for every task, and the averages that the configuration has."""
    folder = parent / name
    rows = list(utterances) or [utterance("u1", "Good morning", "Good evening", (1, 0, 0, 2))]
    for key in tasks:
        (folder / key).mkdir(parents=True)
        write_scores(folder / key, rows)
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "format": 1,
        "evalkit": "0.1.0",
        "name": name,
        "model": {"name": name, "title": title},
        "left_out": {},
        "unfinished": [],
        "tasks": tasks,
        "aggregates": {},
    } | fields
    read = RunResult.from_json(record)
    run = RunResult(**{**_fields(read), "tasks": {key: _with_replicates(each) for key, each in read.tasks.items()}})
    run = with_aggregates(run, configured_averages(), _SETTINGS)
    (folder / "metrics.json").write_text(json.dumps(run.to_json()), encoding="utf-8")
    return folder


def write_scores(folder: Path, rows: Sequence[Mapping[str, Any]], digest: str = DIGEST) -> None:
    """Write a table of scores; columns that a row lacks are null."""
    table = pa.Table.from_pylist([dict(row) for row in rows])
    response = columns({}, ()).field("responses")
    position = table.schema.get_field_index("responses")
    if position >= 0:
        table = table.set_column(position, response, pa.array([row["responses"] for row in rows], type=response.type))
    table = table.replace_schema_metadata({"evalkit.digest": digest})
    pyarrow.parquet.write_table(table, folder / "scores.parquet")


def _numbers(value: float | None) -> dict[str, Any]:
    if value is None:
        return {"value": None, "interval": None, "standard_error": None, "statistics": {}}
    return {
        "value": _per_cent(value),
        "interval": [_per_cent(value * 0.8), _per_cent(value * 1.25)],
        "standard_error": _per_cent(value / 10),
        "statistics": {},
    }


def _per_cent(fraction: float) -> float:
    return round(100 * fraction, 10)


def _with_replicates(result: TaskResult) -> TaskResult:
    """As bootstrapping leaves a result whose replicates are normally distributed."""
    value, error = result.metric.value, result.metric.standard_error
    if value is None or error is None:
        return result
    quantiles = NormalDist().inv_cdf
    normal = np.array([quantiles((index + 0.5) / _SETTINGS.resamples) for index in range(_SETTINGS.resamples)])
    return TaskResult(**{**_fields(result), "replicates": (value + error * normal) / 100})


def _fields(result: RunResult | TaskResult) -> dict[str, Any]:
    return {name: getattr(result, name) for name in result.__dataclass_fields__}
