"""An endpoint for a served model: at the server's pace, with patience, within the budget."""

import asyncio
import logging
import random
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from evalkit.adapter import SERVER_SAYS, ServedModelAdapter
from evalkit.errors import (
    AudioError,
    EvalkitError,
    PermanentError,
    RejectedError,
    ServerUnavailableError,
    TransientError,
)
from evalkit.inference.border import InvalidResponseError, checked_response, fingerprint_of
from evalkit.inference.endpoint import ModelFacts
from evalkit.inference.long_audio import fitted, joined
from evalkit.inference.processes.launched import LaunchedServer
from evalkit.inference.served.budget import Budget
from evalkit.inference.served.cache import AnswerCache, identity
from evalkit.inference.served.clock import Clock
from evalkit.inference.served.concurrency import AdaptiveConcurrency, Slot
from evalkit.inference.served.rate_limiter import RateLimiter
from evalkit.redaction import redacted, without_secrets
from evalkit.types import Call, Failure, FailureKind, Request, Response, Usage

_log = logging.getLogger("evalkit")

# A server that has never answered is more likely misspelt than overloaded.
_PATIENCE_AT_FIRST = 60.0
_PATIENCE_TO_IDENTIFY = 10.0
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0


class ServedEndpoint:
    """One served model; see ``Endpoint``.

    Args:
        role: that the model plays.
        adapter: the model.
        budget: of the run, shared by its endpoints.
        cache: of answers, or None.
        clock: by which it waits.
        notify: told, in a line for people, of every turn for the worse.
        server: of the model, where the run starts it itself.
    """

    def __init__(
        self,
        role: str,
        adapter: ServedModelAdapter,
        budget: Budget,
        cache: AnswerCache | None = None,
        clock: Clock | None = None,
        notify: Callable[[str], None] = lambda _: None,
        server: LaunchedServer | None = None,
    ) -> None:
        self.adapter = adapter
        self._server = server
        self.role = role
        self._budget = budget
        self._cache = cache
        self._clock = clock or Clock()
        self._notify = notify
        self._facts: ModelFacts | None = None
        self._identifying = asyncio.Lock()
        self._askers: set[asyncio.Task[Any]] = set()
        self._under_way: dict[str, asyncio.Future[Response]] = {}  # by identity, where answers are cached
        limits = adapter.limits
        self._concurrency = AdaptiveConcurrency(limits.concurrency)
        self._requests = _rate_limiter(limits.requests_per_minute, self._clock)
        self._tokens = _rate_limiter(limits.tokens_per_minute, self._clock)
        self._tokens_each = 0.0
        self._answers = 0
        self._last_sign: float | None = None  # of life: an answer, or the first attempt after nothing was asked
        self._notified = False
        self._rejected: RejectedError | None = None

    async def facts(self) -> ModelFacts:
        """Return what the model is and can do, with what its server says of itself.

        Raises:
            RejectedError: the server turns the caller away.
            ServerUnavailableError: a server of the run's own cannot be started.
        """
        async with self._identifying:
            if self._facts is None:
                if self._server is not None:
                    await self._server.ready()
                fingerprint = fingerprint_of(self.adapter)
                if said := await self._said():
                    fingerprint[SERVER_SAYS] = said
                kept = without_secrets(fingerprint, self.adapter.secrets)
                self._facts = ModelFacts(self.adapter.capabilities, kept)
        return self._facts

    async def answer(self, call: Call) -> Response:
        """Return the model's response, which may be a failure that says why.

        Raises:
            BudgetReachedError: the budget leaves no room for the request.
            ServerUnavailableError: the server has been away for longer than the limits allow.
            RejectedError: the server takes no request with this key, or has no such model.
        """
        request = call.request
        try:
            if self._cache is None:
                return await self._asked(request)
            return await self._asked_once(request, self._cache)
        except AudioError as error:
            return Response(failure=Failure("unreadable_audio", str(error)))

    def expect_more(self, whether: bool) -> None:
        """Do nothing: a server is asked one request at a time."""

    async def close(self) -> None:
        """Give up what is being asked, and close the connections."""
        for asker in self._askers:
            asker.cancel()
        await asyncio.gather(*self._askers, return_exceptions=True)
        await self.adapter.close()
        if self._server is not None:
            await self._server.stop()

    async def _said(self) -> dict[str, Any]:
        """Return what the server says of itself; an empty mapping where it does not say it soon."""
        try:
            async with asyncio.timeout(_PATIENCE_TO_IDENTIFY):
                said = dict(await self.adapter.identify())
        except TimeoutError:
            return {}
        except RejectedError as error:
            self._rejected = self._stop(error)
            raise self._rejected from error
        if self._server is not None:
            said.pop("created", None)  # the moment of its start, which is another one every time
        return said

    def _stop(self, error: RejectedError) -> RejectedError:
        return RejectedError(
            f"{self.role}: {self.adapter.redact(str(error))}. What was answered is kept: "
            "mend that, then run the same command again"
        )

    async def _asked_once(self, request: Request, cache: AnswerCache) -> Response:
        """Return the answer of the cache, of an equal request that is under way, or else of the server."""
        key = identity(request, (await self.facts()).fingerprint)
        if (found := cache.get(key)) is not None:
            return found
        if (under_way := self._under_way.get(key)) is not None:
            response = await asyncio.shield(under_way)
            return replace(response, usage=None) if response.failed else replace(response, cached=True)
        under_way = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            response = await self._asked(request)
            cache.put(key, response)
        except asyncio.CancelledError:
            under_way.cancel()
            raise
        except BaseException as error:
            under_way.set_exception(error)
            under_way.exception()  # perhaps nobody waits for it
            raise
        finally:
            del self._under_way[key]
        under_way.set_result(response)
        return response

    async def _asked(self, request: Request) -> Response:
        asker = asyncio.current_task()
        assert asker is not None  # noqa: S101 - a coroutine runs in a task
        self._askers.add(asker)
        try:
            if self.adapter.capabilities.longest_audio is None:
                return await self._asked_in_turn(request)
            fit = await asyncio.to_thread(fitted, request, self.adapter.capabilities)
            return joined(fit, [await self._asked_in_turn(piece) for piece in fit.requests])
        finally:
            self._askers.discard(asker)

    async def _asked_in_turn(self, request: Request) -> Response:
        async with self._concurrency.slot() as slot:
            if self._rejected is not None:
                raise self._rejected
            if self._concurrency.in_flight == 1:
                self._last_sign = None  # it was asked nothing, so its silence says nothing
            call = _Attempts(request, slot)
            try:
                return await self._until_answered(call)
            except TransientError as error:
                failure = Failure(_kind(error), f"gave up after {call.requests} attempts: {error}")
            except PermanentError as error:
                self._note_answer()  # a refusal is a sign of life
                failure = Failure("refused", str(error))
            except InvalidResponseError as error:
                failure = Failure("invalid_response", str(error))
            except RejectedError as error:
                self._rejected = self._stop(error)
                raise self._rejected from error
            except (EvalkitError, asyncio.CancelledError):
                raise
            except Exception as error:
                # What an adapter did not foresee costs one sample its answer, not the run.
                if _log.isEnabledFor(logging.DEBUG):  # the key may stand in the error
                    _log.debug("sample %s: %s", request.sample_id, self.adapter.redact(traceback.format_exc()))
                failure = Failure("error", f"{type(error).__name__}: {error}")
            failure = replace(failure, message=self.adapter.redact(failure.message))
            return Response(failure=failure, usage=Usage(requests=call.requests))

    async def _until_answered(self, call: "_Attempts") -> Response:
        """Attempt after attempt; raises the last failure once the request has had as many as it may."""
        while True:
            try:
                return await self._attempt(call)
            except TransientError as error:
                if call.counted >= self.adapter.limits.attempts:
                    raise
                # What the server asks for, and no less than exponential back-off with full jitter.
                longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(call.requests - 1, 10))
                await self._clock.sleep(max(error.retry_after or 0.0, random.uniform(0.0, longest)))  # noqa: S311

    async def _attempt(self, call: "_Attempts") -> Response:
        if self._server is not None and await self._server.ready():
            self._last_sign = self._clock.now()  # it was known to be away while it was started again
        if self._requests is not None:
            await self._requests.take()
        expected_tokens = self._tokens_each
        if self._tokens is not None:
            await self._tokens.take(expected_tokens)
        now = self._clock.now()
        if self._last_sign is None:
            self._last_sign = now
        self._budget.take()
        call.begin(now, self._answers)
        usage = Usage(requests=1)
        started = time.perf_counter()
        try:
            response = await self._within_deadline(call.request)
            usage = replace(response.usage or Usage(), requests=(response.usage or usage).requests or 1)
            usage = self._priced(usage)
        except TransientError as error:
            self._note_failure(error, call)
            raise
        except AudioError:
            usage = Usage()  # nothing was sent
            raise
        finally:
            self._budget.give_back(usage)
        call.slot.succeeded()
        self._note_answer()
        tokens = usage.input_tokens + usage.output_tokens
        if self._tokens is not None:
            self._tokens.charge(tokens - expected_tokens)
        self._tokens_each += 0.1 * (tokens - self._tokens_each)
        usage = replace(usage, requests=call.requests - 1 + usage.requests)
        return replace(response, usage=usage, seconds=round(time.perf_counter() - started, 4))

    async def _within_deadline(self, request: Request) -> Response:
        deadline = self.adapter.limits.deadline
        try:
            async with asyncio.timeout(deadline):
                response = await self.adapter.answer(request)
        except TimeoutError as error:
            raise _DeadlineError(f"no complete answer within {deadline:g} s", overloaded=True) from error
        # Before anything keeps it: a server may have repeated the key in any of its fields.
        return redacted(checked_response(response, type(self.adapter).__name__), self.adapter.redact)

    def _priced(self, usage: Usage) -> Usage:
        prices = self.adapter.prices
        # What nobody counted did not cost nothing: its cost is not known.
        counted = usage.input_tokens or usage.output_tokens or usage.audio_seconds
        return replace(usage, cost=prices.cost(usage)) if prices is not None and counted else usage

    def _note_answer(self) -> None:
        self._answers += 1
        self._last_sign = self._clock.now()
        self._notified = False

    def _note_failure(self, error: TransientError, call: "_Attempts") -> None:
        """Draw from a failed attempt what it says about the server, and end the run if it has been away too long."""
        if error.overloaded or error.unavailable:
            call.slot.overloaded()
        # A busy server says nothing about the request; nor does one that is away, unless it answered others meanwhile.
        busy = error.overloaded and not isinstance(error, _DeadlineError)
        if not busy and not (error.unavailable and call.answers_before == self._answers):
            call.counted += 1
        if self._clock.now() - call.started > self.adapter.limits.patience:
            call.counted = self.adapter.limits.attempts
        if error.overloaded or error.unavailable or error.retry_after:
            self._check_patience(error)

    def _check_patience(self, error: TransientError) -> None:
        limits = self.adapter.limits
        patience = limits.patience
        if self._answers == 0 and error.unavailable:
            patience = min(patience, _PATIENCE_AT_FIRST)
        away = self._clock.now() - (self._last_sign or 0.0)
        asked = error.retry_after or 0.0
        message = self.adapter.redact(str(error))
        if away > patience or asked > limits.patience:
            wish = f", it asks to wait {asked:.0f} s" if asked else ""
            raise ServerUnavailableError(
                f"{self.role}: no answer for {away:.0f} s ({message}{wish}). What was answered is kept: "
                "see to the server, then run the same command again"
            )
        if not self._notified:
            self._notified = True
            self._notify(f"{self.role}: {message}; trying again, for up to {patience:.0f} s without an answer")


class _DeadlineError(TransientError):
    """No whole answer in time: the server may have too much to do, or the request may be more than it can do."""


def _kind(error: TransientError) -> FailureKind:
    if isinstance(error, _DeadlineError):
        return "timeout"
    return "overloaded" if error.overloaded else "unavailable" if error.unavailable else "error"


class _Attempts:
    """How far one request has come."""

    def __init__(self, request: Request, slot: Slot) -> None:
        self.request = request
        self.slot = slot
        self.started = 0.0
        self.requests = 0  # sent
        self.counted = 0  # attempts that failed for a reason that may lie in the request
        self.answers_before = 0

    def begin(self, now: float, answers: int) -> None:
        """Begin one more attempt, at a time when the server has given so many answers."""
        if self.requests == 0:
            self.started = now
        self.requests += 1
        self.answers_before = answers
        self.slot.attempt_begins()


def _rate_limiter(per_minute: float | None, clock: Clock) -> RateLimiter | None:
    return None if per_minute is None else RateLimiter(per_minute, clock)
