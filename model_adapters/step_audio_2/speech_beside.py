"""Make speech of answers in a thread, while others are still generated."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Self, TypeVar

from evalkit.audio import Waveform

Key = TypeVar("Key")
Utterance = TypeVar("Utterance")


class SpeechBeside(Generic[Key, Utterance]):
    """A synthesizer at work in a thread of its own, on all answers together that have come in the meantime.

    Args:
        synthesize: makes a waveform of each of several utterances; called from that thread only.
        most: answers that may wait for their speech before whoever brings another has to wait.
    """

    def __init__(self, synthesize: Callable[[Sequence[Utterance]], Sequence[Waveform]], most: int) -> None:
        self._synthesize = synthesize
        self._most = most
        self._thread = ThreadPoolExecutor(1, "speech")
        self._waiting: list[tuple[Key, Utterance]] = []
        self._under_way: tuple[list[Key], Future[Sequence[Waveform]]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def add(self, key: Key, utterance: Utterance) -> None:
        """Take in an answer that is to be spoken."""
        self._waiting.append((key, utterance))
        self._begin()

    def made(self, *, to_the_end: bool = False) -> Iterator[tuple[Key, Waveform]]:
        """Give the speech that has been made; ``to_the_end`` waits until all of it is.

        Raises:
            Exception: what the synthesizer raises.
        """
        while self._under_way is not None:
            keys, future = self._under_way
            if not (to_the_end or future.done() or len(keys) + len(self._waiting) >= self._most):
                return
            waveforms = future.result()
            self._under_way = None
            self._begin()
            yield from zip(keys, waveforms, strict=True)

    def _begin(self) -> None:
        if self._under_way is None and self._waiting:
            keys, utterances = zip(*self._waiting, strict=True)
            self._waiting.clear()
            self._under_way = list(keys), self._thread.submit(self._synthesize, utterances)
