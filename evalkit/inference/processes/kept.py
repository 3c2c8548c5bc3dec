"""A process that ends with this one, and whose output is kept."""

import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from evalkit.errors import StoreError
from evalkit.printable import printable
from evalkit_worker.programs import keeper

_LONGEST_LINE = 8_192
_LINES_KEPT = 12
_LONGEST_END = 600  # characters of its last lines in a message
_SIGNALLED = 128  # above it, the exit status of a keeper is that of a process ended by a signal, as a shell has it
_SECONDS_TO_END = 15.0  # more than the keeper's grace


class KeptProcess:
    """A command at work under a keeper (``evalkit_worker.programs.keeper``), in a process group of its own.

    It ends, with all of its group, when ``end`` is called or when this process ends in whatever way. What it prints
    goes to a log, line by line.

    Args:
        command: the program and its arguments.
        log: the file that its output is added to, or None to keep but the last lines.
        redact: gives a line without secrets.
        pipes: open files that it inherits under their numbers.

    Raises:
        StoreError: the log cannot be written.
    """

    def __init__(
        self, command: Sequence[str], log: Path | None, redact: Callable[[str], str], pipes: Sequence[int] = ()
    ) -> None:
        self._redact = redact
        self._last: deque[str] = deque(maxlen=_LINES_KEPT)
        self._log = _opened(log)
        # By its file: the package's own imports, and a user's site, are not needed and take time.
        self._process = subprocess.Popen(  # noqa: S603 - the user's own command
            [sys.executable, "-I", "-S", str(keeper.__file__), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=pipes,
            start_new_session=True,  # an interrupt at the terminal is for this process alone
        )
        self._pump = threading.Thread(target=self._keep_output, name="output of a process", daemon=True)
        self._pump.start()

    @property
    def alive(self) -> bool:
        """Whether it is still at work."""
        return self._process.poll() is None

    @property
    def was_killed(self) -> bool:
        """Whether it was ended by SIGKILL."""
        return self._process.poll() == _SIGNALLED + signal.SIGKILL

    def end(self) -> None:
        """End it and its group: by SIGTERM, then SIGKILL. Does nothing if it has ended."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self.wait(_SECONDS_TO_END)

    def wait(self, seconds: float) -> bool:
        """Wait so long for its end and that of its output; return whether it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            self._pump.join(1.0)
        return not self.alive

    def epitaph(self) -> str:
        """Return how it ended and what it said last, in one line for people."""
        self.wait(1.0)
        status = self._process.returncode
        how = "is still at work" if status is None else _how_it_ended(status)
        last = " | ".join(self._last)
        return f"{how}; it said: {last[-_LONGEST_END:]}" if last else f"{how} and said nothing"

    def _keep_output(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        with self._process.stdout as output:
            while line := output.readline(_LONGEST_LINE):
                # A progress bar writes over itself: its last state is what is worth keeping.
                text = line.decode("utf-8", "replace").rstrip().rpartition("\r")[2]
                text = printable(self._redact(text))
                if text:
                    self._last.append(text)
                if self._log is not None:
                    with suppress(OSError):  # a full disk ends the run elsewhere, where answers are kept
                        self._log.write(text + "\n")
                        self._log.flush()
        if self._log is not None:
            self._log.close()


def _how_it_ended(status: int) -> str:
    """Say what an exit status means, as a shell has it."""
    if status > _SIGNALLED:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(status - _SIGNALLED).name}"
    return f"ended with status {status}"


def _opened(log: Path | None) -> IO[str] | None:
    if log is None:
        return None
    try:
        return log.open("a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise StoreError(f"{log}: cannot be written ({error.strerror})") from error
