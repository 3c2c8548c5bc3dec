"""What ``events.jsonl`` tells of a run, line by line, as far as it has been written; see ``evalkit.run.events``."""

import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from evalkit.errors import StoreError
from evalkit.inference.work_clock import AtWork
from evalkit.process_identity import ProcessIdentity
from evalkit.results.fields import Fields
from evalkit.run.events import EVENTS

_M = TypeVar("_M")

_WINDOW = 600.0
_FAILURE = re.compile(rb'\{"time": "[^"]*", "event": "failed", .*\}\n').fullmatch


@dataclass(frozen=True, slots=True)
class RoleCounts:
    """What the model of a role has done for a task.

    Attributes:
        answers: good ones, over all sessions.
        failures: calls without an answer, over all sessions.
        cost: of the answers, over all sessions; None where it is not counted.
    """

    answers: int = 0
    failures: int = 0
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a task had come at one time.

    Attributes:
        time: seconds since the epoch.
        done: samples that are dealt with, in this session.
        asked: those of them that something had to be asked about.
        roles: the counts of each.
    """

    time: float
    done: int = 0
    asked: int = 0
    roles: Mapping[str, RoleCounts] = field(default_factory=dict)


@dataclass(slots=True)
class TaskHistory:
    """A task in the last session that it was part of.

    Attributes:
        samples: how many it has; None where that is not known.
        session: the number of the session.
        begun: whether its first sample is begun.
        finished: whether it is finished.
        at_first: how far it had come as the session began.
        marks: how far it came since: the last one before the window that rates are taken of, and those in it.
    """

    samples: int | None
    session: int
    at_first: Mark
    begun: bool = False
    finished: bool = False
    marks: deque[Mark] = field(default_factory=deque)

    @property
    def last(self) -> Mark:
        """How far it has come."""
        return self.marks[-1] if self.marks else self.at_first

    def rate(self, now: float, count: Callable[[Mark], int]) -> float:
        """Return how much a count grew in a second, over the last ten minutes before a time or since the beginning."""
        since = max(self.at_first.time, now - _WINDOW)
        before = [mark for mark in (self.at_first, *self.marks) if mark.time <= since]
        return (count(self.last) - count(before[-1])) / (now - since) if now > since else 0.0


class EventHistory:
    """Reads the events of a run as they are written, each once.

    Args:
        folder: the run folder.

    Attributes:
        session: number of the last session, from 1; 0 where there is none.
        process: that of the last session; None where that is not known.
        began: when it began.
        last: when the last line was written, by the clock of that machine.
        ended: whether the session ended.
        memory: bytes that the process held; None where that is not known.
        at_work: how much of the time of the session the model of each role was at work, where that is known; as it
            was before the window that shares are taken of, and since.
        tasks: by name.
        unreadable: how many lines are damaged, as the line of a process that was killed may be.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / EVENTS
        self._begin(None)

    def _begin(self, file: int | None) -> None:
        self._file = file
        self._offset = 0
        self.session = self.unreadable = 0
        self.process: ProcessIdentity | None = None
        self.began = self.last = 0.0
        self.ended = False
        self.memory: int | None = None
        self.at_work: deque[tuple[float, Mapping[str, AtWork]]] = deque()
        self.tasks: dict[str, TaskHistory] = {}

    def busy(self) -> dict[str, float]:
        """Return the share of the time that the model of each role was at work, over the last ten minutes told of.

        Over the whole session once that ended, and of a model that was ready for less.
        """
        if not self.at_work:
            return {}
        now, last = self.at_work[-1]
        before, first = (now, {}) if self.ended else self.at_work[0]
        shares: dict[str, float] = {}
        for role, each in last.items():
            if role in first and now > before:
                shares[role] = min((each.seconds - first[role].seconds) / (now - before), 1.0)
            elif each.share is not None:
                shares[role] = each.share
        return shares

    def read_on(self) -> None:
        """Read what was written since the last time; from the beginning if the file is another one now.

        Raises:
            StoreError: the file is not there or cannot be read.
        """
        try:
            status = self._path.stat()
            if status.st_ino != self._file or status.st_size < self._offset:
                self._begin(status.st_ino)
            with self._path.open("rb") as file:
                file.seek(self._offset)
                failure = b""
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # being written at this moment, or torn
                    self._offset += len(line)
                    if _FAILURE(line):  # there may be a million, which only tell that the process lived
                        failure = line
                    else:
                        self._take(line)
                        failure = b""
                if failure:
                    self._take(failure)
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be read ({error.strerror}); is this a run folder?") from error

    def _take(self, line: bytes) -> None:
        try:
            fields = Fields(EVENTS, json.loads(line))
            self._take_event(fields, datetime.fromisoformat(fields.text("time")).timestamp())
        except (StoreError, ValueError, RecursionError, OverflowError):
            self.unreadable += 1

    def _take_event(self, fields: Fields, time: float) -> None:
        event = fields.text("event")
        if event == "session":
            self._take_session(fields, time)
        elif event == "started":
            task = self._task(fields, time)
            task.begun, task.samples = True, fields.count("samples")
        elif event == "finished":
            self._task(fields, time).finished = True
        elif event == "progress" and "tasks" in fields:
            self.memory = fields.optional("memory", fields.count)
            if "at_work" in fields:  # older versions did not say
                self.at_work.append((time, _at_work(fields)))
                _forget_before_window(self.at_work, time, lambda mark: mark[0])
            for name, counts in fields.objects("tasks"):
                self._mark(name, _mark(counts, time), time)
        elif event == "ended":
            self.ended = True
        self.last = time

    def _take_session(self, fields: Fields, time: float) -> None:
        known = "host" in fields  # older versions did not say
        started = fields.text("started") if "started" in fields else ""  # nor that
        process = ProcessIdentity(fields.text("host"), fields.count("process"), started) if known else None
        tasks = {name: (each.count("samples"), _roles(each)) for name, each in fields.objects("tasks")} if known else {}
        self.session += 1
        self.process, self.began, self.ended, self.memory = process, time, False, None
        self.at_work.clear()
        for name, (samples, roles) in tasks.items():
            self.tasks[name] = TaskHistory(samples, self.session, Mark(time, roles=roles))

    def _task(self, fields: Fields, time: float) -> TaskHistory:
        name = fields.text("task")
        found = self.tasks.get(name)
        if found is None or found.session != self.session:
            found = self.tasks[name] = TaskHistory(None, self.session, Mark(time))
        return found

    def _mark(self, name: str, mark: Mark, now: float) -> None:
        if name not in self.tasks:
            raise StoreError(f"{EVENTS}: counts of {name}, which is no task of the session")
        marks = self.tasks[name].marks
        marks.append(mark)
        _forget_before_window(marks, now, lambda mark: mark.time)


def _forget_before_window(marks: deque[_M], now: float, time_of: Callable[[_M], float]) -> None:
    """Keep of the marks before the window that ends now the last alone."""
    while len(marks) > 1 and time_of(marks[1]) <= now - _WINDOW:
        marks.popleft()


def _at_work(fields: Fields) -> dict[str, AtWork]:
    return {role: AtWork(each.number("seconds"), each.number("of")) for role, each in fields.objects("at_work")}


def _mark(fields: Fields, time: float) -> Mark:
    return Mark(time, fields.count("done"), fields.count("asked"), _roles(fields))


def _roles(fields: Fields) -> dict[str, RoleCounts]:
    return {
        role: RoleCounts(each.count("answers"), each.count("failures"), each.number("cost") if "cost" in each else None)
        for role, each in fields.objects("roles")
    }
