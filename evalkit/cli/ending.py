"""The end of the process, which no thread holds up that a model or a library began and nobody ended."""

import atexit
import os
import sys
import threading

from evalkit.printable import printable

_SECONDS_TO_END = 10.0


def end_whatever_goes_on(status: int) -> None:
    """Have this process, whose main thread has nothing more to do, end without waiting for other threads for ever.

    They are given some seconds, as one may have something to finish. Those that go on then are named on the standard
    error output and left behind: whatever evalkit writes is written by then.

    Args:
        status: of the process.
    """
    over = threading.Event()
    atexit.register(over.set)  # called as the first, once no thread is waited for any more
    threading.Thread(target=_watch, args=(status, over), name="end of the process", daemon=True).start()


def _watch(status: int, over: threading.Event) -> None:
    if over.wait(_SECONDS_TO_END):
        return
    others = [
        each for each in threading.enumerate() if each not in (threading.main_thread(), threading.current_thread())
    ]
    # Those of a pool are waited for though they are daemons.
    held = [each for each in others if not each.daemon] or others
    print(
        "evalkit: threads that a model or a library began go on, and are left behind: "
        f"{', '.join(printable(each.name) for each in held)}. What was written is whole; let the adapter's close() end "
        "them, or begin them as daemons",
        file=sys.stderr,
        flush=True,
    )
    os._exit(status)
