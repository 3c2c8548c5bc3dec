"""Having every question of a task answered.

The samples are walked; each chain is followed through the store, and the call it ends with is put to the model of its
role. Models in this process work in a thread of their own; requests to servers go out beside them, many at once. An
answer is stored the moment it comes, and the chain goes on from there, so that a judge works while the model under test
still answers. Nothing but the store carries state from one session to the next, so resuming a run is the same as
running it; and as each call is a pure function of the answers before it, the order in which they come does not matter.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from evalkit.adapter import Model, ModelAdapter
from evalkit.chain import ChainRun
from evalkit.errors import BudgetReachedError, EvalkitError
from evalkit.inference.batching import Executor, PendingCall
from evalkit.inference.local import LocalLane
from evalkit.inference.replay import follow, refusal_by, replay
from evalkit.inference.served.caller import ServedCaller
from evalkit.results.responses import ResponseStore
from evalkit.task import Task
from evalkit.types import Response, Sample

# Chains under way at once: enough to keep every model busy and batches full, few enough to be held in memory.
_MOST_UNDER_WAY = 4096
_WALKED_AT_ONCE = 16


class TooManyFailuresError(EvalkitError):
    """The bound on failed samples was passed; what was answered is kept."""


async def ask(
    task: Task,
    adapters: Mapping[str, Model],
    store: ResponseStore,
    executor: Executor,
    callers: Mapping[str, ServedCaller] | None = None,
    *,
    samples: Iterable[Sample] | None = None,
    max_failures: int | None = None,
    on_answer: Callable[[Response], None] | None = None,
    on_sample: Callable[[bool], None] | None = None,
) -> None:
    """Have every call of a task answered and stored.

    Args:
        task: the benchmark.
        adapters: the model of each role.
        store: where responses are kept, and found again.
        executor: how calls reach a model in this process.
        callers: how calls reach a served model, by role.
        samples: of the task that are to be asked about; None for all.
        max_failures: how many calls may fail before the run stops; None for any number.
        on_answer: told of every response after it is stored.
        on_sample: told of every sample that is dealt with, and whether anything had to be asked about it.

    Raises:
        TooManyFailuresError: more than ``max_failures`` calls failed.
        BudgetReachedError: the budget leaves no room for another request; those under way were waited for.
        ServerUnavailableError: a server has been away for too long.
    """
    asking = _Asking(task, adapters, store, executor, callers or {}, max_failures, on_answer, on_sample)
    try:
        await asking.run(task.samples() if samples is None else samples)
    except BaseExceptionGroup as group:
        raise _first(group) from None
    if asking.out_of_budget is not None:
        raise asking.out_of_budget


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


class _Asking:
    """One task's chains while they are under way; everything here happens in the event loop's thread."""

    def __init__(
        self,
        task: Task,
        adapters: Mapping[str, Model],
        store: ResponseStore,
        executor: Executor,
        callers: Mapping[str, ServedCaller],
        max_failures: int | None,
        on_answer: Callable[[Response], None] | None,
        on_sample: Callable[[bool], None] | None,
    ) -> None:
        self._task = task
        self._adapters = adapters
        self._store = store
        self._callers = callers
        self._max_failures = max_failures
        self._on_answer = on_answer
        self._on_sample = on_sample
        self._failures = 0
        self._under_way = 0
        self._waiting: dict[str, deque[PendingCall]] = {role: deque() for role in callers}
        self._askers = dict.fromkeys(callers, 0)
        self._chain_ended = asyncio.Event()
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        local = {role: adapter for role, adapter in adapters.items() if isinstance(adapter, ModelAdapter)}
        self._lane = LocalLane(executor, local, self._settle_local)
        self.out_of_budget: BudgetReachedError | None = None

    async def run(self, samples: Iterable[Sample]) -> None:
        """Ask until no chain has a further call."""
        async with asyncio.TaskGroup() as self._group:
            lane = self._group.create_task(self._lane.work())
            walk = self._group.create_task(self._walk(samples))
            stop = self._group.create_task(self._raise_when_stopped())
            await walk
            self._lane.more_may_come(False)
            while self._under_way:
                await self._next_end()
            self._lane.close()
            await lane
            stop.cancel()

    async def _walk(self, samples: Iterable[Sample]) -> None:
        for number, sample in enumerate(samples):
            if self.out_of_budget is not None:
                return
            if self._under_way >= _MOST_UNDER_WAY:
                self._lane.more_may_come(False)
                while self._under_way >= _MOST_UNDER_WAY:
                    await self._next_end()
                self._lane.more_may_come(True)
            self._under_way += 1
            refusal = refusal_by(self._task, self._adapters, sample)
            self._advance(replay(self._task, self._store, sample, refusal), asked=False)
            if number % _WALKED_AT_ONCE == 0:
                await asyncio.sleep(0)  # let answers be taken in the meantime

    async def _next_end(self) -> None:
        self._chain_ended.clear()
        await self._chain_ended.wait()

    def _advance(self, run: ChainRun, *, asked: bool = True) -> None:
        """Put a chain's next call to its model, or count the chain as ended."""
        if run.call is None or self.out_of_budget is not None:
            self._under_way -= 1
            self._chain_ended.set()
            if self._on_sample is not None and self.out_of_budget is None:
                self._on_sample(asked)
            return
        item = PendingCall(run, run.call)
        if run.call.role in self._callers:
            self._put_to_server(item)
        else:
            self._lane.put(item)

    def _put_to_server(self, item: PendingCall) -> None:
        role = item.call.role
        self._waiting[role].append(item)
        if self._askers[role] < self._callers[role].adapter.limits.concurrency:
            self._askers[role] += 1
            self._group.create_task(self._ask_server(role))

    async def _ask_server(self, role: str) -> None:
        """Put one waiting call after another to a server: waking another asker for each would take time."""
        waiting = self._waiting[role]
        while waiting:
            item = waiting.popleft()
            try:
                response = await self._callers[role].answer(item.call.request)
            except BudgetReachedError as error:
                self.out_of_budget = self.out_of_budget or error
                self._advance(item.run)
            else:
                self._settle(item, response)
        self._askers[role] -= 1

    def _settle_local(self, item: PendingCall, response: Response) -> None:
        try:
            self._settle(item, response)
        except Exception as error:
            # Raised in a callback, it would reach nobody: hand it to the task that waits for it.
            self._lane.close()
            if not self._stopped.done():
                self._stopped.set_exception(error)

    async def _raise_when_stopped(self) -> None:
        await self._stopped

    def _settle(self, item: PendingCall, response: Response) -> None:
        """Store a response and let its chain go on."""
        sample = item.run.sample
        response = self._store.append(sample.id, item.run.position, item.call, response)
        if self._on_answer is not None:
            self._on_answer(response)
        if response.error is not None:
            self._failures += 1
            if self._max_failures is not None and self._failures > self._max_failures:
                raise TooManyFailuresError(
                    f"{self._task.name}: {self._failures} calls failed, more than max_failures={self._max_failures}; "
                    f"the last, sample {sample.id}: {response.error}. What was answered is kept: run the same "
                    "command again to continue, or raise max_failures"
                )
        item.run.send(response)
        follow(item.run, self._store)
        self._advance(item.run)
