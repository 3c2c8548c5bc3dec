"""What a whole process takes, with its start-up, for the scripts that compare commands."""

import compileall
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.conftest import ROOT

PACKAGES = ("evalkit", "tasks", "model_adapters", "reports", "evalkit_worker", "configs", "tests")


@dataclass(frozen=True, slots=True)
class Took:
    """What a process took: seconds by the clock and of the processor, megabytes at its peak."""

    wall: float
    processor: float
    megabytes: float


def compile_checkout() -> None:
    """Compile this checkout to bytecode, as installing does: no process that is measured has to do so."""
    for package in PACKAGES:
        compileall.compile_dir(ROOT / package, quiet=1)


def measured(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Took:
    """Carry out a command, whose output is dropped, and return what it took.

    Args:
        command: the program and its arguments.
        environment: variables beside those of this process.

    Raises:
        RuntimeError: it failed; what it said stands on standard error.
    """
    began = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with status {process.returncode}")
    return Took(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def least(some: Sequence[Took]) -> Took:
    """Return the least of each figure."""
    return Took(*(min(getattr(each, name) for each in some) for name in Took.__slots__))
