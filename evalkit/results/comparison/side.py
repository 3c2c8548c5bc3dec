"""One run's side of a comparison: the samples of a task that count towards one of its metrics."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from evalkit.errors import StoreError
from evalkit.results.clusters import cluster_label
from evalkit.results.metrics_file import RunResult
from evalkit.results.scores import ScoresFile, last_answer
from evalkit.results.task_result import MetricResult, TaskResult

Rows = npt.NDArray[np.int64]
Statistics = npt.NDArray[np.float64]

_T = TypeVar("_T")
_NORMALISED = ("reference_normalised", "hypothesis_normalised")


@dataclass(frozen=True)
class Side:
    """The samples of a task that count towards one of its metrics in one run.

    Attributes:
        task: what the run measured.
        key: of the metric.
        scores: where the samples lie.
        ids: of the samples that count, as an arrow array.
        groups: labels of each by which results are broken down, as an arrow array of JSON texts, each kept once.
        clusters: labels of each by which it may be drawn, likewise.
        statistics: of the metric, row by row; of repeated runs the mean over them.
        runs: the statistics of each of several runs, runs × samples × k; of one run only its own.
    """

    task: TaskResult
    key: str
    scores: ScoresFile
    ids: Any
    groups: Any
    clusters: Any
    statistics: Statistics
    runs: Statistics

    @classmethod
    def read(cls, run: RunResult, task: TaskResult, key: str) -> "Side":
        """Read what a comparison needs of every sample; texts are read of those that are shown.

        Of repeated runs, whose samples are the same, the first stands for all but for the statistics.

        Raises:
            StoreError: the scores cannot be read, or the run was not read from a folder.
        """
        names = tuple(task.metrics[key].statistics)
        scores = [_scores(each, task.name) for each in run.repetitions or (run,)]
        runs = np.stack([each.statistics(key, names) for each in scores])
        mean = runs[0] if len(runs) == 1 else runs.mean(axis=0)
        ids, *labels = (scores[0].counted([name])[name].combine_chunks() for name in ("id", "groups", "clusters"))
        groups, clusters = (each.dictionary_encode(null_encoding="encode") for each in labels)
        return cls(task, key, scores[0], ids, groups, clusters, mean, runs)

    @property
    def metric(self) -> MetricResult:
        """What the run says of the metric."""
        return self.task.metrics[self.key]

    def answers(self, rows: Rows) -> list[str]:
        """Return what the model under test said last about some of the samples."""
        return [last_answer(responses) for responses in self.chosen("responses", rows)]

    @property
    def stores_texts_of_key(self) -> bool:
        """Whether texts are stored as the metric's scheme has them: a task keeps those of its headline."""
        return self.key == self.task.headline and self.scores.has(_NORMALISED)

    def normalised(self, rows: Rows) -> tuple[list[str], list[str]]:
        """Return references and answers of some of the samples as the headline's scheme has them."""
        references, answers = ([str(text or "") for text in self.chosen(name, rows)] for name in _NORMALISED)
        return references, answers

    def labels(self, rows: Rows, field: str) -> tuple[Sequence[str | None], Rows]:
        """Return the cluster of some of the samples by a field; None where nothing is said of it.

        Returns:
            Labels, of which one may be there twice, and for each sample the place of its own.
        """
        groups = len(self.groups.dictionary)
        both = _codes(self.clusters, rows) * groups + _codes(self.groups, rows)
        return _of_distinct(both, lambda code: self._label(field, *divmod(code, groups)))

    def groups_of(self, rows: Rows) -> tuple[Sequence[Mapping[str, str]], Rows]:
        """Return the labels by which results are broken down, and for each of some samples the place of its own."""
        return _of_distinct(_codes(self.groups, rows), lambda code: self._texts_by_name(self.groups.dictionary[code]))

    def _label(self, field: str, cluster: int, group: int) -> str | None:
        texts = self.clusters.dictionary[cluster], self.groups.dictionary[group]
        return cluster_label(field, *map(self._texts_by_name, texts))

    def _texts_by_name(self, scalar: Any) -> Mapping[str, str]:
        """Read a JSON text that holds texts by name."""
        text = scalar.as_py()
        content = self._parsed(text)
        if not isinstance(content, dict) or not all(isinstance(label, str) for label in content.values()):
            raise self._damaged(text)
        return content

    def durations(self, rows: Rows) -> Statistics | None:
        """Return the seconds of audio of some of the samples, by ascending rows; None unless all of them are known."""
        seconds: list[Statistics] = []
        try:
            for texts in self.column("audio", rows):
                recordings = self._parsed_at_once(texts.to_pylist())
                lengths = [sum([part["duration"] for part in each]) for each in recordings]
                seconds.append(np.array(lengths, np.float64))
        except (TypeError, KeyError):
            return None
        return np.concatenate(seconds) if seconds and all(map(np.all, seconds)) else None

    def chosen(self, name: str, rows: Rows) -> list[Any]:
        """Return what a column holds of some of the samples."""
        ascending, place = np.unique(rows, return_inverse=True)
        values = [value for batch in self.column(name, ascending) for value in batch.to_pylist()]
        return [values[each] for each in place.tolist()]

    def column(self, name: str, rows: Rows) -> Iterator[Any]:
        """Yield a column of some of the samples as arrow arrays of few values, by ascending rows."""
        first = 0
        for table in self.scores.counted_batches([name]):
            begin, end = np.searchsorted(rows, [first, first + len(table)])
            if begin < end:
                yield table[name].take(rows[begin:end] - first)
            first += len(table)

    def _parsed_at_once(self, texts: Sequence[str]) -> list[Any]:
        """Read JSON texts, many times faster than one by one."""
        whole = f"[{','.join(map(str, texts))}]"
        content = self._parsed(whole)
        if len(content) != len(texts):  # a text of two values
            raise self._damaged(whole)
        return list(content)

    def _parsed(self, text: str) -> Any:
        try:
            return json.loads(text)
        except (TypeError, ValueError, RecursionError):
            raise self._damaged(text) from None

    def _damaged(self, content: object) -> StoreError:
        return StoreError(f"{self.scores.path}: a sample's labels or recordings cannot be read ({str(content)[:80]!r})")


def _codes(column: Any, rows: Rows) -> Rows:
    """Return where the values of some rows stand in the dictionary of a column."""
    codes: Rows = column.indices.to_numpy()[rows].astype(np.int64)
    return codes


def _of_distinct(codes: Rows, value_of: Callable[[int], _T]) -> tuple[list[_T], Rows]:
    """Return what stands for each distinct code, in the order of their first rows, and the place of each row's own."""
    distinct, first, places = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return [value_of(code) for code in distinct[order].tolist()], np.argsort(order)[places]


def _scores(run: RunResult, task: str) -> ScoresFile:
    if run.folder is None:
        raise StoreError(f"{run.name}: is not read from a folder, and has no scores to compare")
    return ScoresFile(run.folder / task, run.tasks[task].digest)
