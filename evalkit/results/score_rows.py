"""The rows of ``scores.parquet``: how the outcome of a sample is written, and what of it the digest is made of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.chain import Exchange, Outcome
from evalkit.metrics.metric import Metric
from evalkit.types import Sample

JSON_COLUMNS = ("audio", "groups", "metadata", "clusters")
SAMPLE_COLUMNS = ("id", "language", "references", *JSON_COLUMNS)
_json = json.JSONEncoder(ensure_ascii=False).encode


def columns(metrics: Mapping[str, Metric], details: Sequence[str]) -> Any:
    """Return the columns of a task's scores, as a ``pyarrow.Schema``.

    ``audio``, ``groups``, ``metadata`` and ``clusters`` are JSON texts. ``responses`` holds every call of the chain in
    order, failed ones too; ``speech`` is the path of what was said, relative to the run folder. The statistics of a
    metric stand in columns named ``KEY.STATISTIC``, and are null for skipped samples.

    Args:
        metrics: of the task, by key.
        details: names of the texts with which the task explains its scores.
    """
    import pyarrow as pa

    text = pa.string()
    failure = pa.struct([("kind", text), ("message", text)])
    tool_call = pa.struct([("name", text), ("arguments", text), ("id", text)])
    response = pa.struct(
        [("role", text), ("text", text), ("speech", text), ("tool_calls", pa.list_(tool_call)), ("failure", failure)]
    )
    named: dict[str, Any] = {
        "id": text,
        "status": text,
        "reason_kind": text,
        "reason": text,
        "language": text,
        "audio": text,
        "references": pa.list_(text),
        "responses": pa.list_(response),
        "groups": text,
        "metadata": text,
        "clusters": text,
    }
    named |= dict.fromkeys(details, text)
    named |= {f"{key}.{name}": pa.float64() for key, metric in metrics.items() for name in metric.statistics}
    return pa.schema(list(named.items()))


@dataclass(frozen=True, slots=True)
class ScoreRows:
    """Rows of a task's scores, ready to be written.

    Attributes:
        table: a ``pyarrow.Table`` of the task's columns.
        figures: the bytes of the digest: what the figures are made of, and nothing that differs between equal runs,
            such as ids that a server gives.
    """

    table: Any
    figures: bytes


def score_rows(
    rows: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Metric],
    details: Sequence[str],
    samples: Any = None,
) -> ScoreRows:
    """Make rows ready to be written.

    Args:
        rows: as ``sample_row`` and ``result_row`` return them, in one.
        metrics: of the task, by key.
        details: names of the texts with which the task explains its scores.
        samples: a ``pyarrow.Table`` with what ``sample_row`` would return, where the rows are without it.
    """
    import pyarrow as pa

    schema = columns(metrics, details)
    statistics = [f"{key}.{name}" for key, metric in metrics.items() for name in metric.statistics]
    stored = () if samples is None else SAMPLE_COLUMNS
    made = pa.schema([field for field in schema if field.name not in stored])
    try:
        table = pa.Table.from_pylist(rows, schema=made)
    except UnicodeEncodeError:  # half of a surrogate pair, which no file can hold
        table = pa.Table.from_pylist([_encodable(row) for row in rows], schema=made)
    if stored:
        arrays = [samples[name] if name in stored else table[name] for name in schema.names]
        table = pa.Table.from_arrays(arrays, schema=schema)
    figures = (table[name].to_pylist() for name in ("id", "status", "references", *statistics))
    return ScoreRows(table, json_bytes(list(zip(*figures, strict=True))))


def sample_row(sample: Sample) -> dict[str, Any]:
    """Return what the row of a sample says of the sample itself, as Python values by column."""
    row = sample.to_json()
    for name in JSON_COLUMNS:
        row[name] = _json(row[name]) if row[name] else "{}" if name != "audio" else "[]"
    return row


def result_row(outcome: Outcome, metrics: Mapping[str, Metric], folder: str) -> dict[str, Any]:
    """Return what the row of a sample says of its answers and their score, as Python values by column.

    Args:
        outcome: how the sample ended.
        metrics: of the task, by key.
        folder: name of the task's folder in the run folder.
    """
    row: dict[str, Any] = {
        "status": outcome.status,
        "reason_kind": None if outcome.reason is None else outcome.reason.kind,
        "reason": None if outcome.reason is None else outcome.reason.message,
        "responses": [_response(exchange, folder) for exchange in outcome.exchanges],
    }
    if outcome.score is not None:
        for key, metric in metrics.items():
            for name, value in zip(metric.statistics, outcome.score.statistics[key], strict=True):
                row[f"{key}.{name}"] = float(value)
        row |= dict(outcome.score.details)
    return row


def json_bytes(content: Any) -> bytes:
    """Return content as the JSON that digests are made of."""
    return _json(content).encode("utf-8", "replace")


def _response(exchange: Exchange, folder: str) -> dict[str, Any]:
    response = exchange.response
    return {
        "role": exchange.call.role,
        "text": response.text,
        "speech": None if response.speech is None else f"{folder}/{response.speech.locator}",
        "tool_calls": [{"name": call.name, "arguments": call.arguments, "id": call.id} for call in response.tool_calls],
        "failure": None if response.failure is None else response.failure.to_json(),
    }


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {key: _encodable(item) for key, item in value.items()}
    return value
