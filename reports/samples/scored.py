"""The samples of a task as they were scored, one by one, of any kind of task: for pages and for the terminal."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import regex

from evalkit.errors import ConfigurationError, StoreError
from evalkit.metrics.error_rate import AlignedUnit, align
from evalkit.metrics.functions import MetricFunction, get_metric_function
from evalkit.results.metrics_file import RunResult
from evalkit.results.recorded_calls import RecordedCall, RecordedCalls
from evalkit.results.score_rows import columns
from evalkit.results.scores import ScoresFile, last_answer
from evalkit.results.task_result import MetricResult, TaskResult
from reports.samples.alignment import readable
from reports.samples.flags import is_hallucination, is_loop
from reports.samples.schemes import scheme_for, schemes_of

# An alignment that nobody will read, of an answer without end, must not hold up the report.
MOST_UNITS_ALIGNED = 2_000

_ALIGNED = ("reference_normalised", "hypothesis_normalised")
_JSON_COLUMNS = ("audio", "groups", "metadata", "clusters")
# A character of a script without spaces, or what stands between two spaces.
_UNIT = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[^\s\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]+")


@dataclass(frozen=True, slots=True)
class ScoredSample:
    """One sample, what was answered, and what that is worth.

    Attributes:
        id: of the sample.
        status: ``scored``, ``failed`` or ``skipped``.
        reason_kind: of what made it fail or be skipped; else empty.
        reason: the same in words.
        language: of the sample, if it says one.
        groups: by which results are broken down.
        clusters: what it shares with others that are not independent of it.
        metadata: what else the data set says.
        audio: its recordings, each with ``locator``, ``duration`` and, where it is known, ``digest``.
        references: the accepted answers.
        responses: every call's answer, in order, as the scores hold them.
        calls: what was asked, and all that came back, in order, up to the first that there is no record of.
        details: the texts by which the task explains the score.
        values: the sample's own value of every metric, in the metric's unit; None where it is undefined.
        statistics: of the headline; empty if the sample was skipped.
        wrong: whether it falls short of the best value of a metric that runs are compared by; None if it was skipped.
        steps: the alignment of reference and answer; empty where none was made.
        units: how many units the longer text has, where only the first ones are aligned; else 0.
        flags: what is odd about the answer (``reports.samples.flags``).
    """

    id: str
    status: str
    reason_kind: str
    reason: str
    language: str | None
    groups: Mapping[str, str]
    clusters: Mapping[str, str]
    metadata: Mapping[str, Any]
    audio: Sequence[Mapping[str, Any]]
    references: Sequence[str]
    responses: Sequence[Mapping[str, Any]]
    calls: Sequence[RecordedCall]
    details: Mapping[str, str]
    values: Mapping[str, float | None]
    statistics: Sequence[float]
    wrong: bool | None
    steps: Sequence[AlignedUnit]
    units: int
    flags: Sequence[str]

    @property
    def answer(self) -> str:
        """What was answered last, in text."""
        return last_answer(self.responses)

    @property
    def seconds(self) -> float | None:
        """The length of its recordings, if it is known of all."""
        lengths = [each.get("duration") for each in self.audio]
        known = [float(each) for each in lengths if isinstance(each, int | float)]
        return round(sum(known), 3) if known and len(known) == len(lengths) else None


class SampleReader:
    """Reads a task's samples in the order of the data set, in constant memory.

    Args:
        run: as read from its folder.
        result: the task.

    Raises:
        StoreError: the scores cannot be read.
    """

    def __init__(self, run: RunResult, result: TaskResult) -> None:
        if run.folder is None:
            raise StoreError(f"{run.name}: is not read from a folder, and has no scores")
        self._folder = run.folder / result.name
        self._scores = ScoresFile(self._folder, result.digest)
        self._result = result
        self._metrics = {key: (metric, _function(metric)) for key, metric in result.metrics.items()}
        self._by_scheme = result.metric.function == "corpus_error_rate"
        try:
            self._schemes = schemes_of(result) if self._by_scheme else ()
        except ConfigurationError:  # of an older version; its texts are cut at spaces
            self._schemes = ()

    def __iter__(self) -> Iterator[ScoredSample]:
        with self._reading(), RecordedCalls(self._folder) as calls:
            for row in self._scores.rows():
                yield self._sample(row, calls.of(row["id"], row["responses"]))

    def find(self, sample: str) -> ScoredSample | None:
        """Return one sample by its id, None if there is none."""
        row = self._scores.row(sample)
        if row is None:
            return None
        with self._reading(), RecordedCalls(self._folder) as calls:
            return self._sample(row, calls.of(sample, row["responses"]))

    def ids(self) -> list[str]:
        """Return the ids of all samples."""
        return [str(each) for each in self._scores.table(["id"])["id"].to_pylist()]

    def recordings(self) -> Iterator[Mapping[str, Any]]:
        """Yield what is recorded of the recordings of every sample."""
        with self._reading():
            for row in self._scores.rows(["id", "audio"]):
                yield from _parsed("audio", row)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
            raise StoreError(f"{self._folder}: its scores cannot be read ({error}); run the task again") from error

    def _sample(self, row: dict[str, Any], calls: Sequence[RecordedCall]) -> ScoredSample:
        known = {*columns({}, ()).names, "clusters"}
        parsed = {name: _parsed(name, row) for name in _JSON_COLUMNS}
        counted = row["status"] != "skipped"
        steps, units = self._aligned(row) if counted else ([], 0)
        values = {key: self._value(row, key) if counted else None for key in self._metrics}
        headline = [row[f"{self._result.headline}.{name}"] for name in self._result.metric.statistics if counted]
        return ScoredSample(
            id=row["id"],
            status=row["status"],
            reason_kind=row.get("reason_kind") or ("error" if row.get("reason") else ""),
            reason=row.get("reason") or "",
            language=row.get("language"),
            groups=parsed["groups"],
            clusters=parsed["clusters"],
            metadata=parsed["metadata"],
            audio=parsed["audio"],
            references=row["references"],
            responses=row["responses"],
            calls=calls,
            details={
                name: text
                for name, text in row.items()
                if isinstance(text, str) and name not in known and "." not in name
            },
            values=values,
            statistics=headline,
            wrong=self._is_wrong(values) or row["status"] == "failed" if counted else None,
            steps=readable(steps),
            units=units,
            flags=_flags(row, steps, calls, transcribed=self._by_scheme),
        )

    def _value(self, row: Mapping[str, Any], key: str) -> float | None:
        metric, function = self._metrics[key]
        statistics = [row.get(f"{key}.{name}") for name in metric.statistics]
        if function is None or not statistics or None in statistics:
            return None
        value = function(np.array(statistics, dtype=np.float64)) * metric.scale
        return round(value, 6) if math.isfinite(value) else None

    def _is_wrong(self, values: Mapping[str, float | None]) -> bool:
        compared = self._result.compared or (self._result.headline,)
        return any(
            (value := values.get(key)) is not None and _falls_short(value, self._result.metrics[key])
            for key in compared
        )

    def _aligned(self, row: Mapping[str, Any]) -> tuple[list[AlignedUnit], int]:
        reference, hypothesis = (row.get(name) for name in _ALIGNED)
        if reference is None or hypothesis is None:
            return [], 0
        cut = scheme_for(row["language"], self._schemes).units if self._schemes else units_of
        reference, hypothesis = cut(reference), cut(hypothesis)
        longest = max(len(reference), len(hypothesis))
        steps = align(reference[:MOST_UNITS_ALIGNED], hypothesis[:MOST_UNITS_ALIGNED])
        return steps, longest if longest > MOST_UNITS_ALIGNED else 0


def _parsed(name: str, row: Mapping[str, Any]) -> Any:
    """Return the content of a column of JSON.

    Raises:
        ValueError: it is none, or of another kind than evalkit writes: the file may be someone else's.
    """
    kind = list if name == "audio" else dict
    content = json.loads(row[name]) if row.get(name) else kind()
    if not isinstance(content, kind) or not all(isinstance(each, dict) for each in content if kind is list):
        raise ValueError(f"sample {row['id']}: its {name} is not what it must be")
    return content


def units_of(text: str) -> list[str]:
    """Cut a text at spaces, and where a script has none, into characters."""
    return [match[0] for match in _UNIT.finditer(text)]


def _function(metric: MetricResult) -> MetricFunction | None:
    try:
        return get_metric_function(metric.function)
    except ConfigurationError:  # a user's own, whose package was not named
        return None


def _falls_short(value: float, metric: MetricResult) -> bool:
    if not metric.higher_is_better:
        return value > 0
    # Percentages and marks are out of 100; a plain mean is taken to be one of shares.
    return value < (1 if metric.scale == 1 and metric.function == "ratio" else 100)


def _flags(
    row: Mapping[str, Any], steps: Sequence[AlignedUnit], calls: Sequence[RecordedCall], *, transcribed: bool
) -> list[str]:
    flags = []
    answer = last_answer(row["responses"])
    if row["status"] == "scored" and not answer.strip() and not any(each["tool_calls"] for each in row["responses"]):
        flags.append("empty")
    if is_loop(units_of(answer)):
        flags.append("loop")
    elif transcribed and is_hallucination(steps):
        flags.append("hallucination")
    if any(call.role == "model" and call.response.finish_reason == "length" for call in calls):
        flags.append("cut")
    return [*flags, *sorted({f"audio_{call.response.overlong}" for call in calls if call.response.overlong})]
