"""Processes that tests look after: whether they are gone, and which ones another started. Linux's /proc tells."""

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_SECONDS = 600.0  # a hang is told apart from a machine with much else to do


def has_ended(process_id: int) -> bool:
    """Whether a process is gone, or will be soon."""
    return within(lambda: not is_at_work(process_id))


def is_at_work(process_id: int) -> bool:
    """Whether there is such a process, and not only what nobody has taken note of yet."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def processes_saying(words: str) -> list[int]:
    """The processes at work on whose command line something stands."""
    return [process_id for process_id, line in _command_lines() if words in line and is_at_work(process_id)]


def processes_running(command: str) -> int:
    """How many processes at work have this command line and no other words on it."""
    return sum(line.rstrip() == command and is_at_work(process_id) for process_id, line in _command_lines())


def _command_lines() -> Iterator[tuple[int, str]]:
    """The number and the command line of each process."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            yield int(folder.name), line


def within(condition: Callable[[], object], seconds: float = _SECONDS) -> bool:
    """Whether something comes true before the time is over."""
    end = time.monotonic() + seconds
    while not (true := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return bool(true)


def wait_for_lines(process: "subprocess.Popen[Any]", log: Path, count: int) -> None:
    """Wait until a process has written so many lines into a log; it must not have ended by then."""
    there = within(lambda: process.poll() is not None or (log.is_file() and log.read_bytes().count(b"\n") >= count))
    assert there, f"{log} has fewer than {count} lines"
    assert process.poll() is None, f"it ended with status {process.poll()}"


def kills_at_random(commands: Iterator[Sequence[str]], kills: int, rng: random.Random) -> Iterator[None]:
    """Start one command after another and kill each at a random moment of its work; yields whenever one has ended.

    One that ends before it is killed, as where others have left it more of the machine, is not counted, and shows how
    little time the next one may be given.
    """
    took = 60.0
    while kills:
        began = time.monotonic()
        process = subprocess.Popen(next(commands), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0.3, 1.0) * took)
        process.kill()
        if process.wait() == -signal.SIGKILL:
            kills -= 1
        else:
            took = time.monotonic() - began
        yield
