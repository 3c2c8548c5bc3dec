"""One run's side of a comparison: the samples of a task that count towards one of its metrics."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.errors import StoreError
from evalkit.results.clusters import cluster_label
from evalkit.results.metrics_file import RunResult
from evalkit.results.scores import ScoresFile, last_answer
from evalkit.results.task_result import MetricResult, TaskResult

Rows = npt.NDArray[np.int64]
Statistics = npt.NDArray[np.float64]

_COLUMNS = ("id", "references", "language", "audio", "groups", "clusters")
_PARSED_AT_ONCE = 10_000  # JSON texts: few enough for what they hold to take little memory
_NORMALISED = ("reference_normalised", "hypothesis_normalised")


@dataclass(frozen=True)
class Side:
    """The samples of a task that count towards one of its metrics in one run.

    Attributes:
        task: what the run measured.
        key: of the metric.
        scores: where the samples lie.
        table: a row for each sample that counts: its id, references, language, recordings and labels.
        statistics: of the metric, row by row; of repeated runs the mean over them.
        runs: the statistics of each of several runs, runs × samples × k; of one run only its own.
    """

    task: TaskResult
    key: str
    scores: ScoresFile
    table: Any
    statistics: Statistics
    runs: Statistics

    @classmethod
    def read(cls, run: RunResult, task: TaskResult, key: str) -> "Side":
        """Read what a comparison needs of every sample; longer texts are read of those that are shown.

        Of repeated runs, whose samples are the same, the first stands for all but for the statistics.

        Raises:
            StoreError: the scores cannot be read, or the run was not read from a folder.
        """
        names = tuple(task.metrics[key].statistics)
        scores = [_scores(each, task.name) for each in run.repetitions or (run,)]
        runs = np.stack([each.statistics(key, names) for each in scores])
        return cls(task, key, scores[0], scores[0].counted(_COLUMNS), runs.mean(axis=0), runs)

    @property
    def metric(self) -> MetricResult:
        """What the run says of the metric."""
        return self.task.metrics[self.key]

    def answers(self, rows: Rows) -> list[str]:
        """Return what the model under test said last about some of the samples."""
        return [last_answer(responses) for responses in self._chosen("responses", rows)]

    @property
    def stores_texts_of_key(self) -> bool:
        """Whether texts are stored as the metric's scheme has them: a task keeps those of its headline."""
        return self.key == self.task.headline and self.scores.has(_NORMALISED)

    def normalised(self, rows: Rows) -> tuple[list[str], list[str]]:
        """Return references and answers of some of the samples as the headline's scheme has them."""
        references, answers = ([str(text or "") for text in self._chosen(name, rows)] for name in _NORMALISED)
        return references, answers

    def labels(self, rows: Rows, field: str) -> Iterator[str | None]:
        """Yield the cluster of some of the samples by a field; None where nothing is said of it."""
        known: dict[tuple[str, str], str | None] = {}
        columns = (self.table[name].take(rows).to_pylist() for name in ("clusters", "groups"))
        for texts in zip(*columns, strict=True):
            if texts not in known:
                known[texts] = cluster_label(field, *(self.texts_by_name(text) for text in texts))
            yield known[texts]

    def texts_by_name(self, text: str) -> Mapping[str, str]:
        """Read a JSON text that holds texts by name."""
        content = self._parsed(text)
        if not isinstance(content, dict) or not all(isinstance(label, str) for label in content.values()):
            raise self._damaged(text)
        return content

    def durations(self, rows: Rows) -> list[float] | None:
        """Return the seconds of audio of some of the samples; None unless all of them are known."""
        texts = self.table["audio"].take(rows).to_pylist()
        try:
            seconds = [
                sum([each["duration"] for each in recordings])
                for first in range(0, len(texts), _PARSED_AT_ONCE)
                for recordings in self._parsed_at_once(texts[first : first + _PARSED_AT_ONCE])
            ]
        except (TypeError, KeyError):
            return None
        return seconds if all(seconds) else None

    def _chosen(self, name: str, rows: Rows) -> list[Any]:
        return list(self.scores.counted([name])[name].take(rows).to_pylist())

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


def _scores(run: RunResult, task: str) -> ScoresFile:
    if run.folder is None:
        raise StoreError(f"{run.name}: is not read from a folder, and has no scores to compare")
    return ScoresFile(run.folder / task, run.tasks[task].digest)
