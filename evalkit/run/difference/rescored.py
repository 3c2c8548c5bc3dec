"""Scoring recorded answers in memory, by the task of either run. Nothing is asked, and no run folder is written to."""

from array import array
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from evalkit.errors import EvalkitError, StoreError
from evalkit.inference.replay import outcome_of
from evalkit.results.recorded_calls import RecordedCall
from evalkit.run.difference.opened import OpenedRun
from evalkit.run.stored import stored_tasks
from evalkit.task import Task
from evalkit.types import Call, Response, Sample

Statistics = Mapping[str, npt.NDArray[np.float64]]
"""Of samples: by key of the metric, samples × k."""


class _Answers:
    """Answers a chain's calls with what was recorded at the same place, whatever is asked now."""

    def __init__(self, calls: Sequence[RecordedCall]) -> None:
        self._calls = calls

    def get(self, sample_id: str, position: int, call: Call) -> Response | None:  # noqa: ARG002 - of one sample each
        """Return the recorded response, or None if there is no record of one, or one of another role."""
        recorded = self._calls[position] if position < len(self._calls) else None
        return recorded.response if recorded and recorded.request and recorded.role == call.role else None


def task_of(run: OpenedRun, name: str, allow: Sequence[str]) -> Task:
    """Make a task of a run again, as its configuration has it; see ``evalkit.run.stored.stored_tasks``.

    Raises:
        EvalkitError: it cannot be made here.
    """
    tasks = stored_tasks(run.config, [name], allow)
    if not tasks:
        raise StoreError(f"{run.folder}: config.yaml does not have the task {name}")
    return tasks[0]


def rescored(task: Task, answered: Iterable[tuple[Sample, Sequence[RecordedCall]]]) -> Statistics:
    """Score samples by a task, each with its recorded calls.

    Raises:
        StoreError: a sample cannot be scored: the task asks for an answer that was not recorded.
    """
    statistics = {key: array("d") for key in task.metrics}
    for sample, recorded in answered:
        try:
            score = outcome_of(task, _Answers(recorded), sample).score
        except EvalkitError as error:
            raise StoreError(f"sample {sample.id} was not asked what the task asks for ({error})") from error
        if score is None:
            raise StoreError(f"sample {sample.id} does not count")
        for key, numbers in statistics.items():
            numbers.extend(map(float, score.statistics[key]))
    return {
        key: np.array(statistics[key], np.float64).reshape(-1, len(metric.statistics))
        for key, metric in task.metrics.items()
    }
