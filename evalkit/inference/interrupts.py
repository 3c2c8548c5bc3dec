"""Ctrl-C, or a scheduler that wants the machine back, while models work: the run ends in good order."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from evalkit.errors import StopRequested

_EXIT_INTERRUPTED = 130


_REQUESTS = (signal.SIGTERM, signal.SIGUSR1)
_LAUNCHERS = (signal.SIGUSR2, signal.SIGUSR1)  # by which a launcher of jobs may be told to start its job again


@contextmanager
def interrupts(loop: asyncio.AbstractEventLoop, first: Callable[[KeyboardInterrupt], None]) -> Iterator[None]:
    """Within the context, have a first interrupt or request call ``first``; a later interrupt ends the process.

    ``first`` is told what to raise. Requests are SIGTERM and SIGUSR1, as of Slurm, and the signal to which a launcher
    of jobs listens; further ones change nothing, as schedulers send several before SIGKILL.

    The process that a later interrupt ends is left without the interpreter's own winding up, which native threads that
    still compute do not survive. Nothing is lost by it: every answer was handed to the operating system as it came.
    Outside the main thread, where no signals arrive, the context does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopping = False

    def arrived(number: signal.Signals) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            first(KeyboardInterrupt() if number == signal.SIGINT else StopRequested(number.name))
        elif number == signal.SIGINT:
            print("evalkit: stopped; what was answered is kept, the same command continues", file=sys.stderr)
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(_EXIT_INTERRUPTED)

    requests = {*_REQUESTS, *_launchers_signals()}
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *requests)}
    for number in before:
        loop.add_signal_handler(number, arrived, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not of Python's making


def tell_launcher() -> None:
    """Have the launcher whose job this process is start it again, now that all is kept; it may end the process.

    A launcher such as submitit listens to a signal of its own choice. Without one, nothing happens.
    """
    for number in _launchers_signals():
        signal.raise_signal(number)


def _launchers_signals() -> list[signal.Signals]:
    return [number for number in _LAUNCHERS if callable(signal.getsignal(number))]
