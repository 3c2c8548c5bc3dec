"""What a run may spend on servers: requests, tokens, money."""

from dataclasses import dataclass

from evalkit.adapter import check_numbers
from evalkit.errors import BudgetReachedError
from evalkit.types import Usage


@dataclass(frozen=True, slots=True)
class BudgetCaps:
    """The most a run may spend over all its sessions; None for no bound.

    Attributes:
        calls: HTTP requests, repeated ones included.
        tokens: read and written.
        cost: by the price tables of the models' configurations.
    """

    calls: int | None = None
    tokens: int | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        check_numbers("budget", self)


class Budget:
    """Counts what is spent, and what the calls in flight will likely take, against the caps.

    Calls are counted exactly. What a call in flight will take in tokens and money is estimated by the mean of those
    before it, so that many calls at once do not run far past a cap.

    Args:
        caps: the most that may be spent.
        spent: by earlier sessions of the same run.
    """

    def __init__(self, caps: BudgetCaps, spent: Usage | None = None) -> None:
        self._caps = caps
        self._spent = spent or Usage()
        self._in_flight = 0

    def take(self) -> None:
        """Begin one request.

        Raises:
            BudgetReachedError: a cap leaves no room for it.
        """
        share = self._in_flight / max(self._spent.requests, 1)
        tokens = self._spent.input_tokens + self._spent.output_tokens
        cost = self._spent.cost or 0.0
        for name, expected, cap in (
            ("calls", self._spent.requests + self._in_flight, self._caps.calls),
            ("tokens", tokens * (1 + share), self._caps.tokens),
            ("cost", cost * (1 + share), self._caps.cost),
        ):
            if cap is not None and expected >= cap:
                raise BudgetReachedError(
                    f"budget.{name}={cap} is reached ({expected:g} spent or under way); what was answered is kept. "
                    f"Raise budget.{name}= and run the same command again to continue"
                )
        self._in_flight += 1

    def give_back(self, usage: Usage) -> None:
        """End one request, with what it took."""
        self._in_flight -= 1
        self._spent += usage
