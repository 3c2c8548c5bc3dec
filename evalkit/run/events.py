"""What happened when, kept in the run folder: ``events.jsonl`` for programs, ``run.log`` for people."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalkit.chain import Outcome
from evalkit.errors import StoreError
from evalkit.printable import printable
from evalkit.types import Call, Response

EVENTS = "events.jsonl"
LOG = "run.log"
_SECONDS_BETWEEN = 5.0
_log = logging.getLogger("evalkit")


class EventLog:
    """Appends to ``events.jsonl``, one JSON object a line: when a task begins and ends, each failure, and the counts.

    Answers are not told one by one, as every one of them stands in the responses already; a line ``progress`` with the
    counts of the session is written every few seconds at the most. The log has the failures too.

    Args:
        folder: the run folder.

    Raises:
        StoreError: the file cannot be written; likewise from every method.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / EVENTS
        self._samples = self._calls = self._failed = 0
        self._last = time.monotonic()
        try:
            self._file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise self._unwritable(error) from error
        self._write("session")

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
        if time.monotonic() - self._last >= _SECONDS_BETWEEN:
            self._write_counts()

    def finished(self, task: str) -> None:
        """Record that a task is done."""
        _log.info("%s: finished", task)
        self._write_counts()
        self._write("finished", task=task)

    def close(self) -> None:
        """Record that the session ends, in whatever way, and close the file."""
        self._write_counts()
        self._write("ended")
        self._file.close()

    def _write_counts(self) -> None:
        self._last = time.monotonic()
        self._write("progress", samples=self._samples, calls=self._calls, failed=self._failed)

    def _write(self, event: str, **fields: Any) -> None:
        record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
        try:
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(f"{self._path}: cannot be written ({error.strerror})")


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
