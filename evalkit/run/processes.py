"""Work that is divided among several processes, its results gathered in order and in constant memory."""

import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TypeVar

from evalkit.errors import EvalkitError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_FEWEST_SAMPLES = 20_000  # fewer are done with sooner than processes have started
_MOST_PROCESSES = 8  # more would wait for the one that gathers
_WAITING = 2  # items for each process, so that none waits for the next
_SECONDS_BETWEEN_LOOKS = 1.0
_log = logging.getLogger("evalkit")


def processes_for(samples: int) -> int:
    """Return in how many processes so many samples are worked on: by the cores that this one may use."""
    # What is logged for people who debug is printed by this process alone.
    if samples < _FEWEST_SAMPLES or _log.isEnabledFor(logging.DEBUG):
        return 1
    from loky import cpu_count

    return min(int(cpu_count()), _MOST_PROCESSES)


def in_processes(
    work: Callable[[_Item], _Result], items: Iterable[_Item], processes: int, folder: Path
) -> Generator[_Result, None, None]:
    """Yield what is made of each item, in order; few items are taken ahead.

    Args:
        work: makes a result of an item; a function of a module, or a partial one, so that other processes find it.
        items: to be worked on.
        processes: how many work at once.
        folder: of the task that the items are of, for messages.

    Raises:
        EvalkitError: a process was ended from outside; likewise what ``work`` raises.
    """
    # Unlike those of the standard library, its processes do not carry out the user's script from the top once more.
    from loky.process_executor import ProcessPoolExecutor

    waiting: deque[Future[_Result]] = deque()
    resource_tracker.ensure_running()  # it lets interrupts through again when it starts
    pool = ProcessPoolExecutor(processes, initializer=_end_with, initargs=(os.getpid(),))
    try:
        for item in items:
            with _interrupts_held():  # the first one starts the processes
                waiting.append(pool.submit(work, item))
            if len(waiting) > _WAITING * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise EvalkitError(
            f"{folder}: a process that worked on samples was ended from outside, by want of memory for instance; "
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
