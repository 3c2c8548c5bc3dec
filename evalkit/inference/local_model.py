"""A model of this process in the hands of the thread in which it works: loaded, asked, freed."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from evalkit.adapter import Capabilities, ContinuousModelAdapter, Model, ModelAdapter
from evalkit.errors import ConfigurationError
from evalkit.inference.batching import Answered, DecodedAhead, PendingCall, answer_fitted, release
from evalkit.inference.border import InvalidResponseError, contained, cost_of, fingerprint_of
from evalkit.inference.continuous import answer_each
from evalkit.inference.endpoint import ModelFacts, ModelSpec
from evalkit.inference.packing import Packing
from evalkit.inference.work_clock import WorkClock
from evalkit.types import Failure, Response

# Answers that are no responses, without a single one that is, after which an adapter is taken to be wrong altogether.
_MOST_INVALID = 4

_ALONE_AHEAD = 8


class LocalModel:
    """One model of this process.

    Args:
        spec: describes it.
        batch_size: the most requests it gets at once; None for what its adapter prefers, or more.
        batches_ahead: how many batches are decoded before they are needed, and sorted together.
        seconds_ahead: the most seconds of audio that are decoded ahead.

    Attributes:
        clock: tells, to other threads too, how long it was at work.
    """

    def __init__(self, spec: ModelSpec, batch_size: int | None, batches_ahead: int, seconds_ahead: float) -> None:
        self.clock = WorkClock()
        self._spec = spec
        self._batch_size = batch_size
        self._batches_ahead = batches_ahead
        self._seconds_ahead = seconds_ahead
        self._adapter: ModelAdapter | None = None
        self._facts: ModelFacts | None = None
        self._packing = Packing(1)
        self._goes_on_in_batches = False
        self._good_answers = 0
        self._invalid_answers = 0

    @property
    def ends_by_itself(self) -> bool:
        """Whether a batch that takes too long is ended without help, as in a process of its own."""
        return self._spec.process.python is not None

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._adapter is not None

    def load(self) -> ModelFacts:
        """Have the model in memory, and return what is known of it."""
        if self._adapter is None:
            with contained():
                self._adapter = _local(self._spec.make(), self._spec)
        if self._facts is None:
            self._facts = ModelFacts(_capabilities(self._adapter), fingerprint_of(self._adapter))
            preferred = self._facts.capabilities.batch_size
            self._packing = Packing(self._batch_size or preferred, may_grow=self._batch_size is None)
            self.clock.ready()
        return self._facts

    def unload(self) -> None:
        """Free what the model holds."""
        adapter, self._adapter = self._adapter, None
        if adapter is not None:
            adapter.close()

    def window(self, pool: ThreadPoolExecutor) -> DecodedAhead:
        """Return an empty window of calls that are decoded ahead."""
        sample_rate = self.load().capabilities.sample_rate
        # Of a model that takes one at a time nothing is to be sorted, and more would only take memory.
        alone = self._packing.rows == 1
        batches = min(self._batches_ahead, _ALONE_AHEAD) if alone else self._batches_ahead
        return DecodedAhead(pool, sample_rate, self._packing.rows * batches, self._seconds_ahead)

    def sort(self, calls: list[PendingCall]) -> Answered:
        """Put calls whose audio is decoded into the order of what they cost in a batch, the costliest first.

        Returns:
            Those whose cost the adapter cannot tell, which are taken off the list, with their failures.

        Raises:
            ConfigurationError: it has told nothing that can be so far.
        """
        adapter = self._loaded()
        failed: Answered = []
        for item in calls:
            try:
                item.cost = cost_of(adapter, item.call.request)
            except InvalidResponseError as error:
                failed.append((item, Response(failure=Failure("invalid_response", str(error)))))
        unfit = {item for item, _ in failed}
        calls[:] = sorted((item for item in calls if item not in unfit), key=_cost, reverse=True)
        self._let_go(failed)
        return failed

    def answer_all(self, waiting: Iterator[list[PendingCall]], hand_back: Callable[[Answered], None]) -> None:
        """Answer calls as long as there are any.

        Args:
            waiting: yields the calls that are waiting, costliest first, again and again; those that are answered next
                are taken off the list.
            hand_back: given the answers as they come.
        """

        def give(answered: Answered) -> None:
            self._let_go(answered)
            hand_back(answered)

        for calls in waiting:
            adapter = self._loaded()
            if isinstance(adapter, ContinuousModelAdapter) and adapter.is_continuous and not self._goes_on_in_batches:
                following = chain([calls.pop(0)], (more.pop(0) for more in waiting))
                self._goes_on_in_batches = not answer_each(adapter, following, self._packing, self.clock, give)
            else:
                give(self._answer_batch(adapter, calls))

    def _answer_batch(self, adapter: ModelAdapter, calls: list[PendingCall]) -> Answered:
        batch = calls[: self._packing.count(map(_cost, calls))]
        del calls[: len(batch)]
        responses = answer_fitted(adapter, [item.call.request for item in batch], self._packing, self.clock)
        return list(zip(batch, responses, strict=True))

    def _loaded(self) -> ModelAdapter:
        assert self._adapter is not None  # noqa: S101 - loaded before its turn
        return self._adapter

    def _let_go(self, answered: Answered) -> None:
        """Forget the audio of calls that have an answer, and refuse a model none of whose answers is one."""
        for item, _ in answered:
            release(item)
        if self._good_answers:
            return
        failures = [response.failure for _, response in answered if response.failure is not None]
        invalid = [failure for failure in failures if failure.kind == "invalid_response"]
        self._good_answers += len(answered) - len(invalid)
        self._invalid_answers += len(invalid)
        if not self._good_answers and self._invalid_answers >= _MOST_INVALID:
            raise ConfigurationError(f"{self._spec.role}: {invalid[-1].message}, and did so for every request so far")


def _cost(item: PendingCall) -> float:
    return item.cost


def _local(model: Model, spec: ModelSpec) -> ModelAdapter:
    if not isinstance(model, ModelAdapter):
        raise ConfigurationError(f"{spec.role}: {type(model).__name__} is not a ModelAdapter")
    return model


def _capabilities(adapter: ModelAdapter) -> Capabilities:
    if not isinstance(adapter.capabilities, Capabilities):
        raise ConfigurationError(f"{type(adapter).__name__}.capabilities must be Capabilities")
    return adapter.capabilities
