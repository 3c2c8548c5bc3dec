"""Progress of a run: a bar with rate and remaining time on a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from tqdm import tqdm

from evalkit.chain import Outcome
from evalkit.types import Call, Response

_SECONDS_BETWEEN_LINES = 10.0


@dataclass(slots=True)
class _Count:
    """How far a task has come in this session."""

    title: str
    total: int
    calls: int = 0
    failed: int = 0
    done: int = 0
    not_asked: int = 0
    began: float = 0.0


class Progress:
    """Shows how far a run has come: samples of all tasks, rate, time left, failures, cost. An observer of the run.

    Args:
        tasks: title and number of samples of each task, by name.
    """

    def __init__(self, tasks: Mapping[str, tuple[str, int]]) -> None:
        self._tasks = {name: _Count(title, total) for name, (title, total) in tasks.items()}
        self._total = sum(count.total for count in self._tasks.values())
        self._done = self._calls = self._failed = 0
        self._cost: float | None = None
        self._began = self._last_line = time.monotonic()
        self._bar = tqdm(total=self._total, unit="sample", leave=False) if sys.stderr.isatty() else None

    def started(self, task: str, samples: int) -> None:  # noqa: ARG002 - known already
        """Show which task's samples are begun."""
        count = self._tasks[task]
        count.began = time.monotonic()
        if self._bar is not None:
            self._bar.set_description(count.title, refresh=False)

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

    def sample_done(self, task: str, outcome: Outcome, *, asked: bool) -> None:  # noqa: ARG002 - counted
        """Count one more sample that is dealt with, asked about in this session or before."""
        count = self._tasks[task]
        count.done += 1
        count.not_asked += not asked
        self._done += 1
        if self._bar is not None:
            self._bar.update()

    def finished(self, task: str) -> None:
        """Say what a task took."""
        count = self._tasks[task]
        seconds = time.monotonic() - count.began
        line = f"{count.title}: {count.calls} calls answered in {seconds:.1f} s, {count.failed} failed"
        if count.not_asked:
            line += f"; {count.not_asked} of {count.total} samples needed no asking"
        say(line)

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
        if self._done:
            parts.append(f"about {_duration(seconds / self._done * (self._total - self._done))} left")
        say(", ".join(parts))

    def _counts(self) -> list[str]:
        parts = [f"{self._calls:,} calls", f"{self._failed:,} failed"]
        return parts if self._cost is None else [*parts, f"cost {self._cost:,.4f}"]


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def say(line: str) -> None:
    """Tell the user something while a bar may be on the screen."""
    tqdm.write(line, file=sys.stderr)
