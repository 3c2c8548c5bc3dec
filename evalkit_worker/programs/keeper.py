"""Runs a command and ends with whoever started it; run as a script: ``keeper.py COMMAND ARGUMENT…``.

Its standard input is a pipe of which evalkit holds the other end and into which nothing is written. Once that end is
closed, as it is when evalkit ends in whatever way, SIGKILL included, the command and all its process group are ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

GRACE = 5.0
"""Seconds that a command has between SIGTERM and SIGKILL."""


def main(command: list[str]) -> int:
    """Run a command in a session of its own, and return its exit status, as a shell has it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # not ignored, which the command would inherit
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own command
            command, stdin=subprocess.DEVNULL, close_fds=False, start_new_session=True
        )
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    threading.Thread(target=_watch, args=(process,), daemon=True).start()
    status = process.wait()
    _signal_group(process.pid, signal.SIGKILL)  # what it has left behind
    return status if status >= 0 else 128 - status


def _watch(process: subprocess.Popen[bytes]) -> None:
    """Wait until nobody holds the other end of standard input, then end the group."""
    while os.read(0, 1):
        pass
    _signal_group(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    _signal_group(process.pid, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
