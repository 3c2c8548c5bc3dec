"""A task's samples in one run, and in what a sample itself differs between two runs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from evalkit.results.scores import ScoresFile
from evalkit.results.task_result import MetricResult
from evalkit.types import Sample

Own = Literal["references", "recordings", "facts"]


@dataclass(frozen=True, slots=True)
class TaskSamples:
    """The samples of a task that count, in the order of the data set.

    Attributes:
        samples: by id.
        responses: to each, as ``scores.parquet`` has them.
        failures: the kind of failure of each that failed.
        skipped: ids of samples that do not count.
        statistics: by key of the metric, samples × k.
    """

    samples: Mapping[str, Sample]
    responses: Mapping[str, Sequence[Mapping[str, Any]]]
    failures: Mapping[str, str]
    skipped: frozenset[str]
    statistics: Mapping[str, npt.NDArray[np.float64]]

    def rows(self, ids: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
        """Return the statistics of some samples, in their order."""
        places = {sample_id: row for row, sample_id in enumerate(self.samples)}
        chosen = [places[sample_id] for sample_id in ids]
        return {key: values[chosen] for key, values in self.statistics.items()}


NO_SAMPLES = TaskSamples({}, {}, {}, frozenset(), {})


def read_samples(scores: ScoresFile, metrics: Mapping[str, MetricResult]) -> TaskSamples:
    """Read a task's samples.

    Raises:
        StoreError: the scores are damaged.
    """
    samples: dict[str, Sample] = {}
    failures: dict[str, str] = {}
    skipped: set[str] = set()
    for sample, status, reason in scores.samples():
        if status == "skipped":
            skipped.add(sample.id)
            continue
        samples[sample.id] = sample
        if status == "failed":
            failures[sample.id] = reason.kind if reason else "error"
    return TaskSamples(
        samples,
        {row["id"]: row["responses"] for row in scores.rows(["id", "responses"]) if row["id"] in samples},
        failures,
        frozenset(skipped),
        {key: scores.statistics(key, tuple(metric.statistics)) for key, metric in metrics.items()},
    )


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
