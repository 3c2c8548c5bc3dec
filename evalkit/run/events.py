"""What happened when, kept in the run folder: ``events.jsonl`` for programs, ``run.log`` for people."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalkit.chain import Outcome
from evalkit.errors import StoreError
from evalkit.inference.work_clock import AtWork
from evalkit.printable import printable
from evalkit.process_identity import ProcessIdentity
from evalkit.results.usage import RoleUsage
from evalkit.types import Call, Response

EVENTS = "events.jsonl"
LOG = "run.log"
LONGEST_SILENCE = 30.0
"""Seconds between two lines of counts, at the most. It is a hundredth of the session, so that the file of a run of many
days stays small, and of a run that began a moment ago something is known."""
_SHORTEST = 5.0
_log = logging.getLogger("evalkit")


class EventLog:
    """Appends to ``events.jsonl``, one JSON object a line: when a task begins and ends, each failure, and the counts.

    Answers are not told one by one, as every one of them stands in the responses already. A thread writes the counts,
    also while nothing is answered: the line tells whoever reads the folder from elsewhere that the process is alive.

    Args:
        folder: the run folder.
        tasks: how many samples each task of the session has.
        usage: what the calls of each task took over all sessions, by role; read again for each line of counts.
        at_work: gives how much of the time the model of each role was at work, of those of which that is known.

    Raises:
        StoreError: the file cannot be written; likewise from every method.
    """

    def __init__(
        self,
        folder: Path,
        tasks: Mapping[str, int],
        usage: Mapping[str, Mapping[str, RoleUsage]],
        at_work: Callable[[], Mapping[str, AtWork]] = dict,
    ) -> None:
        self._path = folder / EVENTS
        self._usage = usage
        self._at_work = at_work
        self._samples = self._calls = self._failed = 0
        self._done = dict.fromkeys(tasks, 0)
        self._asked = dict.fromkeys(tasks, 0)
        self._lock = threading.RLock()
        try:
            torn = self._path.exists() and _is_torn(self._path)
            self._file = self._path.open("a", encoding="utf-8")
            if torn:
                self._file.write("\n")
        except OSError as error:
            raise self._unwritable(error) from error
        self._written = {task: self._counts(task) for task in tasks}
        at_first = {task: {"samples": samples, "roles": self._roles(task)} for task, samples in tasks.items()}
        self._write("session", **asdict(ProcessIdentity.this_process()), tasks=at_first)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_counts_by_and_by, name="events", daemon=True)
        self._thread.start()

    def started(self, task: str, samples: int) -> None:
        """Record that a task begins."""
        _log.info("%s: %d samples", task, samples)
        self._write("started", task=task, samples=samples)

    def answered(self, task: str, sample_id: str, call: Call, response: Response) -> None:  # noqa: ARG002 - counted
        """Count an answer."""
        self._calls += 1

    def failed(self, task: str, sample_id: str, call: Call, response: Response) -> None:
        """Record a call without an answer, and why."""
        self._calls += 1
        self._failed += 1
        failure = {} if response.failure is None else response.failure.to_json()
        _log.warning("%s, sample %s, %s: %s", task, sample_id, call.role, response.error)
        self._write("failed", task=task, sample=sample_id, role=call.role, **failure)

    def sample_done(self, task: str, outcome: Outcome, *, asked: bool) -> None:  # noqa: ARG002 - counted
        """Count a sample."""
        self._samples += 1
        self._done[task] += 1
        self._asked[task] += asked

    def finished(self, task: str) -> None:
        """Record that a task is done."""
        _log.info("%s: finished", task)
        self._write_counts()
        self._write("finished", task=task)

    def close(self) -> None:
        """Record that the session ends, in whatever way, and close the file."""
        self._closing.set()
        self._thread.join()
        self._write_counts()
        self._write("ended")
        self._file.close()

    def _write_counts_by_and_by(self) -> None:
        began = time.monotonic()
        while not self._closing.wait(min(max((time.monotonic() - began) / 100, _SHORTEST), LONGEST_SILENCE)):
            try:
                self._write_counts()
            except StoreError:
                return  # the thread of the run meets the same, and says so

    def _write_counts(self) -> None:
        with self._lock:
            counts = {task: self._counts(task) for task in self._done}
            changed = {task: each for task, each in counts.items() if each != self._written[task]}
            self._written = counts
            self._write(
                "progress",
                samples=self._samples,
                calls=self._calls,
                failed=self._failed,
                memory=_resident_bytes(),
                at_work={role: each.to_json() for role, each in self._at_work().items()},
                tasks=changed,
            )

    def _counts(self, task: str) -> dict[str, Any]:
        return {"done": self._done[task], "asked": self._asked[task], "roles": self._roles(task)}

    def _roles(self, task: str) -> dict[str, Any]:
        return {
            role: {
                "answers": took.answers,
                "failures": took.failures,
                **({} if took.spent.cost is None else {"cost": round(took.spent.cost, 9)}),
            }
            for role, took in list(self._usage[task].items())
        }

    def _write(self, event: str, **fields: Any) -> None:
        record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
        try:
            with self._lock:
                self._file.write(json.dumps(record) + "\n")
                self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(f"{self._path}: cannot be written ({error.strerror})")


def _is_torn(path: Path) -> bool:
    """Tell whether a file ends within a line, as one does whose writer was killed."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def _resident_bytes() -> int | None:
    """Return how much memory this process holds, or None on systems that do not tell in the manner of Linux."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def run_log(folder: Path) -> Iterator[None]:
    """Within the context, keep what is logged under the name ``evalkit`` in the run folder.

    Raises:
        StoreError: the log cannot be written.
    """
    path = folder / LOG
    try:
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror})") from error
    handler.setLevel(logging.INFO)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
    level = _log.level
    _log.disabled = False  # configuring logging, as Hydra does, switches off the loggers that are there already
    _log.addHandler(handler)
    _log.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        _log.setLevel(level)
        _log.removeHandler(handler)
        handler.close()


class _OneLine(logging.Formatter):
    """One line for each record, whatever a model or server put into the message."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
