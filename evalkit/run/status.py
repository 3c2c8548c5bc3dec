"""How a run is going, told from its folder alone while it goes on or afterwards; nothing is locked or written.

What is read is the event log, each line once, and the times at which files were last written to: whether a folder holds
a thousand responses or a million makes no difference.
"""

import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from evalkit.errors import StoreError
from evalkit.object_store import SECONDS_BETWEEN, address_of
from evalkit.results.metrics_file import FILE_NAME, without_results
from evalkit.results.shards import shards_of
from evalkit.run.event_history import EventHistory, Mark, RoleCounts, TaskHistory
from evalkit.run.events import EVENTS, LONGEST_SILENCE

State = Literal["running", "finished", "stopped", "died", "silent"]
"""``stopped``: before its end, by an error, an interrupt or a limit. ``died``: its process is gone without a word.
``silent``: nothing was heard of it for longer than a process at work is silent, and whether it lives is not known."""

_LONGEST_PAUSE = 3 * LONGEST_SILENCE


@dataclass(frozen=True, slots=True)
class RoleStatus:
    """What the model of a role did for a task.

    Attributes:
        answers: good ones, over all sessions of the run.
        failures: calls without an answer in the last session.
        cost: of the answers, over all sessions; None where it is not counted.
        per_second: answers a second of late; None of a run that does not go on.
    """

    answers: int
    failures: int
    cost: float | None
    per_second: float | None


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """How far a task has come.

    Attributes:
        state: ``finished``, ``running``, ``waiting`` for its turn, or ``unfinished`` and not under way.
        done: samples that are dealt with; answered ones that wait for an earlier one of the task are not among them.
        samples: how many it has; None where that is not known.
        per_second: samples asked about in a second of late; None of a run that does not go on.
        seconds_left: until it is finished at that rate, other tasks disregarded; None where that is not known.
        roles: what the model of each role did.
    """

    state: Literal["finished", "running", "waiting", "unfinished"]
    done: int
    samples: int | None
    per_second: float | None
    seconds_left: float | None
    roles: Mapping[str, RoleStatus]


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How a run is going.

    Attributes:
        folder: of the run.
        state: of the process and its session.
        host: the machine that it runs or ran on; None where that is not known.
        process: its number there; likewise.
        here: whether that machine is this one; None where that is not known.
        began: when the last session began.
        written: when the process last wrote, a response or an event.
        memory: bytes that the process held when it last told; None where that is not known.
        busy: the share of the last ten minutes that the model of a role was at work, from 0 to 1, where that is known;
            of a run that does not go on, that of its last session.
        cost: of all answers over all sessions; None where none is counted.
        per_second: samples asked about in a second of late, all tasks together; None of a run that does not go on.
        seconds_left: at that rate; None where that is not known.
        tasks: by name, in the order of the run.
        unreadable: damaged lines of the event log, which are left aside.
    """

    folder: Path
    state: State
    host: str | None
    process: int | None
    here: bool | None
    began: datetime
    written: datetime
    memory: int | None
    busy: Mapping[str, float]
    cost: float | None
    per_second: float | None
    seconds_left: float | None
    tasks: Mapping[str, TaskStatus]
    unreadable: int


def begun_runs(folder: Path) -> list[Path]:
    """Return the run folders that a folder holds: repeated runs, or a run's shards; itself if it has none."""
    if (folder / EVENTS).is_file():
        return [folder]
    held = sorted(path.parent for path in folder.glob(f"*/{EVENTS}"))
    return held or [path for path in shards_of(folder).values() if (path / EVENTS).is_file()] or [folder]


class RunWatch:
    """Looks at a run again and again, reading each time what is new.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._history = EventHistory(folder)
        # A copy's files have the times at which it was fetched, of what was brought to the store every minute.
        self._is_copy = address_of(folder) is not None
        self._longest_pause = _LONGEST_PAUSE + (SECONDS_BETWEEN if self._is_copy else 0)

    def status(self) -> RunStatus:
        """Return how the run is going now.

        Raises:
            StoreError: the folder is not that of a run, or its event log cannot be read.
        """
        if not (self._folder / EVENTS).is_file():
            if (self._folder / FILE_NAME).is_file():
                raise StoreError(f"{self._folder}: has results, and no {EVENTS} that tells how they came about")
            raise StoreError(f"{without_results(self._folder)}; it has no {EVENTS}")
        history = self._history
        history.read_on()
        if not history.session:
            raise StoreError(f"{self._folder / EVENTS}: tells of no session of a run")
        written = max((self._last_event(), *self._times_of_responses()))
        here = None if history.process is None else history.process.host == socket.gethostname()
        state = self._state(time.time() - written)
        now = history.last if state in ("running", "silent") else None
        tasks = {
            name: _task_status(task, now if task.session == history.session else None)
            for name, task in history.tasks.items()
        }
        costs = [role.cost for task in tasks.values() for role in task.roles.values() if role.cost is not None]
        rates = [task.per_second for task in tasks.values() if task.per_second is not None]
        return RunStatus(
            folder=self._folder,
            state=state,
            host=None if history.process is None else history.process.host,
            process=None if history.process is None else history.process.process,
            here=here,
            began=_time(history.began),
            written=_time(written),
            memory=history.memory,
            busy=history.busy(),
            cost=sum(costs) if costs else None,
            per_second=sum(rates) if rates else None,
            seconds_left=_seconds_left(tasks, sum(rates)),
            tasks=tasks,
            unreadable=history.unreadable,
        )

    def _last_event(self) -> float:
        """Return when the last event was written: by the file's own time where the clock of its machine is ahead."""
        last = self._history.last
        return last if last <= time.time() + self._longest_pause else (self._folder / EVENTS).stat().st_mtime

    def _times_of_responses(self) -> Iterator[float]:
        for name in () if self._is_copy else self._history.tasks:
            if Path(name).name == name:  # the file may be someone else's
                yield from (path.stat().st_mtime for path in (self._folder / name).glob("*.jsonl"))

    def _state(self, pause: float) -> State:
        history = self._history
        if history.ended:
            of_session = [task for task in history.tasks.values() if task.session == history.session]
            return "finished" if all(task.finished for task in of_session) else "stopped"
        if history.process is not None and history.process.is_known_to_be_gone():
            return "died"
        return "running" if pause <= self._longest_pause else "silent"


def _task_status(task: TaskHistory, now: float | None) -> TaskStatus:
    """Describe a task; ``now`` is None unless a session goes on that the task is part of."""
    if task.finished:
        now = None
    rate = None if now is None else task.rate(now, _asked)
    # An older version did not tell how far each task had come.
    done = (task.samples or 0) if task.finished and not task.marks else task.last.done
    roles = dict.fromkeys((*task.at_first.roles, *task.last.roles))
    under_way: Literal["running", "waiting"] = "running" if task.begun else "waiting"
    return TaskStatus(
        state="finished" if task.finished else "unfinished" if now is None else under_way,
        done=done,
        samples=task.samples,
        per_second=rate,
        seconds_left=None if task.samples is None or not rate else max(task.samples - done, 0) / rate,
        roles={role: _role_status(role, task, now) for role in roles},
    )


def _role_status(role: str, task: TaskHistory, now: float | None) -> RoleStatus:
    counts, at_first = (mark.roles.get(role, RoleCounts()) for mark in (task.last, task.at_first))
    rate = None if now is None else task.rate(now, lambda mark: mark.roles.get(role, RoleCounts()).answers)
    return RoleStatus(counts.answers, max(counts.failures - at_first.failures, 0), counts.cost, rate)


def _seconds_left(tasks: Mapping[str, TaskStatus], rate: float) -> float | None:
    left = 0
    for task in tasks.values():
        if task.state in ("running", "waiting"):
            if task.samples is None:
                return None
            left += max(task.samples - task.done, 0)
    return left / rate if rate else None


def _asked(mark: Mark) -> int:
    return mark.asked


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=0)
