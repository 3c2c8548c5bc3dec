"""An event loop whose time passes at once, so that tests of waiting need not wait."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from evalkit.inference.served.clock import Clock

T = TypeVar("T")


class _Loop(asyncio.SelectorEventLoop):
    """Where nothing is ready, the clock is put forward to the next timer; not for use with sockets.

    What is given to a thread is done on the spot, in no time: this loop would not wait for a thread.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self._now

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":  # type: ignore[override]
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: _Loop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError("everything waits, and nothing will ever happen")
        self._loop._now += max(timeout, 0)
        return super().select(0)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual seconds, which start at 0."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)


def now() -> float:
    """Virtual seconds since the start."""
    return asyncio.get_running_loop().time()


CLOCK = Clock(now=now)
