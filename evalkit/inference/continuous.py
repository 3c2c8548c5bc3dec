"""How calls are put to a model that takes the next one as soon as it has room, while others are under way."""

import gc
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from evalkit.adapter import Capabilities, ContinuousModelAdapter
from evalkit.errors import AudioError, EvalkitError
from evalkit.inference.batching import Answered, PendingCall, answer_fitted, let_go
from evalkit.inference.border import InvalidResponseError, checked_response, contained, told
from evalkit.inference.long_audio import Fitted, fitted, joined
from evalkit.inference.packing import Packing
from evalkit.inference.work_clock import WorkClock
from evalkit.types import Request, Response
from evalkit_worker.errors import is_out_of_memory

_log = logging.getLogger("evalkit")


def answer_each(
    adapter: ContinuousModelAdapter,
    calls: Iterator[PendingCall],
    packing: Packing,
    clock: WorkClock,
    hand_back: Callable[[Answered], None],
) -> bool:
    """Answer calls, each as soon as it is done, until there are no more of them or the model fails.

    What is under way when it fails is asked again in batches; the calls that were not pulled are left.

    Args:
        adapter: the model.
        calls: pulled as the model has room; one at least.
        packing: of the batches.
        clock: told of the model's work.
        hand_back: given the answers.

    Returns:
        Whether the model should go on being asked in this way: memory did not run out.

    Raises:
        EvalkitError: the adapter says that no request can be answered as things are.
    """
    name = type(adapter).__name__
    first = next(calls)
    asked = _Asked(adapter.capabilities, chain([first], calls), clock)
    out_of_memory = False
    try:
        with contained(), clock.working([first.call.request.sample_id]):
            for given in adapter.generate_each(asked.requests()):
                hand_back(asked.take(given, name))
    except BaseException as error:  # as in a batch
        if isinstance(error, EvalkitError) and not isinstance(error, AudioError):
            raise
        out_of_memory = is_out_of_memory(error)
        _log.warning("%s.generate_each failed, %d under way: %s", name, len(asked.under_way), told(error))
        let_go(error)
    if out_of_memory:
        gc.collect()
        adapter.release_memory()
    hand_back(asked.refused())
    left = asked.under_way or ([] if asked.begun else [first])
    if left:
        responses = answer_fitted(adapter, [item.call.request for item in left], packing, clock)
        hand_back(list(zip(left, responses, strict=True)))
    return not out_of_memory


@dataclass(slots=True, eq=False)
class _Asking:
    """A call under way, and the responses to the requests that it was fitted to."""

    item: PendingCall
    fit: Fitted
    responses: list[Response | None]


class _Asked:
    """What one ``generate_each`` is asked, and what of it is under way."""

    def __init__(self, capabilities: Capabilities, calls: Iterator[PendingCall], clock: WorkClock) -> None:
        self.begun = False
        self._capabilities = capabilities
        self._calls = calls
        self._clock = clock
        self._seconds = clock.seconds
        self._under_way: dict[PendingCall, None] = {}  # in the order of pulling
        self._requests: dict[int, tuple[_Asking, int]] = {}  # by position, those without a response
        self._refused: Answered = []

    @property
    def under_way(self) -> list[PendingCall]:
        """The calls that were pulled and have no answer."""
        return list(self._under_way)

    def requests(self) -> Iterator[Request]:
        """Pull calls, and yield the requests that they come to."""
        position = 0
        while True:
            with self._clock.waiting():
                item = next(self._calls, None)
            if item is None:
                return
            self.begun = True
            self._under_way[item] = None
            fit = fitted(item.call.request, self._capabilities)
            asking = _Asking(item, fit, [None] * len(fit.requests))
            self._clock.lives(self._names())
            if not fit.requests:
                self._refused.append(self._ended(asking))
            for number, request in enumerate(fit.requests):
                self._requests[position] = asking, number
                position += 1
                yield request

    def take(self, given: Any, adapter: str) -> Answered:
        """Take in what ``generate_each`` yielded; return the calls that are answered by it.

        Raises:
            InvalidResponseError: it is no response to a request that is under way.
        """
        try:
            position, response = given
            asking, number = self._requests.pop(position)
        except (TypeError, ValueError, KeyError):
            raise InvalidResponseError(
                f"{adapter}.generate_each yielded {given!r:.200}; it must yield the position of a request that is "
                "under way, and its Response"
            ) from None
        seconds, self._seconds = self._clock.seconds - self._seconds, self._clock.seconds
        asking.responses[number] = replace(checked_response(response, adapter), seconds=round(seconds, 4))
        answered = self.refused()
        if None not in asking.responses:
            answered.append(self._ended(asking))
        self._clock.lives(self._names())
        return answered

    def refused(self) -> Answered:
        """Return the calls pulled since the last answer that cannot be put to the model, with their failures."""
        # One by one, as an adapter may pull in another thread.
        return [self._refused.pop(0) for _ in range(len(self._refused))]

    def _ended(self, asking: _Asking) -> tuple[PendingCall, Response]:
        del self._under_way[asking.item]
        return asking.item, joined(asking.fit, [each for each in asking.responses if each is not None])

    def _names(self) -> list[str]:
        return [item.call.request.sample_id for item in self.under_way]
