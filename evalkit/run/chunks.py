"""Scoring the stored samples of a task chunk by chunk: in this process, or, where they are many, in several at once."""

import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from evalkit.errors import EvalkitError
from evalkit.results.responses import ResponseStore
from evalkit.results.score_rows import result_row, score_rows
from evalkit.results.scores import SamplesChunk
from evalkit.rooms import find_rooms_at_home
from evalkit.run.garbage import collected_seldom
from evalkit.run.scoring import ScoredChunk
from evalkit.run.stored import stored_tasks
from evalkit.run.stored_outcomes import stored_outcomes
from evalkit.run.tally import Tally
from evalkit.task import Task

_FEWEST_SAMPLES = 20_000  # fewer are scored sooner than processes have started
_MOST_PROCESSES = 8  # more would wait for the one that writes
_WAITING = 2  # chunks for each process, so that none waits for the next
_SECONDS_BETWEEN_LOOKS = 1.0
_log = logging.getLogger("evalkit")


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


def processes_for(samples: int) -> int:
    """Return in how many processes so many samples are scored: by the cores that this one may use."""
    # What is logged for people who debug is printed by this process alone.
    if samples < _FEWEST_SAMPLES or _log.isEnabledFor(logging.DEBUG):
        return 1
    from loky import cpu_count

    return min(int(cpu_count()), _MOST_PROCESSES)


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
    if processes > 1:
        yield from _scored_in_processes(stored, chunks, processes)
        return
    with ResponseStore(stored.folder, writable=False) as store:
        for chunk in chunks:
            yield _scored(task, store, chunk)


def _scored(task: Task, store: ResponseStore, chunk: SamplesChunk) -> ScoredChunk:
    tally, rows, folder = Tally(task.metrics), [], chunk.path.parent.name
    with collected_seldom():
        for outcome in stored_outcomes(task, store, chunk.samples()):
            tally.add(outcome)
            rows.append(result_row(outcome, task.metrics, folder))
        return ScoredChunk(tally, score_rows(rows, task.metrics, task.details, chunk.table))


def _scored_in_processes(stored: StoredTask, chunks: Iterable[SamplesChunk], processes: int) -> Iterator[ScoredChunk]:
    # Unlike those of the standard library, its processes do not carry out the user's script from the top once more.
    from loky.process_executor import ProcessPoolExecutor

    waiting: deque[Future[ScoredChunk]] = deque()
    resource_tracker.ensure_running()  # it lets interrupts through again when it starts
    pool = ProcessPoolExecutor(processes, initializer=_end_with, initargs=(os.getpid(),))
    try:
        for chunk in chunks:
            with _interrupts_held():  # the first one starts the processes
                waiting.append(pool.submit(_scored_here, stored, chunk))
            if len(waiting) > _WAITING * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise EvalkitError(
            f"{stored.folder}: a process that scored samples was ended from outside, by want of memory for instance; "
            "the scores stay as they were, run the same command again"
        ) from error
    finally:
        pool.shutdown(kill_workers=bool(waiting))  # what nobody waits for any more need not be finished


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold interrupts back for a while, and for good from processes that start in it: this one ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with(parent: int) -> None:
    """Have this process end when its parent has ended in whatever way."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, name="end of the parent", daemon=True).start()


def _scored_here(stored: StoredTask, chunk: SamplesChunk) -> ScoredChunk:
    return _scored(*_opened(stored), chunk)


@lru_cache(1)  # one process scores samples of one task
def _opened(stored: StoredTask) -> tuple[Task, ResponseStore]:
    find_rooms_at_home()  # as the command line does, whose process is evalkit's alone too
    (task,) = stored_tasks(stored.config, [stored.folder.name], stored.allow)
    return task, ResponseStore(stored.folder, writable=False)
