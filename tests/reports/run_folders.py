"""Run folders as a finished run leaves them, made of a few numbers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet


def metric(value: float | None, *, normaliser: str = "whisper-en.v1", scored: int = 24) -> dict[str, Any]:
    """A figure with the interval [0.8 value, 1.25 value] and the standard error value / 10."""
    return {
        "name": "WER",
        "value": value,
        "interval": None if value is None else [value * 0.8, value * 1.25],
        "level": 0.95,
        "standard_error": None if value is None else value / 10,
        "higher_is_better": False,
        "statistics": {},
        "recipe": f"metric:WER|unit:word|normaliser:{normaliser}|averaging:corpus|scored:{scored}|failed:0|skipped:0",
    }


def part(value: float | None, samples: int = 24, metrics: Mapping[str, float | None] | None = None) -> dict[str, Any]:
    """The figures of the samples with one group label: of ``wer``, or of the metrics named."""
    figures = {
        key: metric(each) | {"name": "WER" if key == "wer" else key.replace("_", " ").capitalize()}
        for key, each in (metrics or {"wer": value}).items()
    }
    names = ("name", "value", "interval", "standard_error")
    return {
        "samples": samples,
        "metrics": {key: {name: figure[name] for name in names} for key, figure in figures.items()},
    }


def task(
    benchmark: str, value: float | None, group: str = "Demo", table: str | Mapping[str, str] = "asr", **fields: Any
) -> dict[str, Any]:
    """A task's entry of metrics.json; fields of ``samples`` may be given by name, others replace what is here."""
    samples = {"expected": 24, "total": 24, "scored": 24, "failed": 0, "skipped": 0, "empty": 0}
    samples |= {name: fields.pop(name) for name in samples if name in fields}
    entry = {
        "title": benchmark,
        "table": {"table": table, "group": group, "benchmark": benchmark} if isinstance(table, str) else table,
        "samples": samples,
        "partial": samples["expected"] is not None and samples["total"] < samples["expected"],
        "not_applicable": None,
        "headline": "wer",
        "metrics": {"wer": metric(value, scored=samples["scored"])},
        "groups": {},
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
        "reason": None,
        "audio": json.dumps([{"locator": f"{sample}.flac", "duration": 2.5}]),
        "references": [reference],
        "responses": [hypothesis],
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
) -> Path:
    """Write a run folder with the same utterances for every task."""
    folder = parent / name
    rows = list(utterances) or [utterance("u1", "Good morning", "Good evening", (1, 0, 0, 2))]
    for key in tasks:
        (folder / key).mkdir(parents=True)
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), folder / key / "scores.parquet")
    folder.mkdir(parents=True, exist_ok=True)
    record = {"evalkit": "0.1.0", "name": name, "model": {"name": name, "title": title}, "tasks": tasks}
    (folder / "metrics.json").write_text(json.dumps(record), encoding="utf-8")
    return folder
