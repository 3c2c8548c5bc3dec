"""The lane on which models in this process work: a thread of its own, beside the event loop."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from evalkit.adapter import ModelAdapter
from evalkit.inference.batching import Executor, PendingCall
from evalkit.types import Response


class LocalLane:
    """Has calls answered by the models of this process, one model at a time.

    A role's calls are taken until none is left before the next role has its turn, so that a model keeps the machine to
    itself while it works. While more calls may come, the lane waits for them rather than run a batch half full.

    Args:
        executor: how calls reach a model.
        adapters: by role, in the order in which they take turns.
        settle: told of every response, in the event loop's thread.
    """

    def __init__(
        self,
        executor: Executor,
        adapters: Mapping[str, ModelAdapter],
        settle: Callable[[PendingCall, Response], None],
    ) -> None:
        self._executor = executor
        self._adapters = adapters
        self._settle = settle
        self._queues: dict[str, deque[PendingCall]] = {role: deque() for role in adapters}
        self._changed = threading.Condition()
        self._more_may_come = True
        self._closed = False

    def put(self, item: PendingCall) -> None:
        """Hand over a call."""
        with self._changed:
            self._queues[item.call.role].append(item)
            self._changed.notify()

    def more_may_come(self, whether: bool) -> None:
        """Say whether further calls may be on their way that do not wait for an answer of this lane."""
        with self._changed:
            self._more_may_come = whether
            self._changed.notify()

    def close(self) -> None:
        """Stop after the batch under way."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    async def work(self) -> None:
        """Answer calls until closed; raises what stops a model. A cancelled lane ends with the batch under way."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def thread() -> None:
            reason: BaseException | None = None
            try:
                self._work(loop)
            except BaseException as error:
                reason = error
            if not loop.is_closed():  # as after a second interrupt: nobody waits any longer
                loop.call_soon_threadsafe(_end, ended, reason)

        # A daemon, so that a second interrupt need not wait for a long batch.
        threading.Thread(target=thread, name="local models", daemon=True).start()
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            self.close()
            await ended
            raise

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while (role := self._next_role()) is not None:
            for item, response in self._executor.execute(self._adapters[role], self._calls(role)):
                loop.call_soon_threadsafe(self._settle, item, response)

    def _next_role(self) -> str | None:
        with self._changed:
            while not self._closed:
                for role, queue in self._queues.items():
                    if queue:
                        return role
                self._changed.wait()
        return None

    def _calls(self, role: str) -> Iterator[PendingCall]:
        queue = self._queues[role]
        while True:
            with self._changed:
                while not queue and self._more_may_come and not self._closed:
                    self._changed.wait()
                if self._closed or not queue:
                    return
                item = queue.popleft()
            yield item


def _end(future: "asyncio.Future[None]", error: BaseException | None) -> None:
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
