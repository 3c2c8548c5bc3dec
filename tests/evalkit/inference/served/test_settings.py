"""Settings of served models: what is refused, and what things cost."""

from collections.abc import Callable
from typing import Any

import pytest

from evalkit.adapter import Limits, Prices
from evalkit.errors import ConfigurationError
from evalkit.inference.served.budget import BudgetCaps
from evalkit.types import Usage


@pytest.mark.parametrize(
    ("settings", "values", "message"),
    [
        (Limits, {"concurrency": 0}, "limits.concurrency is 0; it must be more than 0"),
        (Limits, {"concurrency": 2.5}, "limits.concurrency is 2.5; it must be a whole number"),
        (Limits, {"concurrency": None}, "limits.concurrency is None; it must be a number"),
        (Limits, {"concurrency": "many"}, "limits.concurrency is 'many'; it must be a number"),
        (Limits, {"concurrency": float("inf")}, "limits.concurrency is inf; it must be a whole number"),
        (Limits, {"attempts": -1}, "limits.attempts is -1; it must be more than 0"),
        (Limits, {"attempts": True}, "limits.attempts is True; it must be a number"),
        (Limits, {"deadline": 0}, "limits.deadline is 0; it must be more than 0"),
        (Limits, {"deadline": None}, "limits.deadline is None; it must be a number"),
        (Limits, {"patience": float("nan")}, "limits.patience is nan; it must be more than 0"),
        (Limits, {"requests_per_minute": 0}, "limits.requests_per_minute is 0; it must be more than 0"),
        (Limits, {"tokens_per_minute": -5}, "limits.tokens_per_minute is -5; it must be more than 0"),
        (Prices, {"input": -0.1}, "prices.input is -0.1; it cannot be negative"),
        (Prices, {"output_audio": "free"}, "prices.output_audio is 'free'; it must be a number"),
        (Prices, {"output": None}, "prices.output is None; it must be a number"),
        (BudgetCaps, {"calls": -1}, "budget.calls is -1; it cannot be negative"),
        (BudgetCaps, {"tokens": 0.5}, "budget.tokens is 0.5; it must be a whole number"),
        (BudgetCaps, {"cost": "5 dollars"}, "budget.cost is '5 dollars'; it must be a number"),
    ],
)
def test_a_bad_value_is_refused_and_its_key_named(
    settings: Callable[..., Any], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        settings(**values)
    assert str(refusal.value) == message


def test_usual_values_and_whole_numbers_in_scientific_notation_are_taken() -> None:
    assert Limits().concurrency == 32
    assert Limits(requests_per_minute=None, tokens_per_minute=2.5).requests_per_minute is None
    assert BudgetCaps(calls=0, tokens=1e6, cost=0.0).tokens == 1_000_000  # type: ignore[arg-type]
    assert Prices(input_audio=None).input_audio is None


def test_audio_tokens_have_a_price_of_their_own_or_that_of_text() -> None:
    usage = Usage(
        input_tokens=1_000_000, input_audio_tokens=400_000, output_tokens=500_000, output_audio_tokens=100_000
    )
    assert Prices(input=2.5, output=10).cost(usage) == pytest.approx(2.5 + 5)
    prices = Prices(input=2.5, output=10, input_audio=40, output_audio=80)
    assert prices.cost(usage) == pytest.approx(0.6 * 2.5 + 0.4 * 40 + 0.4 * 10 + 0.1 * 80)
    assert Prices(input=2.5, input_audio=0).cost(usage) == pytest.approx(0.6 * 2.5)


def test_audio_may_be_billed_by_its_length() -> None:
    assert Prices(audio_minute=0.006).cost(Usage(audio_seconds=90)) == pytest.approx(0.009)
    assert Prices().cost(Usage(input_tokens=7, audio_seconds=90)) == 0
