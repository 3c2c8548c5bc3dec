"""What a run may spend on servers."""

import asyncio

import pytest

from evalkit.errors import BudgetReachedError
from evalkit.inference.served.budget import Budget, BudgetCaps
from evalkit.types import Usage
from tests.evalkit.inference.served import virtual_time


async def _call(budget: Budget, usage: Usage) -> bool:
    """Make a call of one second; False if there was no room for it."""
    try:
        budget.take()
    except BudgetReachedError:
        return False
    await asyncio.sleep(1)
    budget.give_back(usage)
    return True


def _made(budget: Budget, usage: Usage, wanted: int, at_once: int) -> int:
    """How many calls the budget lets through, so many being under way at a time."""

    async def main() -> int:
        made = 0
        for _ in range(0, wanted, at_once):
            made += sum(await asyncio.gather(*(_call(budget, usage) for _ in range(at_once))))
        return made

    return virtual_time.run(main())


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_no_more_calls_than_the_cap_are_made_however_many_are_tried_at_once(at_once: int) -> None:
    assert _made(Budget(BudgetCaps(calls=10)), Usage(requests=1), 100, at_once) == 10


def test_calls_of_earlier_sessions_count() -> None:
    spent = Usage(requests=7, input_tokens=50)
    assert _made(Budget(BudgetCaps(calls=10), spent), Usage(requests=1), 30, 5) == 3
    assert _made(Budget(BudgetCaps(calls=7), spent), Usage(requests=1), 30, 5) == 0
    assert _made(Budget(BudgetCaps(calls=0)), Usage(requests=1), 30, 5) == 0


def test_a_call_that_took_several_requests_counts_as_so_many() -> None:
    assert _made(Budget(BudgetCaps(calls=10)), Usage(requests=4), 100, 1) == 3


def test_a_call_for_which_nothing_was_sent_leaves_its_room_to_another() -> None:
    budget = Budget(BudgetCaps(calls=1))
    budget.take()
    budget.give_back(Usage())
    budget.take()
    with pytest.raises(BudgetReachedError):
        budget.take()


def test_tokens_stop_at_the_cap_and_calls_under_way_are_reckoned_with() -> None:
    usage = Usage(requests=1, input_tokens=80, output_tokens=20)
    assert _made(Budget(BudgetCaps(tokens=1000)), usage, 100, 1) == 10
    # What the first calls take is not known while they are under way; after that, no batch goes past the cap.
    budget = Budget(BudgetCaps(tokens=1000), Usage(requests=1, input_tokens=80, output_tokens=20))
    assert _made(budget, usage, 100, 50) == 9


def test_cost_stops_at_the_cap() -> None:
    usage = Usage(requests=1, cost=0.25)
    assert _made(Budget(BudgetCaps(cost=2.0)), usage, 100, 1) == 8
    assert _made(Budget(BudgetCaps(cost=2.0), Usage(requests=4, cost=1.0)), usage, 100, 50) == 4


def test_without_caps_everything_goes() -> None:
    usage = Usage(requests=1, input_tokens=10**9, cost=1e6)
    assert _made(Budget(BudgetCaps()), usage, 200, 50) == 200


def test_the_message_names_the_cap_what_was_spent_and_what_to_do() -> None:
    budget = Budget(BudgetCaps(cost=1.5), Usage(requests=3, cost=1.51234))
    with pytest.raises(BudgetReachedError) as reached:
        budget.take()
    assert str(reached.value) == (
        "budget.cost=1.5 is reached (1.51234 spent or under way); what was answered is kept. "
        "Raise budget.cost= and run the same command again to continue"
    )
