"""A task's samples in one run, and in what a sample itself differs between two runs."""

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from evalkit.results.scores import ScoresFile
from evalkit.results.task_result import MetricResult
from evalkit.types import Failure, Sample

Own = Literal["references", "recordings", "facts"]
Places = npt.NDArray[np.int64]
_READ_AT_ONCE = 10_000  # samples: where two runs have theirs in another order, the file is gone through for each lot


class StoredSample(NamedTuple):
    """A sample as a run stored it.

    Attributes:
        sample: it.
        responses: to it, as ``scores.parquet`` has them.
    """

    sample: Sample
    responses: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class TaskSamples:
    """The samples of a task that count, in the order of the data set: a number each, and where the rest lies.

    Attributes:
        scores: the file that has them.
        rows: of the samples in this file.
        failures: the kind of failure of each that failed, by id.
        skipped: ids of samples that do not count.
        statistics: by key of the metric, samples × k.
    """

    scores: ScoresFile
    rows: Places
    failures: Mapping[str, str]
    skipped: frozenset[str]
    statistics: Mapping[str, npt.NDArray[np.float64]]

    def stored(self, places: Places) -> Iterator[StoredSample]:
        """Yield some of the samples, in constant memory.

        Args:
            places: of the samples among those that count, in any order.

        Raises:
            StoreError: the scores are damaged.
        """
        for first in range(0, len(places), _READ_AT_ONCE):
            rows, order = np.unique(self.rows[places[first : first + _READ_AT_ONCE]], return_inverse=True)
            chunk = self.scores.at(rows)
            samples = [sample for sample, _, _ in chunk.samples()]
            responses = chunk.table["responses"].to_pylist()
            for each in order.tolist():
                yield StoredSample(samples[each], responses[each])


def read_samples(scores: ScoresFile, metrics: Mapping[str, MetricResult]) -> tuple[TaskSamples, Any]:
    """Read which samples of a task count, and return them with their ids, as an arrow array.

    Raises:
        StoreError: the scores are damaged.
    """
    import pyarrow as pa

    ids: list[str] = []
    rows = array("q")
    failures: dict[str, str] = {}
    skipped: set[str] = set()
    for row, each in enumerate(scores.rows(["id", "status", "reason_kind", "reason"])):
        if each["status"] == "skipped":
            skipped.add(each["id"])
            continue
        ids.append(each["id"])
        rows.append(row)
        if each["status"] == "failed":
            reason = {"kind": each["reason_kind"], "message": each["reason"]}
            failures[each["id"]] = "error" if each["reason"] is None else Failure.from_json(reason).kind
    statistics = {key: scores.statistics(key, tuple(metric.statistics)) for key, metric in metrics.items()}
    counted = np.array(rows, np.int64)
    return TaskSamples(scores, counted, failures, frozenset(skipped), statistics), pa.array(ids, pa.string())


def own_differences(base: Sample, new: Sample) -> Iterator[Own]:
    """Yield in what a sample differs between two runs, apart from what was asked and answered."""
    if base.references != new.references:
        yield "references"
    known = [[(audio.locator, audio.digest()) for audio in sample.audio] for sample in (base, new)]
    if not same_recordings(*known):
        yield "recordings"
    if _facts(base) != _facts(new):
        yield "facts"


def same_recordings(base: Sequence[tuple[Any, Any]], new: Sequence[tuple[Any, Any]]) -> bool:
    """Return whether recordings are the same, by their digests, or by their names where a digest was not recorded.

    Args:
        base: name and digest of each.
        new: likewise.
    """
    return len(base) == len(new) and all(
        one[1] == other[1] if one[1] and other[1] else one[0] == other[0] for one, other in zip(base, new, strict=True)
    )


def said_nothing(responses: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether nobody answered anything to a sample."""
    return not any((each["text"] or "").strip() or each["speech"] or each["tool_calls"] for each in responses)


def _facts(sample: Sample) -> str:
    return json.dumps([sample.language, sample.metadata], sort_keys=True, default=str)
