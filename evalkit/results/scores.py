"""``scores.parquet``: one row a sample, with its statistics and every response that they were computed from.

The file carries a digest that the task's entry of ``metrics.json`` has too. A new file is written beside the old one,
and takes its name only after ``metrics.json`` was replaced: whenever a process is killed, the results on disk and one
of the two files belong together, and readers take that one.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from evalkit.chain import Exchange, Outcome
from evalkit.errors import StoreError, one_line
from evalkit.metrics.metric import Metric
from evalkit.results.clusters import SINGLY, cluster_label, own_label
from evalkit.types import Failure, FailureKind, Sample

FILE_NAME = "scores.parquet"
_NEW = "scores.new.parquet"
_PART = "scores.parquet.unfinished"
_DIGEST = b"evalkit.digest"
_ROWS_AT_ONCE = 2_000
_JSON_COLUMNS = ("audio", "groups", "metadata", "clusters")
_ADDED = {"clusters": "{}"}  # columns that older files lack, with what they stand for there
_DISTINCT_LABELS = 10_000  # most clusters have many samples, whose labels are alike
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


class ScoreWriter:
    """Writes a task's scores, sample by sample in the order of the data set, in constant memory.

    What is written takes effect with ``finish`` and the ``metrics.json`` that has the digest (``publish``).

    Args:
        folder: the task's folder in the run folder; made if it is not there.
        metrics: of the task, by key.
        details: names of the texts with which the task explains its scores.

    Raises:
        StoreError: the file cannot be written; likewise from ``add`` and ``finish``.
    """

    def __init__(self, folder: Path, metrics: Mapping[str, Metric], details: Sequence[str]) -> None:
        self._folder = folder
        self._metrics = metrics
        self._details = details
        self._rows: list[dict[str, Any]] = []
        identity = [[key, m.function, m.scale, list(m.statistics), m.full_recipe] for key, m in metrics.items()]
        self._digest = hashlib.blake2b(_bytes(identity), digest_size=16)
        self._writer: Any = None  # opened with the first rows: its library takes memory while models want theirs
        with _writing(folder / FILE_NAME):
            folder.mkdir(parents=True, exist_ok=True)

    def add(self, outcome: Outcome) -> None:
        """Write one sample."""
        self._rows.append(_row(outcome, self._metrics, self._folder.name))
        if len(self._rows) == _ROWS_AT_ONCE:
            self._flush()

    def finish(self) -> str:
        """Complete the file and return its digest."""
        writer = self._flush()
        digest = self._digest.hexdigest()
        with _writing(self._folder / FILE_NAME):
            writer.add_key_value_metadata({_DIGEST: digest.encode()})
            writer.close()
            (self._folder / _PART).replace(self._folder / _NEW)
        return digest

    def close(self) -> None:
        """Drop what was not finished."""
        if self._writer is not None:
            self._writer.close()
        (self._folder / _PART).unlink(missing_ok=True)

    def __enter__(self) -> "ScoreWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _flush(self) -> Any:
        """Write the rows that are held, and return the writer."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = columns(self._metrics, self._details)
        # What the figures are made of, and nothing that differs between equal runs, such as ids that a server gives.
        statistics = [f"{key}.{name}" for key, metric in self._metrics.items() for name in metric.statistics]
        names = ("id", "status", "references", *statistics)
        self._digest.update(_bytes([[row.get(name) for name in names] for row in self._rows]))
        try:
            table = pa.Table.from_pylist(self._rows, schema=schema)
        except UnicodeEncodeError:  # half of a surrogate pair, which no file can hold
            table = pa.Table.from_pylist([_encodable(row) for row in self._rows], schema=schema)
        with _writing(self._folder / FILE_NAME):
            if self._writer is None:
                self._writer = pq.ParquetWriter(self._folder / _PART, schema)
            self._writer.write_table(table)
        self._rows.clear()
        return self._writer


def settle(folder: Path, digest: str) -> None:
    """Give a task's new scores their name if they are the ones that ``metrics.json`` speaks of.

    Args:
        folder: the task's folder.
        digest: of the task's scores, as ``metrics.json`` has it.

    Raises:
        StoreError: the file cannot be renamed.
    """
    new = folder / _NEW
    if new.is_file() and _digest_of(new) == digest:
        give_name(folder)


def give_name(folder: Path) -> None:
    """Give the scores that a task's ``ScoreWriter`` has just finished their name.

    Raises:
        StoreError: the file cannot be renamed.
    """
    with _writing(folder / FILE_NAME):
        (folder / _NEW).replace(folder / FILE_NAME)


@dataclass(frozen=True, slots=True)
class ScoredSamples:
    """The samples of a task that count towards one of its metrics.

    Attributes:
        ids: of the samples.
        references: the accepted answers.
        answers: what the model under test said last, in text.
        statistics: of the metric, samples × k.
        clusters: label of each by the field that the task was resampled by; None where samples were drawn singly.
    """

    ids: Sequence[str]
    references: Sequence[Sequence[str]]
    answers: Sequence[str]
    statistics: npt.NDArray[np.float64]
    clusters: Sequence[str] | None = None


class ScoresFile:
    """A task's scores, for reading.

    Args:
        folder: the task's folder in a run folder.
        digest: of the task's scores, as ``metrics.json`` has it.

    Raises:
        StoreError: there is no file, it is damaged, or it belongs to other results; likewise from each method.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self._path = folder / FILE_NAME
        if not self._path.is_file() and not (folder / _NEW).is_file():
            raise StoreError(f"{self._path}: not there; the run has not finished this task, run it again first")
        for path in (self._path, folder / _NEW):
            if path.is_file() and _digest_of(path) == digest:
                self._path = path
                _check_columns(path)
                return
        raise StoreError(
            f"{self._path}: does not belong to the metrics.json of this run; "
            "write both anew with `evalkit run` and the settings of the run"
        )

    def table(self, names: Sequence[str] | None = None) -> Any:
        """Return the file, or some of its columns, as a ``pyarrow.Table``."""
        import pyarrow.parquet

        with _reading(self._path):
            return pyarrow.parquet.read_table(self._path, columns=None if names is None else list(names))

    def samples(self) -> Iterator[tuple[Sample, str, Failure | None]]:
        """Yield each sample with its status, and the reason why it failed or was skipped."""
        names = ["id", "status", "reason_kind", "reason", "language", "references", *_JSON_COLUMNS]
        for row in self.rows(names):
            with _reading(self._path):
                record = row | {name: json.loads(row[name]) for name in ("audio", "metadata")}
                record |= {name: _labels(row[name]) for name in ("groups", "clusters")}
                sample = Sample.from_json(record)
            yield sample, row["status"], _reason(row)

    def rows(self, names: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield each row, or some of its columns, as Python values, in constant memory."""
        import pyarrow.parquet

        with _reading(self._path), pyarrow.parquet.ParquetFile(self._path) as file:
            known = set(file.schema_arrow.names)
            wanted = known.union(_ADDED) if names is None else set(names)
            added = {name: value for name, value in _ADDED.items() if name in wanted - known}
            for name in names or ():
                if name not in known and name not in _ADDED:
                    raise KeyError(name)
            columns = None if names is None else [name for name in names if name in known]
            for group in range(file.num_row_groups):  # asked for all at once, the library holds on to every one
                for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, row_groups=[group], columns=columns):
                    for row in batch.to_pylist():
                        _check_row(row)
                        yield row | added if added else row

    @property
    def path(self) -> Path:
        """Of the file."""
        return self._path

    def has(self, names: Sequence[str]) -> bool:
        """Tell whether the file has all of these columns."""
        import pyarrow.parquet

        with _reading(self._path):
            return set(names) <= set(pyarrow.parquet.read_schema(self._path).names)

    def counted(self, names: Sequence[str]) -> Any:
        """Return some columns of the samples that count towards the values, as a ``pyarrow.Table``."""
        import pyarrow as pa

        added = [name for name in names if name in _ADDED and not self.has([name])]
        table = self.table(["status", *(name for name in names if name not in added)])
        with _reading(self._path):
            _check_table(table)
            for name in added:
                table = table.append_column(name, pa.array([_ADDED[name]] * table.num_rows))
            return table.filter(np.array([status != "skipped" for status in table["status"].to_pylist()], dtype=bool))

    def row(self, sample: str) -> dict[str, Any] | None:
        """Return the row of one sample as Python values, None if there is none."""
        import pyarrow.parquet

        with _reading(self._path):
            rows = pyarrow.parquet.read_table(self._path, filters=[("id", "==", sample)]).to_pylist()
            for row in rows:
                _check_row(row)
        return rows[0] if rows else None

    def statistics(self, key: str, names: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the statistics of a metric, samples × k, for the samples that count.

        Args:
            key: of the metric.
            names: of its statistics.
        """
        return self._statistics(self.table(["status", *(f"{key}.{name}" for name in names)]), key, names)

    def clusters(self, field: str) -> list[str] | None:
        """Return the label of each sample that counts by a field (``TaskResult.resampled``); None for ``sample``."""
        if field == SINGLY:
            return None
        label_of = lru_cache(_DISTINCT_LABELS)(partial(_label, field))
        with _reading(self._path):
            return [
                label_of(row["clusters"], row["groups"]) or own_label(row["id"])
                for row in self.rows(["id", "status", "groups", "clusters"])
                if row["status"] != "skipped"
            ]

    def scored_samples(self, key: str, names: Sequence[str], resampled: str = SINGLY) -> ScoredSamples:
        """Return the samples that count towards a metric.

        Args:
            key: of the metric.
            names: of its statistics.
            resampled: what the task's intervals are drawn of (``TaskResult.resampled``).
        """
        table = self.table(["id", "status", "references", "responses", *(f"{key}.{name}" for name in names)])
        statistics = self._statistics(table, key, names)
        with _reading(self._path):
            rows = table.select(["id", "status", "references", "responses"]).to_pylist()
            for row in rows:
                _check_row(row)
            rows = [row for row in rows if row["status"] != "skipped"]
            return ScoredSamples(
                ids=[row["id"] for row in rows],
                references=[row["references"] for row in rows],
                answers=[last_answer(row["responses"]) for row in rows],
                statistics=statistics,
                clusters=self.clusters(resampled),
            )

    def _statistics(self, table: Any, key: str, names: Sequence[str]) -> npt.NDArray[np.float64]:
        with _reading(self._path):
            counted = [status != "skipped" for status in table["status"].to_pylist()]
            table = table.filter(counted)
            vectors = [table[f"{key}.{name}"].to_numpy().astype(np.float64) for name in names]
        statistics = np.column_stack(vectors) if vectors else np.empty((table.num_rows, 0))
        if not np.isfinite(statistics).all():
            raise StoreError(f"{self._path}: a statistic of {key} is missing or not finite; run the task again")
        return statistics


def last_answer(responses: Sequence[Mapping[str, Any]]) -> str:
    """Return the text that the model under test answered, or what was heard of its speech; the last one there is."""
    for role in ("model", "transcriber"):
        texts = [each["text"] for each in responses if each["role"] == role and (each["text"] or "").strip()]
        if texts:
            return str(texts[-1])
    return ""


@lru_cache(_DISTINCT_LABELS)
def _labels(text: str) -> Any:
    return json.loads(text)


def _row(outcome: Outcome, metrics: Mapping[str, Metric], folder: str) -> dict[str, Any]:
    row = outcome.sample.to_json()
    for name in _JSON_COLUMNS:
        row[name] = _json(row[name]) if row[name] else "{}" if name != "audio" else "[]"
    row |= {
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


def _response(exchange: Exchange, folder: str) -> dict[str, Any]:
    response = exchange.response
    return {
        "role": exchange.call.role,
        "text": response.text,
        "speech": None if response.speech is None else f"{folder}/{response.speech.locator}",
        "tool_calls": [{"name": call.name, "arguments": call.arguments, "id": call.id} for call in response.tool_calls],
        "failure": None if response.failure is None else response.failure.to_json(),
    }


def _label(field: str, clusters: str, groups: str) -> str | None:
    """Return a sample's label by a field, of what two columns hold."""
    label = cluster_label(field, json.loads(clusters), json.loads(groups))
    if label is not None and not isinstance(label, str):
        raise ValueError(f"the {field} of a sample is no text")
    return label


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {key: _encodable(item) for key, item in value.items()}
    return value


def _bytes(content: Any) -> bytes:
    return _json(content).encode("utf-8", "replace")


def _check_columns(path: Path) -> None:
    """Refuse columns of other types than evalkit writes: the file may be someone else's."""
    import pyarrow as pa
    import pyarrow.parquet

    with _reading(path):
        known = {field.name: field.type for field in columns({}, ())}
        for column in pyarrow.parquet.read_schema(path):
            wanted = [known[column.name]] if column.name in known else [pa.string(), pa.float64(), pa.int64()]
            if column.type not in [*wanted, pa.null()]:
                raise TypeError(f"its column {column.name} is of the type {column.type}")


def _check_row(row: Mapping[str, Any]) -> None:
    """Refuse what no column's type rules out.

    Raises:
        ValueError: an id is missing, a status is unknown, or there is nothing where a reference or response must be.
    """
    if "id" in row and row["id"] is None:
        raise ValueError("a sample has no id")
    if "status" in row and row["status"] not in ("scored", "failed", "skipped"):
        raise ValueError(f"unknown status {row['status']!r}")
    for name in ("references", "responses"):
        if name in row and (row[name] is None or None in row[name]):
            raise ValueError(f"sample {row.get('id')} lacks some of its {name}")


def _check_table(table: Any) -> None:
    """Refuse in whole columns what ``_check_row`` refuses in a row.

    Raises:
        ValueError: likewise.
    """
    import pyarrow.compute as pc

    for name in table.column_names:
        column = table[name]
        if name == "status" and not set(pc.unique(column).to_pylist()) <= {"scored", "failed", "skipped"}:
            raise ValueError("a status is unknown")
        lists = name in ("references", "responses")
        if (name == "id" or lists) and (column.null_count or (lists and pc.list_flatten(column).null_count)):
            raise ValueError(f"a sample lacks its {name}")


def _reason(row: Mapping[str, Any]) -> Failure | None:
    if row["reason"] is None:
        return None
    kind = row["reason_kind"]
    return Failure(kind if kind in get_args(FailureKind) else "error", row["reason"])


def _digest_of(path: Path) -> str:
    import pyarrow.parquet

    with _reading(path):
        metadata: dict[bytes, bytes] = pyarrow.parquet.read_metadata(path).metadata or {}
        return metadata.get(_DIGEST, b"").decode()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except KeyError as error:
        raise StoreError(f"{path}: the column {error} is missing; write it anew with `evalkit score`") from error
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, pa.ArrowException) as error:
        raise StoreError(f"{path}: cannot be read as a table of scores ({one_line(error)})") from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror or error})") from error
