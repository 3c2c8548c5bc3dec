"""How calls are put to a model in this process: decoded ahead, in batches that fit, one failure at a time."""

import asyncio
import gc
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

from evalkit.adapter import ModelAdapter
from evalkit.errors import AudioError, EvalkitError, ModelDiedError
from evalkit.inference.border import (
    InvalidResponseError,
    checked_responses,
    contained,
    cost_of,
    memory_of,
    told,
    unreadable,
)
from evalkit.inference.long_audio import fitted, joined
from evalkit.inference.packing import Packing
from evalkit.inference.work_clock import WorkClock
from evalkit.types import Call, Failure, FailureKind, Request, Response
from evalkit_worker.errors import is_out_of_memory

_log = logging.getLogger("evalkit")

# Recordings that are decoded at once before the length of any is known.
_FIRST_DECODED = 2


@dataclass(slots=True, eq=False)
class PendingCall:
    """A call that waits for its answer.

    Attributes:
        call: to be answered.
        answered: the future that gets the response; it belongs to the event loop's thread.
        seconds: of audio in it, once that is decoded.
        cost: what it costs in a batch, once that can be known.
    """

    call: Call
    answered: "asyncio.Future[Response]"
    seconds: float = 0.0
    cost: float = 0.0


Answered = list[tuple[PendingCall, Response]]
"""Calls with their responses."""


class DecodedAhead:
    """Calls in the order of coming whose audio is decoded by other threads while the model works.

    soundfile and soxr release the interpreter lock. How much is decoded ahead is bounded by number and by seconds of
    audio; the length of a recording that is not decoded yet is taken to be the mean of those before it.

    Args:
        pool: whose threads decode.
        sample_rate: in hertz, at which the model wants audio, or None if it takes no waveforms.
        most: calls held at once.
        seconds: of audio held at once; one recording is held however long it is.
    """

    def __init__(self, pool: ThreadPoolExecutor, sample_rate: int | None, most: int, seconds: float) -> None:
        self._pool = pool
        self._sample_rate = sample_rate
        self._most = most
        self._seconds = seconds
        self._held: deque[tuple[PendingCall, Future[Failure | None] | None]] = deque()
        self._lock = threading.Lock()  # of what follows, which the decoding threads count
        self._being_decoded = 0
        self._held_seconds = 0.0
        self._decoded_seconds = 0.0
        self._decoded = 0

    def __len__(self) -> int:
        return len(self._held)

    def has_room(self, seconds_beside: float = 0.0, *, wait: bool = False) -> bool:
        """Return whether another call may be added, while so many seconds of audio are held elsewhere.

        Args:
            seconds_beside: of audio that is decoded and held elsewhere.
            wait: whether to wait for the lengths of recordings that are being decoded, rather than guess that there
                is no room.
        """
        if not self._held:
            return True
        if len(self._held) >= self._most:
            return False
        if self._sample_rate is None:
            return True
        while not self._may_hold_another(seconds_beside):
            decoding = next((each for _, each in self._held if each is not None and not each.done()), None)
            if decoding is None or not wait:
                return False
            decoding.result()
        return True

    def _may_hold_another(self, seconds_beside: float) -> bool:
        with self._lock:
            unknown, seconds = self._being_decoded, seconds_beside + self._held_seconds
            if not self._decoded:
                return seconds < self._seconds and unknown < _FIRST_DECODED
            return seconds + (unknown + 1) * self._decoded_seconds / self._decoded <= self._seconds

    def add(self, item: PendingCall) -> None:
        """Begin to decode a call's audio."""
        if self._sample_rate is None or not item.call.request.audio:
            self._held.append((item, None))
            return
        with self._lock:
            self._being_decoded += 1
        self._held.append((item, self._pool.submit(self._decode, item, self._sample_rate)))

    def take_all(self) -> tuple[list[PendingCall], Answered]:
        """Return the calls that are held, once they are decoded, and those that cannot be, with their failures."""
        playable: list[PendingCall] = []
        failed: Answered = []
        for item, decoding in self._held:
            failure = None if decoding is None else decoding.result()
            if failure is None:
                playable.append(item)
            else:
                failed.append((item, Response(failure=failure)))
        self._held.clear()
        self._held_seconds = 0.0
        return playable, failed

    def _decode(self, item: PendingCall, sample_rate: int) -> Failure | None:
        failure = None
        try:
            for audio in item.call.request.audio:
                audio.waveform(sample_rate)
                item.seconds += audio.duration or 0.0
        except Exception as error:
            release(item)
            item.seconds = 0.0
            failure = unreadable(error, audio.locator)
        with self._lock:
            self._being_decoded -= 1
            self._held_seconds += item.seconds
            if failure is None:
                self._decoded += 1
                self._decoded_seconds += item.seconds
        return failure


def release(item: PendingCall) -> None:
    """Forget the decoded samples of a call's recordings."""
    for audio in item.call.request.audio:
        audio.release()


def answer_batch(
    adapter: ModelAdapter, requests: Sequence[Request], packing: Packing, clock: WorkClock
) -> list[Response]:
    """Return the responses to a batch.

    A batch that fails is divided: into what may fit when memory ran out, in halves when it ended the model's process,
    otherwise one by one. What it held is freed before.

    Args:
        adapter: the model.
        requests: the batch.
        packing: told of what fits and what does not.
        clock: told of the model's work.

    Raises:
        EvalkitError: the adapter says that no request can be answered as things are.
    """
    started = time.perf_counter()
    try:
        with contained(), clock.working([request.sample_id for request in requests]):
            responses = checked_responses(adapter.generate(tuple(requests)), len(requests), type(adapter).__name__)
    except EvalkitError as error:
        if not isinstance(error, AudioError):
            raise
        failed: BaseException = error
    except BaseException as error:  # some libraries end programs, and others panic; a user's interrupt never comes here
        failed = error
    else:
        seconds = time.perf_counter() - started
        packing.answered(_costs(adapter, requests), seconds, memory_of(adapter))
        each = round(seconds / len(requests), 4)
        return [replace(response, seconds=each) for response in responses]
    died = isinstance(failed, ModelDiedError)
    out_of_memory = is_out_of_memory(failed) or (isinstance(failed, ModelDiedError) and failed.killed)
    if len(requests) == 1:
        _log.debug("sample %s: %s failed", requests[0].sample_id, type(adapter).__name__, exc_info=failed)
    let_go(failed)
    if out_of_memory:
        gc.collect()
        adapter.release_memory()
    if len(requests) == 1:
        return [Response(failure=Failure(*_reason(failed, out_of_memory)))]
    if out_of_memory:
        packing.did_not_fit(_costs(adapter, requests))
        return answer_packed(adapter, requests, packing, clock)
    part = (len(requests) + 1) // 2 if died else 1
    parts = [requests[start : start + part] for start in range(0, len(requests), part)]
    return [response for each in parts for response in answer_batch(adapter, each, packing, clock)]


def answer_packed(
    adapter: ModelAdapter, requests: Sequence[Request], packing: Packing, clock: WorkClock
) -> list[Response]:
    """Return the responses to requests, in as many batches as they need.

    Raises:
        EvalkitError: as ``answer_batch`` does.
    """
    answered: list[Response] = []
    while len(answered) < len(requests):
        left = requests[len(answered) :]
        batch = left[: packing.count(_costs(adapter, left))]
        answered += answer_batch(adapter, batch, packing, clock)
    return answered


def answer_fitted(
    adapter: ModelAdapter, requests: Sequence[Request], packing: Packing, clock: WorkClock
) -> list[Response]:
    """Return the responses to requests, no recording being longer than the model takes.

    Raises:
        EvalkitError: as ``answer_batch`` does.
    """
    if adapter.capabilities.longest_audio is None:
        return answer_packed(adapter, requests, packing, clock)
    fits = [fitted(request, adapter.capabilities) for request in requests]
    given = iter(answer_packed(adapter, [request for fit in fits for request in fit.requests], packing, clock))
    return [joined(fit, list(islice(given, len(fit.requests)))) for fit in fits]


def let_go(error: BaseException | None) -> None:
    """Drop what the frames of an error's traceback hold: tensors of the batch that failed, for which there was no room.

    The errors that it came of are dealt with as well; their messages stay.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        earlier = error.__cause__ or error.__context__
        # Unlinked, as they may come of each other in a circle.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        error = earlier


def _costs(adapter: ModelAdapter, requests: Sequence[Request]) -> Iterator[float]:
    return (cost_of(adapter, request) for request in requests)


def _reason(error: BaseException, out_of_memory: bool) -> tuple[FailureKind, str]:
    if isinstance(error, InvalidResponseError):
        return "invalid_response", str(error)
    if isinstance(error, AudioError):
        return "unreadable_audio", str(error)
    if isinstance(error, ModelDiedError):
        return "timeout" if error.too_late else "out_of_memory" if error.killed else "error", f"the model {error}"
    return "out_of_memory" if out_of_memory else "error", told(error)
