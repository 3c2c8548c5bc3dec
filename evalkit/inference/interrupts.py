"""Ctrl-C while models work: the first press ends the run in good order, the second at once."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_EXIT_INTERRUPTED = 130


@contextmanager
def interrupts(loop: asyncio.AbstractEventLoop, first: Callable[[], None]) -> Iterator[None]:
    """Within the context, have a first interrupt call ``first``; a second one ends the process.

    The process is then left without the interpreter's own winding up, which native threads that still compute do not
    survive. Nothing is lost by it: every answer was handed to the operating system as it came. Outside the main thread,
    where no signals arrive, the context does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    presses = 0

    def pressed() -> None:
        nonlocal presses
        presses += 1
        if presses == 1:
            first()
        else:
            print("evalkit: stopped; what was answered is kept, the same command continues", file=sys.stderr)
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(_EXIT_INTERRUPTED)

    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, pressed)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
