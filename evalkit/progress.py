"""Progress of a task: a bar with rate and remaining time on a terminal, plain lines in a log."""

import sys
import time
from types import TracebackType

from tqdm import tqdm

from evalkit.types import Response

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts the answers and the finished samples of one task as they come.

    Args:
        title: what is being run.
        total: how many samples there are; some may need no asking.
    """

    def __init__(self, title: str, total: int) -> None:
        self._title = title
        self._total = total
        self._calls = 0
        self._failed = 0
        self._finished = 0
        self._not_asked = 0
        self._started = self._last_line = time.monotonic()
        self._bar = tqdm(total=total, desc=title, unit="sample", leave=False) if sys.stderr.isatty() else None

    def answer(self, response: Response) -> None:
        """Count one more answer."""
        self._calls += 1
        self._failed += response.failed
        if self._bar is not None:
            counts = {"calls": self._calls} | ({"failed": self._failed} if self._failed else {})
            self._bar.set_postfix(counts, refresh=False)
        elif time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            rate = self._calls / max(time.monotonic() - self._started, 1e-9)
            self._print(
                f"{self._finished} of {self._total} samples, {self._calls} calls, "
                f"{rate:.1f} a second, {self._failed} failed"
            )

    def sample(self, asked: bool) -> None:
        """Count one more sample that is dealt with, asked about in this session or before."""
        self._finished += 1
        self._not_asked += not asked
        if self._bar is not None:
            self._bar.update()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if error is None:
            seconds = time.monotonic() - self._started
            line = f"{self._calls} calls answered in {seconds:.1f} s, {self._failed} failed"
            if self._not_asked:
                line += f"; {self._not_asked} of {self._total} samples needed no asking"
            self._print(line)

    def _print(self, line: str) -> None:
        print(f"{self._title}: {line}", file=sys.stderr, flush=True)


def say(line: str) -> None:
    """Tell the user something while a bar may be on the screen."""
    tqdm.write(line, file=sys.stderr)
