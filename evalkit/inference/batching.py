"""How calls reach a model on this machine: decoded ahead, batched by length, one failure at a time."""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

from evalkit.adapter import ModelAdapter
from evalkit.chain import ChainRun
from evalkit.errors import AudioError, ConfigurationError
from evalkit.types import Call, Failure, FailureKind, Response


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call that waits for its answer, and the chain that made it."""

    run: ChainRun
    call: Call


class Executor(Protocol):
    """Puts calls to a model and yields each with its response, in whatever order suits the model."""

    def execute(self, adapter: ModelAdapter, pending: Iterable[PendingCall]) -> Iterator[tuple[PendingCall, Response]]:
        """Answer every pending call exactly once; a call that fails gets a response that says why."""


class LocalExecutor:
    """Runs a model in this process.

    Audio is decoded and resampled by background threads (soundfile and soxr release the interpreter lock) while the
    model works. Calls are sorted by length within a window, so that a batch pads little. A batch that fails is
    divided: in halves when memory ran out, and the smaller size is kept; otherwise one by one.

    Args:
        batch_size: requests a model gets at once; None for what the adapter prefers.
        decode_threads: how many threads decode audio.
        batches_ahead: how many batches are decoded before they are needed, and sorted by length together.
    """

    def __init__(self, batch_size: int | None = None, decode_threads: int = 2, batches_ahead: int = 8) -> None:
        for name, value in (
            ("batch_size", batch_size),
            ("decode_threads", decode_threads),
            ("batches_ahead", batches_ahead),
        ):
            if value is not None and value < 1:
                raise ConfigurationError(f"executor.{name} is {value}; it must be at least 1")
        self._batch_size = batch_size
        self._decode_threads = decode_threads
        self._batches_ahead = batches_ahead

    def execute(self, adapter: ModelAdapter, pending: Iterable[PendingCall]) -> Iterator[tuple[PendingCall, Response]]:
        """Answer every pending call; see ``Executor``."""
        batch_size = self._batch_size or adapter.capabilities.batch_size
        if batch_size < 1:
            raise ConfigurationError(f"batch_size of {type(adapter).__name__} is {batch_size}; it must be at least 1")
        window = batch_size * self._batches_ahead
        calls = iter(pending)
        with ThreadPoolExecutor(self._decode_threads, thread_name_prefix="decode") as pool:
            decoding = self._decoded_ahead(adapter, calls, pool, window)
            while ready := list(islice(decoding, window)):
                playable = []
                for item, error in ready:
                    if error is None:
                        playable.append(item)
                    else:
                        yield item, Response(failure=Failure("unreadable_audio", error))
                if batch_size > 1:
                    playable.sort(key=_seconds_of_audio, reverse=True)
                while playable:
                    batch = playable[:batch_size]
                    responses, batch_size = _answer(adapter, batch, batch_size)
                    for item in batch:
                        for audio in item.call.request.audio:
                            audio.release()
                    del playable[: len(batch)]
                    yield from zip(batch, responses, strict=True)

    def _decoded_ahead(
        self, adapter: ModelAdapter, calls: Iterator[PendingCall], pool: ThreadPoolExecutor, window: int
    ) -> Iterator[tuple[PendingCall, str | None]]:
        """Each call once its audio is decoded, with the reason if that failed; ``window`` calls are under way."""
        sample_rate = adapter.capabilities.sample_rate
        if sample_rate is None:
            yield from ((item, None) for item in calls)
            return
        under_way: deque[tuple[PendingCall, Future[str | None]]] = deque()
        for item in calls:
            under_way.append((item, pool.submit(_decode, item, sample_rate)))
            if len(under_way) > window:
                first, future = under_way.popleft()
                yield first, future.result()
        for item, future in under_way:
            yield item, future.result()


def _decode(item: PendingCall, sample_rate: int) -> str | None:
    try:
        for audio in item.call.request.audio:
            audio.waveform(sample_rate)
    except AudioError as error:
        return str(error)
    return None


def _seconds_of_audio(item: PendingCall) -> float:
    return sum(audio.duration or 0.0 for audio in item.call.request.audio)


def _answer(adapter: ModelAdapter, batch: Sequence[PendingCall], batch_size: int) -> tuple[list[Response], int]:
    """The responses to a batch, and the batch size to go on with."""
    requests = [item.call.request for item in batch]
    started = time.perf_counter()
    try:
        responses = adapter.generate(requests)
    except ConfigurationError:
        raise
    except Exception as error:
        if len(batch) == 1:
            kind: FailureKind = "out_of_memory" if _out_of_memory(error) else "error"
            return [Response(failure=Failure(kind, f"{type(error).__name__}: {error}"))], batch_size
        half = (len(batch) + 1) // 2 if _out_of_memory(error) else 1
        parts = [batch[start : start + half] for start in range(0, len(batch), half)]
        answered = [_answer(adapter, part, half) for part in parts]
        smaller = min(size for _, size in answered) if _out_of_memory(error) else batch_size
        return [response for responses, _ in answered for response in responses], smaller
    if len(responses) != len(requests):
        raise ConfigurationError(
            f"{type(adapter).__name__}.generate gave {len(responses)} responses to {len(requests)} requests"
        )
    seconds = (time.perf_counter() - started) / len(requests)
    return [replace(response, seconds=round(seconds, 4)) for response in responses], batch_size


def _out_of_memory(error: BaseException) -> bool:
    """Whether a model ran out of memory, told without importing the library that raised the error."""
    return (
        isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__ or "out of memory" in str(error).lower()
    )
