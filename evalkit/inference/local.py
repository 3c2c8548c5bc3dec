"""Endpoints for models in this process: queues beside the event loop, and one thread in which the models work."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, get_args

from evalkit.errors import ConfigurationError, EvalkitError
from evalkit.inference.batching import Answered, DecodedAhead, PendingCall
from evalkit.inference.border import told
from evalkit.inference.endpoint import ModelFacts, ModelSpec
from evalkit.inference.local_model import LocalModel
from evalkit.inference.work_clock import AtWork
from evalkit.types import Call, Response

Residency = Literal["together", "one_at_a_time"]

# Samples whose chains are under way at once: enough to fill batches, few enough to be held in memory. Where a model has
# to make way for the next, far more, so that each is loaded but once for so many samples.
_UNDER_WAY = {"together": 4_096, "one_at_a_time": 65_536}

# Samples that are named where a model hangs.
_NAMED = 8


class HangingModelError(EvalkitError):
    """A model of this process that has been at a batch for too long; the run stops, and what was answered is kept."""


class ModelFailedError(EvalkitError):
    """A model of this process that would end more than its run; the run stops, and what was answered is kept."""


class LocalExecutor:
    """Runs models in this process.

    Calls are sorted by their cost within a window, so that a batch pads little; the audio of the next window is decoded
    while the model works. One model works at a time, and answers all that can be asked of it before another has its
    turn.

    Args:
        batch_size: the most requests a model gets at once; None for what the adapter prefers, and more of them once
            it is seen that the memory of its device holds more.
        decode_threads: how many threads decode audio.
        batches_ahead: how many batches are decoded before they are needed, and sorted together.
        seconds_ahead: the most seconds of audio that are decoded ahead.
        batch_deadline: seconds within which a batch must be answered, or the run ends; None for no limit. A model in
            a process of its own has one of its own.
        residency: ``together``: a model stays loaded until the run ends; ``one_at_a_time``: a model is closed before
            the next is loaded, for those that do not fit beside each other.

    Attributes:
        samples_under_way: how many samples may be under way at once.
        batch_size, batches_ahead, residency: as given.
    """

    def __init__(
        self,
        batch_size: int | None = None,
        decode_threads: int = 2,
        batches_ahead: int = 32,
        seconds_ahead: float = 1_800.0,
        batch_deadline: float | None = None,
        residency: Residency = "together",
    ) -> None:
        for name, value in (
            ("batch_size", batch_size),
            ("decode_threads", decode_threads),
            ("batches_ahead", batches_ahead),
            ("seconds_ahead", seconds_ahead),
        ):
            if value is not None and value < 1:
                raise ConfigurationError(f"executor.{name} is {value}; it must be at least 1")
        if batch_deadline is not None and not batch_deadline > 0:
            raise ConfigurationError(f"executor.batch_deadline is {batch_deadline}; it must be more than 0, or null")
        if residency not in get_args(Residency):
            raise ConfigurationError(f"executor.residency: '{residency}' must be {' or '.join(get_args(Residency))}")
        self.samples_under_way = _UNDER_WAY[residency]
        self.batch_size = batch_size
        self.batches_ahead = batches_ahead
        self.residency = residency
        self._decode_threads = decode_threads
        self._seconds_ahead = seconds_ahead
        self._batch_deadline = batch_deadline
        self._worker: _Worker | None = None

    def open(self, spec: ModelSpec) -> "LocalEndpoint":
        """Return an endpoint for a model that is loaded when it is first asked about."""
        if self._worker is None or self._worker.closed:
            pool = ThreadPoolExecutor(self._decode_threads, thread_name_prefix="decode")
            self._worker = _Worker(pool, self._batch_deadline, keep_loaded=self.residency == "together")
        return LocalEndpoint(spec, self._worker, self.batch_size, self.batches_ahead, self._seconds_ahead)


class LocalEndpoint:
    """One model of this process; see ``Endpoint``.

    Calls are gathered while the event loop is busy and handed to the models' thread together; a batch's answers come
    back together as well.

    Args:
        spec: describes the model.
        worker: the thread in which it works, shared with the other models of the run.
        batch_size: the most requests the model gets at once; None for what its adapter prefers, or more.
        batches_ahead: how many batches are decoded before they are needed, and sorted together.
        seconds_ahead: the most seconds of audio that are decoded ahead.

    Attributes:
        role: that the model plays.
        model: itself, which belongs to the models' thread.
        queue: calls that the models' thread has not taken.
        is_wanted: whether the model is to be loaded for its facts.
    """

    def __init__(
        self, spec: ModelSpec, worker: "_Worker", batch_size: int | None, batches_ahead: int, seconds_ahead: float
    ) -> None:
        self.role = spec.role
        self.model = LocalModel(spec, batch_size, batches_ahead, seconds_ahead)
        self._worker = worker
        self._facts: ModelFacts | None = None
        self.queue: deque[PendingCall] = deque()
        self.is_wanted = False
        self._awaited: asyncio.Future[ModelFacts] | None = None
        self._waiting: set[asyncio.Future[Response]] = set()
        worker.endpoints.append(self)

    async def facts(self) -> ModelFacts:
        """Return what the model is and can do; see ``Endpoint``."""
        if self._facts is not None:
            return self._facts
        if self._awaited is None:
            self._awaited = asyncio.get_running_loop().create_future()
            self._worker.want(self)
        return await asyncio.shield(self._awaited)

    async def answer(self, call: Call) -> Response:
        """Return the model's response; see ``Endpoint``."""
        if self._facts is None:
            await self.facts()
        answered: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting.add(answered)
        self._worker.put(self, PendingCall(call, answered))
        try:
            return await answered
        finally:
            self._waiting.discard(answered)

    def expect_more(self, whether: bool) -> None:
        """Say whether further calls may come before calls under way are answered."""
        self._worker.expect_more(whether)

    async def close(self) -> None:
        """Let the batch under way end and free the model; the other models of this process end with it."""
        await self._worker.close()

    def give(self, facts: ModelFacts) -> None:
        """Let go on what waits for the facts."""
        self._facts = facts
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(facts)

    def fail(self, error: Exception) -> None:
        """Raise an error wherever something is waited for."""
        for future in (self._awaited, *self._waiting):
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()  # whoever waits has it raised; that nobody waits any longer is no fault to report

    def at_work(self) -> AtWork:
        """Return how much of the time the model was at work; see ``Timed``."""
        return self.model.clock.at_work()


class _Worker:
    """The thread in which the models of this process work, one after the other."""

    def __init__(self, pool: ThreadPoolExecutor, batch_deadline: float | None, *, keep_loaded: bool) -> None:
        self.endpoints: list[LocalEndpoint] = []
        self.closed = False
        self._pool = pool
        self._batch_deadline = batch_deadline
        self._keep_loaded = keep_loaded
        self._changed = threading.Condition()
        self._more_may_come = True
        self._arriving: list[tuple[LocalEndpoint, PendingCall]] = []  # in the event loop's thread
        self._not_taken_in = 0  # batches whose answers the event loop has not dealt with
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[None] | None = None

    def want(self, endpoint: LocalEndpoint) -> None:
        """Have an endpoint's model loaded; begins the thread if need be."""
        if self._ended is None:
            self._loop = asyncio.get_running_loop()
            self._ended = self._loop.create_future()
            # A daemon, so that a second interrupt need not wait for a long batch.
            threading.Thread(target=self._run, name="local models", daemon=True).start()
            self._watch()
        with self._changed:
            endpoint.is_wanted = True
            self._changed.notify()

    def put(self, endpoint: LocalEndpoint, item: PendingCall) -> None:
        """Hand over a call, together with the others that the event loop makes before it comes round again."""
        if not self._arriving:
            asyncio.get_running_loop().call_soon(self._hand_over)
        self._arriving.append((endpoint, item))

    def expect_more(self, whether: bool) -> None:
        """Say whether further calls may come before calls under way are answered."""
        self._hand_over()
        with self._changed:
            self._more_may_come = whether
            self._changed.notify()

    async def close(self) -> None:
        """Let the batch under way end, and free all models; those that hang are left."""
        with self._changed:
            self.closed = True
            self._changed.notify()
        if self._ended is not None:
            await self._ended
        self._pool.shutdown(cancel_futures=True)

    def _watch(self) -> None:
        """Look now and then whether a model takes too long for a batch, and end the run if one does."""
        if self._batch_deadline is None or self._ended is None or self._ended.done():
            return
        watched = [endpoint for endpoint in self.endpoints if not endpoint.model.ends_by_itself]
        slowest = max(watched, key=lambda endpoint: endpoint.model.clock.silent, default=None)
        left = self._batch_deadline - (0.0 if slowest is None else slowest.model.clock.silent)
        if slowest is not None and left <= 0:
            self._fail(_hanging(slowest, self._batch_deadline))
            self._end()
        else:
            asyncio.get_running_loop().call_later(left, self._watch)

    def _hand_over(self) -> None:
        if not self._arriving:
            return
        with self._changed:
            for endpoint, item in self._arriving:
                endpoint.queue.append(item)
            self._changed.notify()
        self._arriving.clear()

    def _run(self) -> None:
        try:
            while (endpoint := self._next()) is not None:
                try:
                    self._load(endpoint)
                    self._work(endpoint)
                except BaseException as error:  # whatever it is, nobody else would tell those who wait
                    self._fail(_error_of(endpoint, error))
        finally:
            self._unload()
            self._in_loop(self._end)

    def _unload(self) -> None:
        for endpoint in self.endpoints:
            try:
                endpoint.model.unload()
            except BaseException as error:
                self._fail(_error_of(endpoint, error))

    def _next(self) -> LocalEndpoint | None:
        """Wait for an endpoint that has something to do; None once closed."""
        with self._changed:
            while not self.closed:
                for endpoint in self.endpoints:
                    if endpoint.queue or endpoint.is_wanted:
                        return endpoint
                self._changed.wait()
        return None

    def _load(self, endpoint: LocalEndpoint) -> None:
        if not self._keep_loaded and not endpoint.model.loaded:
            for other in self.endpoints:
                other.model.unload()
        endpoint.is_wanted = False
        self._in_loop(endpoint.give, endpoint.model.load())

    def _work(self, endpoint: LocalEndpoint) -> None:
        """Answer an endpoint's calls until none is left and no other can come."""
        endpoint.model.answer_all(self._waiting(endpoint), self._hand_back)

    def _waiting(self, endpoint: LocalEndpoint) -> Iterator[list[PendingCall]]:
        """Yield the calls of a window that are left, costliest first; whoever has them takes some off the list."""
        ahead = endpoint.model.window(self._pool)
        while not self.closed:
            self._fill(endpoint, ahead)
            calls, failed = ahead.take_all()
            if failed:
                self._hand_back(failed)
            if not calls and not failed:
                return
            if uncounted := endpoint.model.sort(calls):
                self._hand_back(uncounted)
            while calls and not self.closed:
                self._top_up(endpoint, ahead, calls)
                yield calls

    def _fill(self, endpoint: LocalEndpoint, ahead: DecodedAhead) -> None:
        """Take calls until the window is full, waiting for them while more may come."""
        while ahead.has_room(wait=True):
            with self._changed:
                while not endpoint.queue and (self._more_may_come or self._not_taken_in) and not self.closed:
                    self._changed.wait()
                if self.closed or not endpoint.queue:
                    return
                _take(endpoint, ahead)

    def _top_up(self, endpoint: LocalEndpoint, ahead: DecodedAhead, calls: Sequence[PendingCall]) -> None:
        """Take what has come meanwhile, as far as the window allows."""
        with self._changed:
            _take(endpoint, ahead, sum(item.seconds for item in calls))

    def _hand_back(self, answered: Answered) -> None:
        with self._changed:
            self._not_taken_in += 1
        self._in_loop(self._take_in, answered)

    def _take_in(self, answered: Answered) -> None:
        for item, response in answered:
            if not item.answered.done():
                item.answered.set_result(response)
        # Runs after all that waited for these answers, and so after the calls that they lead to at once.
        asyncio.get_running_loop().call_soon(self._taken_in)

    def _taken_in(self) -> None:
        self._hand_over()
        with self._changed:
            self._not_taken_in -= 1
            self._changed.notify()

    def _fail(self, error: Exception) -> None:
        """End the thread; whoever waits for a model of this process is told why."""
        with self._changed:
            self.closed = True
        for endpoint in self.endpoints:
            self._in_loop(endpoint.fail, error)

    def _end(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def _in_loop(self, function: Callable[..., None], *arguments: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)


def _take(endpoint: LocalEndpoint, ahead: DecodedAhead, seconds_beside: float = 0.0) -> None:
    """Take what waits at once, as far as the window has room beside so many seconds of audio."""
    while endpoint.queue and ahead.has_room(seconds_beside):
        ahead.add(endpoint.queue.popleft())


def _error_of(endpoint: LocalEndpoint, raised: BaseException) -> Exception:
    """Return what can be raised to who waits: an exit ends their loop, and a StopIteration does not pass a future."""
    if isinstance(raised, Exception) and not isinstance(raised, StopIteration):
        return raised
    error = ModelFailedError(f"{endpoint.role}: the model raised {told(raised)}")
    error.__cause__ = raised
    return error


def _hanging(endpoint: LocalEndpoint, deadline: float) -> HangingModelError:
    names = list(endpoint.model.clock.under_way)
    others = f" and {len(names) - _NAMED} others" if len(names) > _NAMED else ""
    return HangingModelError(
        f"{endpoint.role}: no answer within executor.batch_deadline={deadline:g} s to "
        f"{', '.join(names[:_NAMED])}{others}; what was answered is kept. A model in this process cannot be stopped: "
        f"give it one of its own by {endpoint.role}.python=PYTHON, where it is ended and started again, and its batch "
        "divided"
    )
