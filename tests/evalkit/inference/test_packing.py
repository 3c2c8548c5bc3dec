"""How large batches become: what memory shows, and what did not fit."""

import gc
import time
import weakref
from collections.abc import Sequence
from itertools import count
from typing import Any, ClassVar

import pytest

from evalkit.adapter import Capabilities, Memory, ModelAdapter
from evalkit.inference.batching import answer_batch, answer_packed
from evalkit.inference.local import LocalExecutor
from evalkit.inference.packing import Packing, padded_cost
from evalkit.inference.work_clock import WorkClock
from evalkit.types import Call, Message, Request, Response
from tests.evalkit.inference.test_local import run

GIGABYTE = 1 << 30


def test_a_batch_has_the_preferred_number_of_requests_until_memory_is_known() -> None:
    packing = Packing(4, may_grow=True)
    assert packing.count([1.0] * 9) == 4
    assert packing.count([5.0, 1.0]) == 2
    packing.answered([1.0] * 4, 1.0, None)
    assert packing.count([1.0] * 9) == 4


def test_batches_double_while_memory_allows_and_hold_more_of_what_costs_less() -> None:
    packing = Packing(4, may_grow=True)
    packing.answered([10.0] * 4, 1.0, Memory(resting=GIGABYTE, peak=2 * GIGABYTE, capacity=100 * GIGABYTE))
    assert packing.count([10.0] * 99) == 8
    assert packing.count([1.0] * 99) == 80
    packing.answered([10.0] * 8, 1.2, Memory(resting=GIGABYTE, peak=3 * GIGABYTE, capacity=100 * GIGABYTE))
    assert packing.count([10.0] * 99) == 16


def test_batches_stop_growing_where_memory_ends() -> None:
    packing = Packing(4, may_grow=True)
    # 40 seconds took 2 GB; of 10 GB 15 % are left free and 1 is taken: 7.5 GB hold 150 seconds.
    packing.answered([10.0] * 4, 1.0, Memory(resting=GIGABYTE, peak=3 * GIGABYTE, capacity=10 * GIGABYTE))
    for rows in (8, 15):
        assert packing.count([10.0] * 99) == rows
        peak = GIGABYTE + rows * GIGABYTE // 2
        packing.answered([10.0] * rows, 1.0, Memory(resting=GIGABYTE, peak=peak, capacity=10 * GIGABYTE))
    assert packing.count([10.0] * 99) == 15


def test_batches_stop_growing_where_it_does_not_pay() -> None:
    plenty = Memory(resting=GIGABYTE, peak=2 * GIGABYTE, capacity=100 * GIGABYTE)
    packing = Packing(4, may_grow=True)
    packing.answered([10.0] * 4, 1.0, plenty)
    packing.answered([10.0] * 8, 2.0, plenty)
    packing.answered([1.0] * 3, 2.0, plenty)
    assert packing.count([10.0] * 99) == 8


def test_a_batch_that_something_held_up_does_not_end_the_growth() -> None:
    plenty = Memory(resting=GIGABYTE, peak=2 * GIGABYTE, capacity=100 * GIGABYTE)
    packing = Packing(4, may_grow=True)
    packing.answered([10.0] * 4, 1.0, plenty)
    packing.answered([10.0] * 8, 9.0, plenty)
    assert packing.count([10.0] * 99) == 8
    packing.answered([9.5] * 8, 1.2, plenty)
    assert packing.count([10.0] * 99) == 16


def test_a_size_that_was_set_is_kept() -> None:
    packing = Packing(4)
    packing.answered([1.0] * 4, 1.0, Memory(resting=0, peak=1, capacity=GIGABYTE))
    assert packing.count([1.0] * 99) == 4


def test_what_did_not_fit_bounds_the_cost_and_not_the_number_of_requests() -> None:
    packing = Packing(8)
    packing.did_not_fit([30.0] * 8)
    assert packing.count([30.0] * 99) == 4
    assert packing.count([14.0] * 99) == 8
    packing.did_not_fit([30.0] * 4)
    packing.did_not_fit([20.0] * 8)
    assert packing.count([30.0] * 99) == 2
    assert packing.count([100.0, 1.0]) == 1, "one request is a batch, whatever it costs"


def test_requests_that_cost_nothing_are_bounded_all_the_same() -> None:
    packing = Packing(8)
    packing.did_not_fit([0.0] * 8)
    assert packing.count([0.0] * 99) == 4
    assert padded_cost([]) == 0.0


class Activation:
    """Stands for a tensor: something large that lives as long as somebody holds it."""

    alive: ClassVar["weakref.WeakSet[Activation]"] = weakref.WeakSet()

    def __init__(self) -> None:
        self.alive.add(self)
        self.itself = self  # as tensors in the graphs of libraries do, it waits for the garbage collector


class Greedy(ModelAdapter):
    """Runs out of memory at more than two requests, in a frame that holds a tensor, and refuses to work beside it."""

    capabilities = Capabilities(sample_rate=None, batch_size=8)

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.released = 0

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        assert not Activation.alive, "the memory of a batch that failed is still held"
        self.sizes.append(len(requests))
        activation = Activation()
        try:
            self._attend(activation, len(requests))
        except MemoryError as error:
            raise RuntimeError("CUDA error: out of memory") from error
        finally:
            activation.itself = None  # type: ignore[assignment]
        return [Response(str(request.messages[0].content[0])) for request in requests]

    def _attend(self, activation: Activation, rows: int) -> None:
        inner = Activation()
        if rows > 2:
            raise MemoryError
        inner.itself = None  # type: ignore[assignment]

    def release_memory(self) -> None:
        self.released += 1

    def fingerprint(self) -> dict[str, Any]:
        return {}


def asked(count: int) -> list[Request]:
    return [Request((Message("user", (f"{number:03}",)),), sample_id=str(number)) for number in range(count)]


@pytest.mark.slow
def test_what_a_failed_batch_held_is_free_before_the_next() -> None:
    gc.disable()  # nothing but what is done on purpose
    try:
        greedy, packing = Greedy(), Packing(8)
        answers = answer_packed(greedy, asked(12), packing, WorkClock())
    finally:
        gc.enable()
    assert [answer.text for answer in answers] == [f"{number:03}" for number in range(12)]
    assert greedy.sizes == [8, 4, 2, 2, 2, 2, 2, 2], "what fits is remembered"
    assert greedy.released == 2


class Roomy(ModelAdapter):
    """Tells of its memory: a request takes as much as its text has characters."""

    capabilities = Capabilities(sample_rate=None, batch_size=2)

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.peak = 0
        self.sizes: list[int] = []

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        self.sizes.append(len(requests))
        self.peak = len(requests) * max(len(str(request.messages[0].content[0])) for request in requests)
        if self.peak > self.capacity:
            raise MemoryError
        return [Response("heard") for _ in requests]

    def device_memory(self) -> Memory:
        return Memory(0, self.peak, self.capacity)

    def fingerprint(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(("set_size", "largest"), [(None, 32), (3, 3)])
def test_a_run_grows_its_batches_to_what_the_device_holds(
    set_size: int | None, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A batch takes as long whatever its number, and whatever else the machine has to do.
    monkeypatch.setattr(time, "perf_counter", count().__next__)
    roomy = Roomy(capacity=400)
    calls = [Call("model", Request((Message("user", ("ten chars.",)),), sample_id=str(n))) for n in range(200)]
    run(LocalExecutor(set_size, batches_ahead=100), roomy, calls)
    assert max(roomy.sizes) <= 34, "85 % of it"
    assert max(roomy.sizes) >= largest


def test_the_clock_counts_the_work_and_not_the_rest() -> None:
    clock = WorkClock()
    assert clock.at_work().share is None
    clock.ready()
    answer_batch(Roomy(100), asked(1), Packing(1), clock)
    at_work = clock.at_work()
    assert 0 < at_work.seconds < at_work.of
    assert clock.silent == 0
    with clock.working(["a"]):
        seconds = clock.seconds
        with clock.waiting():
            assert clock.silent == 0
        assert clock.silent > 0
        assert clock.seconds > seconds > at_work.seconds
