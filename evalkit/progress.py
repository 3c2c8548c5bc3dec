"""Progress of a task: a bar with rate and remaining time on a terminal, plain lines in a log."""

import sys
import time
from types import TracebackType

from tqdm import tqdm

from evalkit.types import Response

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts answers of one task as they come.

    Args:
        title: what is being run.
        total: how many samples there are; some may be answered already.
    """

    def __init__(self, title: str, total: int) -> None:
        self._title = title
        self._total = total
        self._answered = 0
        self._failed = 0
        self._started = self._last_line = time.monotonic()
        self._bar = tqdm(total=total, desc=title, unit="call", leave=False) if sys.stderr.isatty() else None

    def advance(self, response: Response) -> None:
        """Count one more answer."""
        self._answered += 1
        self._failed += response.failed
        if self._bar is not None:
            if self._failed:
                self._bar.set_postfix(failed=self._failed, refresh=False)
            self._bar.update()
        elif time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self._print(f"{self._answered} of {self._total}, {self._rate():.1f} a second, {self._failed} failed")

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if error is None:
            seconds = time.monotonic() - self._started
            line = f"{self._answered} answered in {seconds:.1f} s, {self._failed} failed"
            if self._answered < self._total:
                line += f"; {self._total - self._answered} of {self._total} samples needed no asking"
            self._print(line)

    def _rate(self) -> float:
        return self._answered / max(time.monotonic() - self._started, 1e-9)

    def _print(self, line: str) -> None:
        print(f"{self._title}: {line}", file=sys.stderr, flush=True)
