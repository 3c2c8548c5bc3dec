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
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.audio import Audio
from evalkit.chain import Outcome
from evalkit.errors import StoreError, one_line
from evalkit.metrics.metric import Metric
from evalkit.results.clusters import SINGLY, cluster_label, own_label
from evalkit.results.score_rows import (
    SAMPLE_COLUMNS,
    ScoreRows,
    columns,
    json_bytes,
    result_row,
    sample_row,
    score_rows,
)
from evalkit.types import Failure, Sample

FILE_NAME = "scores.parquet"
ROWS_AT_ONCE = 2_000
"""Rows of a chunk; the digest is made chunk by chunk, of which the last one is never full and may be empty."""

_NEW = "scores.new.parquet"
_PART = "scores.parquet.unfinished"
_DIGEST = b"evalkit.digest"
_ADDED = {"clusters": "{}"}  # columns that older files lack, with what they stand for there
_STORED_COLUMNS = ("status", "reason_kind", "reason", *SAMPLE_COLUMNS)
_DISTINCT_LABELS = 10_000  # most clusters have many samples, whose labels are alike


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
        self._digest = hashlib.blake2b(json_bytes(identity), digest_size=16)
        self._ended = False  # whether the last chunk was written
        self._writer: Any = None  # opened with the first rows: its library takes memory while models want theirs
        with _writing(folder / FILE_NAME):
            folder.mkdir(parents=True, exist_ok=True)

    def add(self, outcome: Outcome) -> None:
        """Write one sample."""
        self._rows.append(sample_row(outcome.sample) | result_row(outcome, self._metrics, self._folder.name))
        if len(self._rows) == ROWS_AT_ONCE:
            self._flush()

    def write(self, rows: ScoreRows) -> None:
        """Write the next chunk: ``ROWS_AT_ONCE`` rows, or the last ones."""
        import pyarrow.parquet as pq

        self._ended = rows.table.num_rows < ROWS_AT_ONCE
        self._digest.update(rows.figures)
        with _writing(self._folder / FILE_NAME):
            if self._writer is None:
                self._writer = pq.ParquetWriter(self._folder / _PART, rows.table.schema)
            self._writer.write_table(rows.table)

    def finish(self) -> str:
        """Complete the file and return its digest."""
        if not self._ended:
            self._flush()
        digest = self._digest.hexdigest()
        with _writing(self._folder / FILE_NAME):
            self._writer.add_key_value_metadata({_DIGEST: digest.encode()})
            self._writer.close()
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

    def _flush(self) -> None:
        self.write(score_rows(self._rows, self._metrics, self._details))
        self._rows.clear()


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


@dataclass(frozen=True, slots=True)
class SamplesChunk:
    """Samples that lie side by side in a task's scores, as they are stored.

    Attributes:
        table: a ``pyarrow.Table`` of the columns that samples are made of.
        path: of the file, for messages.
    """

    table: Any
    path: Path

    def samples(self) -> Iterator[tuple[Sample, str, Failure | None]]:
        """Yield each sample with its status, and the reason why it failed or was skipped.

        Raises:
            StoreError: the file is damaged.
        """
        with _reading(self.path):
            _check_table(self.table)
            names = ("id", "audio", "references", "language", "groups", "metadata", "clusters")
            columns = [self.table[name].to_pylist() for name in (*names, "status", "reason_kind", "reason")]
            for id_, audio, references, language, groups, metadata, clusters, status, kind, reason in zip(
                *columns, strict=True
            ):
                sample = Sample(
                    id_,
                    tuple(map(Audio.from_json, json.loads(audio))),
                    tuple(references),
                    language,
                    _labels(groups),
                    _metadata(metadata),
                    _labels(clusters),
                )
                yield sample, status, _reason(kind, reason)


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
        for chunk in self.chunks():
            yield from chunk.samples()

    def chunks(self) -> Iterator["SamplesChunk"]:
        """Yield the samples in chunks of ``ROWS_AT_ONCE`` rows, the last one of fewer."""
        import pyarrow as pa

        held: list[Any] = []
        for batch in self._batches(_STORED_COLUMNS):
            held.append(batch)
            while sum(map(len, held)) >= ROWS_AT_ONCE:
                table = pa.Table.from_batches(held)
                yield self._samples_chunk(table.slice(0, ROWS_AT_ONCE))
                held = table.slice(ROWS_AT_ONCE).to_batches()
        if held:
            yield self._samples_chunk(pa.Table.from_batches(held))

    def at(self, rows: npt.NDArray[np.int64]) -> "SamplesChunk":
        """Return the samples of some rows, by ascending numbers, with their responses; little is read of the others."""
        import pyarrow as pa
        import pyarrow.parquet

        first, taken = 0, []
        with _reading(self._path), pyarrow.parquet.ParquetFile(self._path) as file:
            known = set(file.schema_arrow.names)
            names = [name for name in (*_STORED_COLUMNS, "responses") if name in known or name not in _ADDED]
            if lacking := [name for name in names if name not in known]:
                raise KeyError(lacking[0])
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                begin, end = np.searchsorted(rows, [first, first + size])
                if begin < end:
                    taken.append(file.read_row_group(group, names).take(rows[begin:end] - first))
                first += size
            return self._samples_chunk(pa.concat_tables(taken))

    def _samples_chunk(self, table: Any) -> "SamplesChunk":
        """Return samples with all columns, of the types that evalkit writes."""
        import pyarrow as pa

        for name in _ADDED.keys() - set(table.column_names):
            table = table.append_column(name, pa.array([_ADDED[name]] * table.num_rows))
        types = {field.name: field.type for field in columns({}, ())}
        return SamplesChunk(table.cast(pa.schema([(name, types[name]) for name in table.column_names])), self._path)

    def rows(self, names: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield each row, or some of its columns, as Python values, in constant memory."""
        for batch in self._batches(names):
            added = {name: value for name, value in _ADDED.items() if name not in batch.schema.names}
            if names is not None:
                added = {name: value for name, value in added.items() if name in names}
            with _reading(self._path):
                for row in batch.to_pylist():
                    _check_row(row)
                    yield row | added if added else row

    def _batches(self, names: Sequence[str] | None) -> Iterator[Any]:
        """Yield the file, or those of some columns that it has, as ``pyarrow.RecordBatch``es of few rows."""
        import pyarrow.parquet

        with _reading(self._path), pyarrow.parquet.ParquetFile(self._path) as file:
            known = set(file.schema_arrow.names)
            for name in names or ():
                if name not in known and name not in _ADDED:
                    raise KeyError(name)
            columns = None if names is None else [name for name in names if name in known]
            for group in range(file.num_row_groups):  # asked for all at once, the library holds on to every one
                yield from file.iter_batches(batch_size=ROWS_AT_ONCE, row_groups=[group], columns=columns)

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
            return table.filter(_counts(table))

    def counted_batches(self, names: Sequence[str]) -> Iterator[Any]:
        """Yield what ``counted`` returns as ``pyarrow.Table``s of few rows, in constant memory."""
        import pyarrow as pa

        for batch in self._batches(["status", *names]):
            table = pa.Table.from_batches([batch])
            with _reading(self._path):
                _check_table(table)
                counted = table.filter(_counts(table))
            yield counted

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
            table = table.filter(_counts(table))
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
def _labels(text: str) -> Mapping[str, str]:
    labels = json.loads(text)
    if not isinstance(labels, dict) or {*map(type, labels.values())} - {str}:
        raise ValueError("the groups or clusters of a sample are no texts by name")
    return labels


def _metadata(text: str) -> Mapping[str, Any]:
    metadata = {} if text == "{}" else json.loads(text)
    if not isinstance(metadata, dict):
        raise ValueError("the metadata of a sample are no JSON object")
    return metadata


def _label(field: str, clusters: str, groups: str) -> str | None:
    """Return a sample's label by a field, of what two columns hold."""
    label = cluster_label(field, json.loads(clusters), json.loads(groups))
    if label is not None and not isinstance(label, str):
        raise ValueError(f"the {field} of a sample is no text")
    return label


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


def _counts(table: Any) -> Any:
    """Tell of each row whether it counts towards the values, as an arrow array."""
    import pyarrow.compute as pc

    return pc.fill_null(pc.not_equal(table["status"], "skipped"), fill_value=True)


def _reason(kind: str | None, message: str | None) -> Failure | None:
    return None if message is None else Failure.from_json({"kind": kind, "message": message})


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
