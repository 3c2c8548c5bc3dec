"""How many requests a server is given at once."""

import asyncio
import contextlib
from contextlib import AsyncExitStack
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.inference.served.concurrency import AdaptiveConcurrency, Slot
from tests.evalkit.inference.served import virtual_time


async def _round(concurrency: AdaptiveConcurrency, *, overloaded: int = 0) -> int:
    """Send as many requests as are allowed, answer the first half, then the rest; returns how many were sent.

    The last ``overloaded`` of them bring a sign of overload in place of an answer.
    """
    async with AsyncExitStack() as stack:
        slots = [await stack.enter_async_context(concurrency.slot()) for _ in range(concurrency.limit)]
        for slot in slots:
            slot.attempt_begins()
        for slot in slots[: len(slots) - overloaded]:
            # A next request at once keeps the limit reached, as in a run with work left.
            slot.succeeded()
            while concurrency.in_flight < concurrency.limit:
                await stack.enter_async_context(concurrency.slot())
        for slot in slots[len(slots) - overloaded :]:
            slot.overloaded()
        return len(slots)


def test_the_limit_doubles_with_each_round_of_answers_up_to_the_cap() -> None:
    async def main() -> list[int]:
        concurrency = AdaptiveConcurrency(300)
        return [await _round(concurrency) for _ in range(6)]

    assert virtual_time.run(main()) == [32, 64, 128, 256, 300, 300]


def test_a_cap_below_the_first_limit_holds() -> None:
    async def main() -> list[int]:
        concurrency = AdaptiveConcurrency(3)
        return [await _round(concurrency) for _ in range(3)]

    assert virtual_time.run(main()) == [3, 3, 3]


def test_a_round_of_signs_halves_once_and_growth_is_by_one_a_round_after_that() -> None:
    async def main() -> list[int]:
        concurrency = AdaptiveConcurrency(1000)
        rounds = [await _round(concurrency)]
        rounds.append(await _round(concurrency, overloaded=64))
        return rounds + [await _round(concurrency) for _ in range(30)]

    rounds = virtual_time.run(main())
    assert rounds[:3] == [32, 64, 32]
    steps = [after - before for before, after in pairwise(rounds[2:])]
    assert set(steps) <= {0, 1}
    assert sum(steps) >= 25, "about one a round"


def test_stale_signs_are_passed_over_and_fresh_ones_halve_again_down_to_one() -> None:
    async def main() -> None:
        concurrency = AdaptiveConcurrency(8)
        async with concurrency.slot() as early, concurrency.slot() as late:
            early.attempt_begins()
            late.attempt_begins()
            early.overloaded()
            assert concurrency.limit == 4
            late.overloaded()
            assert concurrency.limit == 4, "sent before the halving: it is about the old limit"
            for expected in (2, 1, 1, 1):
                late.attempt_begins()
                late.overloaded()
                assert concurrency.limit == expected

    virtual_time.run(main())


def test_answers_below_the_limit_do_not_raise_it() -> None:
    async def main() -> int:
        concurrency = AdaptiveConcurrency(100)
        for _ in range(50):
            async with concurrency.slot() as slot:
                slot.attempt_begins()
                slot.succeeded()
        return concurrency.limit

    assert virtual_time.run(main()) == 32


def test_places_are_given_in_the_order_of_asking() -> None:
    served: list[int] = []

    async def request(concurrency: AdaptiveConcurrency, number: int) -> None:
        async with concurrency.slot():
            served.append(number)
            await asyncio.sleep(1 + number % 3)

    async def main() -> None:
        concurrency = AdaptiveConcurrency(2)
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(request(concurrency, number))
                await asyncio.sleep(0.3)

    virtual_time.run(main())
    assert served == list(range(20))


def test_a_cancelled_wait_gives_its_turn_to_the_next_before_and_after_it_was_admitted() -> None:
    async def hold(concurrency: AdaptiveConcurrency, entered: list[str], name: str) -> None:
        async with concurrency.slot():
            entered.append(name)

    async def main() -> list[str]:
        concurrency = AdaptiveConcurrency(1)
        entered: list[str] = []
        async with concurrency.slot():
            waiting, admitted, last = (
                asyncio.create_task(hold(concurrency, entered, name)) for name in ("waiting", "admitted", "last")
            )
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        # The place was handed to the second, which has not run since: it is cancelled as a holder of it.
        assert concurrency.in_flight == 1
        admitted.cancel()
        await asyncio.wait([admitted, last])
        assert waiting.cancelled()
        assert admitted.cancelled()
        assert concurrency.in_flight == 0
        return entered

    assert virtual_time.run(main()) == ["last"]


_request = st.tuples(
    st.sampled_from((0.0, 0.5, 1.0, 3.0)),  # how long it takes
    st.sampled_from(("answered", "overloaded", "raises")),
    st.none() | st.sampled_from((0.0, 0.5, 1.0, 1.5, 2.0, 4.0)),  # when it is cancelled
    st.none() | st.integers(1, 13),  # how far behind it is another that is cancelled the moment it leaves
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(cap=st.integers(1, 12), requests=st.lists(_request, max_size=40))
def test_no_place_leaks_and_the_limit_is_never_passed_whatever_happens(
    cap: int, requests: list[tuple[float, str, float | None, int | None]]
) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def request(concurrency: AdaptiveConcurrency, seconds: float, outcome: str, victim: int | None) -> None:
        async with concurrency.slot() as slot:
            assert 1 <= concurrency.in_flight <= cap
            slot.attempt_begins()
            await asyncio.sleep(seconds)
            _end(slot, outcome)
        if victim is not None and victim < len(tasks):
            tasks[victim].cancel()

    async def main() -> None:
        concurrency = AdaptiveConcurrency(cap)
        tasks.clear()
        for number, (seconds, outcome, cancelled_at, behind) in enumerate(requests):
            victim = None if behind is None else number + behind
            task = asyncio.create_task(request(concurrency, seconds, outcome, victim))
            if cancelled_at is not None:
                asyncio.get_running_loop().call_at(cancelled_at, task.cancel)
            tasks.append(task)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [result for result in results if isinstance(result, AssertionError)]
        assert concurrency.in_flight == 0
        assert 1 <= concurrency.limit <= cap
        async with asyncio.timeout(1), AsyncExitStack() as stack:
            for _ in range(concurrency.limit):  # every place can be had again
                await stack.enter_async_context(concurrency.slot())

    virtual_time.run(main())


def _end(slot: Slot, outcome: str) -> None:
    if outcome == "raises":
        raise RuntimeError
    if outcome == "overloaded":
        slot.overloaded()
    else:
        slot.succeeded()


def test_an_error_inside_gives_the_place_back() -> None:
    async def main() -> int:
        concurrency = AdaptiveConcurrency(1)
        for _ in range(3):
            with contextlib.suppress(RuntimeError):
                async with concurrency.slot():
                    raise RuntimeError
        return concurrency.in_flight

    assert virtual_time.run(main()) == 0


def test_a_deadlock_would_show() -> None:
    with pytest.raises(AssertionError, match="nothing will ever happen"):
        virtual_time.run(asyncio.Event().wait())


def test_attempts_of_one_limit_shrink_it_once_however_often_it_shrank_before() -> None:
    async def main() -> list[int]:
        concurrency = AdaptiveConcurrency(64)
        limits = []
        async with AsyncExitStack() as stack:
            first, *others = [await stack.enter_async_context(concurrency.slot()) for _ in range(3)]
            first.attempt_begins()
            first.overloaded()
            for slot in others:
                slot.attempt_begins()
            for slot in others:
                slot.overloaded()
                limits.append(concurrency.limit)
        return limits

    once, twice = virtual_time.run(main())
    assert once == twice
