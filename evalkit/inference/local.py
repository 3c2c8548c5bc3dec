"""Endpoints for models in this process: queues beside the event loop, and one thread in which the models work."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, get_args

from evalkit.adapter import Capabilities, Model, ModelAdapter
from evalkit.errors import ConfigurationError
from evalkit.inference.batching import DecodedAhead, PendingCall, answer_fitted, release
from evalkit.inference.endpoint import ModelFacts, ModelSpec
from evalkit.types import Call, Response

Residency = Literal["together", "one_at_a_time"]

# Samples whose chains are under way at once: enough to fill batches, few enough to be held in memory. Where a model has
# to make way for the next, far more, so that each is loaded but once for so many samples.
_UNDER_WAY = {"together": 4_096, "one_at_a_time": 65_536}

# Answers that are no responses, without a single one that is, after which an adapter is taken to be wrong altogether.
_MOST_INVALID = 4


class LocalExecutor:
    """Runs models in this process.

    Calls are sorted by length within a window, so that a batch pads little; the audio of the next window is decoded
    while the model works. One model works at a time, and answers all that can be asked of it before another has its
    turn.

    Args:
        batch_size: requests a model gets at once; None for what the adapter prefers.
        decode_threads: how many threads decode audio.
        batches_ahead: how many batches are decoded before they are needed, and sorted by length together.
        seconds_ahead: the most seconds of audio that are decoded ahead.
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
        batches_ahead: int = 8,
        seconds_ahead: float = 1_800.0,
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
        if residency not in get_args(Residency):
            raise ConfigurationError(f"executor.residency: '{residency}' must be {' or '.join(get_args(Residency))}")
        self.samples_under_way = _UNDER_WAY[residency]
        self.batch_size = batch_size
        self.batches_ahead = batches_ahead
        self.residency = residency
        self._decode_threads = decode_threads
        self._seconds_ahead = seconds_ahead
        self._worker: _Worker | None = None

    def open(self, spec: ModelSpec) -> "LocalEndpoint":
        """Return an endpoint for a model that is loaded when it is first asked about."""
        if self._worker is None or self._worker.closed:
            pool = ThreadPoolExecutor(self._decode_threads, thread_name_prefix="decode")
            self._worker = _Worker(pool, keep_loaded=self.residency == "together")
        return LocalEndpoint(spec, self._worker, self.batch_size, self.batches_ahead, self._seconds_ahead)


class LocalEndpoint:
    """One model of this process; see ``Endpoint``.

    Calls are gathered while the event loop is busy and handed to the models' thread together; a batch's answers come
    back together as well.

    Args:
        spec: describes the model.
        worker: the thread in which it works, shared with the other models of the run.
        batch_size: requests the model gets at once; None for what its adapter prefers.
        batches_ahead: how many batches are decoded before they are needed, and sorted by length together.
        seconds_ahead: the most seconds of audio that are decoded ahead.
    """

    def __init__(
        self, spec: ModelSpec, worker: "_Worker", batch_size: int | None, batches_ahead: int, seconds_ahead: float
    ) -> None:
        self.role = spec.role
        self._spec = spec
        self._worker = worker
        self._batch_size = batch_size
        self._batches_ahead = batches_ahead
        self._seconds_ahead = seconds_ahead
        self._adapter: ModelAdapter | None = None
        self._facts: ModelFacts | None = None
        self._good_answers = 0
        self._invalid_answers = 0
        self.queue: deque[PendingCall] = deque()
        self.is_wanted = False  # loaded, for its facts
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

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._adapter is not None

    def load(self) -> ModelFacts:
        """Have the model in memory. In the models' thread, as are the methods below."""
        if self._adapter is None:
            self._adapter = _local(self._spec.make(), self._spec)
        facts = self._facts or ModelFacts(_checked(self._adapter), dict(self._adapter.fingerprint()))
        self._batch_size = self._batch_size or facts.capabilities.batch_size
        return facts

    def unload(self) -> None:
        """Free what the model holds."""
        adapter, self._adapter = self._adapter, None
        if adapter is not None:
            adapter.close()

    def window(self, pool: ThreadPoolExecutor) -> DecodedAhead:
        """Return an empty window of calls that are decoded ahead."""
        sample_rate = self.load().capabilities.sample_rate
        return DecodedAhead(pool, sample_rate, (self._batch_size or 1) * self._batches_ahead, self._seconds_ahead)

    def answer_next(self, calls: list[PendingCall]) -> list[tuple[PendingCall, Response]]:
        """Answer as many of the calls as make a batch, and take them off the list."""
        # Loaded before its turn.
        assert self._adapter is not None and self._batch_size is not None and self._facts is not None  # noqa: S101, PT018
        batch = calls[: self._batch_size]
        responses, self._batch_size = answer_fitted(
            self._adapter, [item.call.request for item in batch], self._batch_size, self._facts.capabilities
        )
        del calls[: len(batch)]
        for item in batch:
            release(item)
        self._refuse_what_is_never_right(responses)
        return list(zip(batch, responses, strict=True))

    def _refuse_what_is_never_right(self, responses: Sequence[Response]) -> None:
        if self._good_answers:
            return
        failures = [response.failure for response in responses if response.failure is not None]
        invalid = [failure for failure in failures if failure.kind == "invalid_response"]
        self._good_answers += len(responses) - len(invalid)
        self._invalid_answers += len(invalid)
        if not self._good_answers and self._invalid_answers >= _MOST_INVALID:
            raise ConfigurationError(f"{self.role}: {invalid[-1].message}, and did so for every request so far")


class _Worker:
    """The thread in which the models of this process work, one after the other."""

    def __init__(self, pool: ThreadPoolExecutor, *, keep_loaded: bool) -> None:
        self.endpoints: list[LocalEndpoint] = []
        self.closed = False
        self._pool = pool
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
        """Let the batch under way end, and free all models."""
        if self.closed:
            return
        with self._changed:
            self.closed = True
            self._changed.notify()
        if self._ended is not None:
            await self._ended
        self._pool.shutdown(cancel_futures=True)

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
                except Exception as error:
                    self._fail(error)
        finally:
            self._unload()
            self._in_loop(self._end)

    def _unload(self) -> None:
        for endpoint in self.endpoints:
            try:
                endpoint.unload()
            except Exception as error:
                self._fail(error)

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
        if not self._keep_loaded and not endpoint.loaded:
            for other in self.endpoints:
                other.unload()
        endpoint.is_wanted = False
        self._in_loop(endpoint.give, endpoint.load())

    def _work(self, endpoint: LocalEndpoint) -> None:
        """Answer an endpoint's calls until none is left and no other can come."""
        ahead = endpoint.window(self._pool)
        while not self.closed:
            self._fill(endpoint, ahead)
            calls, failed = ahead.take_all()
            if failed:
                self._hand_back(failed)
            if not calls and not failed:
                return
            calls.sort(key=_seconds_of_audio, reverse=True)
            while calls and not self.closed:
                self._top_up(endpoint, ahead, calls)
                self._hand_back(endpoint.answer_next(calls))

    def _fill(self, endpoint: LocalEndpoint, ahead: DecodedAhead) -> None:
        """Take calls until the window is full, waiting for them while more may come."""
        while ahead.has_room(wait=True):
            with self._changed:
                while not endpoint.queue and (self._more_may_come or self._not_taken_in) and not self.closed:
                    self._changed.wait()
                if self.closed or not endpoint.queue:
                    return
                item = endpoint.queue.popleft()
            ahead.add(item)

    def _top_up(self, endpoint: LocalEndpoint, ahead: DecodedAhead, calls: Sequence[PendingCall]) -> None:
        """Take what has come meanwhile, as far as the window allows."""
        seconds = sum(item.seconds for item in calls)
        with self._changed:
            while endpoint.queue and ahead.has_room(seconds):
                ahead.add(endpoint.queue.popleft())

    def _hand_back(self, answered: list[tuple[PendingCall, Response]]) -> None:
        with self._changed:
            self._not_taken_in += 1
        self._in_loop(self._take_in, answered)

    def _take_in(self, answered: list[tuple[PendingCall, Response]]) -> None:
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


def _seconds_of_audio(item: PendingCall) -> float:
    return item.seconds or sum(audio.duration or 0.0 for audio in item.call.request.audio)


def _local(model: Model, spec: ModelSpec) -> ModelAdapter:
    if not isinstance(model, ModelAdapter):
        raise ConfigurationError(f"{spec.role}: {type(model).__name__} is not a ModelAdapter")
    return model


def _checked(adapter: ModelAdapter) -> Capabilities:
    capabilities = adapter.capabilities
    if capabilities.batch_size < 1:
        raise ConfigurationError(
            f"batch_size of {type(adapter).__name__} is {capabilities.batch_size}; it must be at least 1"
        )
    return capabilities
