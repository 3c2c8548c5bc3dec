"""Scoring the stored samples of a task chunk by chunk: in this process, or, where they are many, in several at once."""

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

from evalkit.results.responses import ResponseStore
from evalkit.results.score_rows import result_row, score_rows
from evalkit.results.scores import SamplesChunk
from evalkit.rooms import find_rooms_at_home
from evalkit.run.garbage import collected_seldom
from evalkit.run.processes import in_processes
from evalkit.run.scoring import ScoredChunk
from evalkit.run.stored import stored_tasks
from evalkit.run.stored_outcomes import stored_outcomes
from evalkit.run.tally import Tally
from evalkit.task import Task

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A task of a run folder, as plain values that another process can make it of.

    Attributes:
        folder: of the task, in the run folder.
        config: of the run, as ``read_stored_config`` returns it.
        allow: packages of the user's own whose task classes may be made.
    """

    folder: Path
    config: Mapping[str, Any] = field(compare=False)
    allow: tuple[str, ...] = ()


def scored_chunks(
    stored: StoredTask, task: Task, chunks: Iterable[SamplesChunk], processes: int
) -> Generator[ScoredChunk, None, None]:
    """Yield the scored samples of each chunk in order, in constant memory.

    Args:
        stored: where the responses lie.
        task: made again of ``stored``.
        chunks: the samples.
        processes: how many score at once.

    Raises:
        StoreError: the samples or responses cannot be read, or there is no answer to what the task asks.
        EvalkitError: a process was ended from outside.
    """
    yield from worked_on(_scored, stored, task, chunks, processes)


def worked_on(
    work: Callable[[Task, ResponseStore, _Item], _Result],
    stored: StoredTask,
    task: Task,
    items: Iterable[_Item],
    processes: int,
) -> Generator[_Result, None, None]:
    """Yield what is made of each item by a task and its responses, in order: in this process, or in several at once.

    Args:
        work: makes a result of an item; a function of a module.
        stored: where the responses lie.
        task: made again of ``stored``.
        items: to be worked on.
        processes: how many work at once.

    Raises:
        EvalkitError: a process was ended from outside; likewise what ``work`` raises.
    """
    if processes > 1:
        yield from in_processes(partial(_here, work, stored), items, processes, stored.folder)
        return
    with ResponseStore(stored.folder, writable=False) as store:
        for item in items:
            yield work(task, store, item)


def _scored(task: Task, store: ResponseStore, chunk: SamplesChunk) -> ScoredChunk:
    tally, rows, folder = Tally(task.metrics), [], chunk.path.parent.name
    with collected_seldom():
        for outcome in stored_outcomes(task, store, chunk.samples()):
            tally.add(outcome)
            rows.append(result_row(outcome, task.metrics, folder))
        return ScoredChunk(tally, score_rows(rows, task.metrics, task.details, chunk.table))


def _here(work: Callable[[Task, ResponseStore, _Item], _Result], stored: StoredTask, item: _Item) -> _Result:
    return work(*_opened_here(stored), item)


@lru_cache(1)  # one process works on samples of one task
def _opened_here(stored: StoredTask) -> tuple[Task, ResponseStore]:
    find_rooms_at_home()  # as the command line does, whose process is evalkit's alone too
    (task,) = stored_tasks(stored.config, [stored.folder.name], stored.allow)
    return task, ResponseStore(stored.folder, writable=False)
