"""Progress of a run: a bar with rate and remaining time on a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tqdm import tqdm

from evalkit.chain import Outcome
from evalkit.printable import printable
from evalkit.types import Call, Response

_SECONDS_BETWEEN_LINES = 10.0
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}, {rate_noinv_fmt}, {remaining} left{postfix}"


@dataclass(slots=True)
class _Count:
    """How far a task has come in this session."""

    title: str
    total: int
    calls: int = 0
    failed: int = 0
    kept: int = 0
    skipped: int = 0


class Progress:
    """Shows how far a run has come: samples of all tasks, rate, time left, failures, cost. An observer of the run.

    Args:
        tasks: title and number of samples of each task, by name.
    """

    def __init__(self, tasks: Mapping[str, tuple[str, int]]) -> None:
        self._tasks = {name: _Count(title, total) for name, (title, total) in tasks.items()}
        self._total = sum(count.total for count in self._tasks.values())
        self._done = self._asked = self._calls = self._failed = self._finished = 0
        self._cost: float | None = None
        self._began = self._last_line = time.monotonic()
        self._bar: tqdm[Any] | None = None
        if sys.stderr.isatty():
            # Without smoothing, so that the rate is that of the samples asked about; see sample_done.
            self._bar = tqdm(
                total=self._total, unit=" samples", leave=False, smoothing=0, desc=self._where(), bar_format=_BAR
            )

    def started(self, task: str, samples: int) -> None:
        """Take no note of a task that begins: several are under way at once."""

    def answered(self, task: str, sample_id: str, call: Call, response: Response) -> None:  # noqa: ARG002 - counted
        """Count one more answer."""
        self._tasks[task].calls += 1
        self._calls += 1
        usage = response.usage
        if usage is not None and usage.cost is not None and not response.cached:
            self._cost = (self._cost or 0.0) + usage.cost
        self._show()

    def failed(self, task: str, sample_id: str, call: Call, response: Response) -> None:
        """Count one more call without an answer."""
        self._tasks[task].failed += 1
        self._failed += 1
        self.answered(task, sample_id, call, response)

    def sample_done(self, task: str, outcome: Outcome, *, asked: bool) -> None:
        """Count one more sample that is dealt with, asked about in this session or before."""
        count = self._tasks[task]
        count.skipped += outcome.status == "skipped"
        count.kept += not asked and outcome.status != "skipped"
        self._asked += asked
        self._done += 1
        if self._bar is not None:
            self._bar.initial += not asked  # what takes no time says nothing of how long the others will take
            self._bar.update()

    def finished(self, task: str) -> None:
        """Say what came of a task."""
        count = self._tasks[task]
        parts = [f"{_calls(count.calls)}, {count.failed:,} failed"]
        if count.kept:
            parts.append(f"{count.kept:,} of {count.total:,} samples needed no asking")
        if count.skipped:
            parts.append(f"{count.skipped:,} of {count.total:,} samples skipped")
        say(f"{count.title}: {'; '.join(parts)}; {duration(time.monotonic() - self._began)} since the start")
        self._finished += 1
        if self._bar is not None:
            self._bar.set_description_str(self._where(), refresh=False)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(", ".join(self._counts()), refresh=False)
            return
        now = time.monotonic()
        if now - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        seconds = now - self._began
        parts = [f"{self._done:,} of {self._total:,} samples", *self._counts(), f"{self._calls / seconds:.1f} a second"]
        if self._asked:  # samples that are answered already take no time, and say nothing of those to come
            parts.append(f"about {duration(seconds / self._asked * (self._total - self._done))} left")
        say(", ".join(parts))

    def _where(self) -> str:
        if len(self._tasks) == 1:
            return printable(next(iter(self._tasks.values())).title)
        return f"{self._finished} of {len(self._tasks)} tasks"

    def _counts(self) -> list[str]:
        parts = [_calls(self._calls), f"{self._failed:,} failed"]
        return parts if self._cost is None else [*parts, f"cost {self._cost:,.4f}"]


def _calls(number: int) -> str:
    return "1 call" if number == 1 else f"{number:,} calls"


def duration(seconds: float) -> str:
    """Return a time in words: 90 s, 12 min, 3.4 h."""
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def say(line: str) -> None:
    """Tell the user something while a bar may be on the screen."""
    tqdm.write(printable(line), file=sys.stderr)
