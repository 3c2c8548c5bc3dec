"""A server in a thread of its own, for as long as a test needs it."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self


class ThreadedServer(ABC):
    """Serves within a context; what it did wrong itself is raised where the context begins or ends."""

    def __init__(self) -> None:
        self._bugs: list[Exception] = []

    @abstractmethod
    async def serve(self, started: Callable[[], None]) -> None:
        """Serve until cancelled; ``started`` is called once connections are accepted."""

    def __enter__(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run_until_stopped(started)), daemon=True)
        self._thread.start()
        started.wait()
        if self._bugs:
            raise self._bugs[0]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._bugs and error is None:
            raise self._bugs[0]

    async def _run_until_stopped(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        serving = asyncio.create_task(self.serve(started.set))
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        if serving.done() and (error := serving.exception()) is not None:
            assert isinstance(error, Exception)
            self._bugs.append(error)
            started.set()
        stopping.cancel()
        serving.cancel()
        await asyncio.gather(serving, stopping, return_exceptions=True)
