"""How many requests a server is given at once, found out while it works."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_FIRST = 32
_BACK_OFF = 0.5


class AdaptiveConcurrency:
    """A limit on requests in flight that grows while they succeed and shrinks when the server is overloaded.

    It follows TCP's congestion control (RFC 5681): the limit doubles with each round of answers until the first sign of
    overload, is halved at each such sign, and grows by one a round after that. Signs that come from requests sent
    before the last halving are about the old limit and are passed over.

    Args:
        cap: which the limit never passes.
    """

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._limit = float(min(_FIRST, cap))
        self._doubling = True
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._halvings = 0

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return int(self._limit)

    @property
    def in_flight(self) -> int:
        """How many hold a place now."""
        return self._in_flight

    @asynccontextmanager
    async def slot(self) -> AsyncIterator["Slot"]:
        """Hold one place in flight, in the order of asking."""
        if self._in_flight < self.limit and not self._waiting:
            self._in_flight += 1
        else:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._leave()
                raise
        try:
            yield Slot(self)
        finally:
            self._leave()

    def _leave(self) -> None:
        self._in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._in_flight < self.limit:
            turn = self._waiting.popleft()
            if not turn.cancelled():
                self._in_flight += 1
                turn.set_result(None)

    def _grow(self) -> None:
        # A limit that is not reached has not been tried: growing it would prove nothing.
        if self._in_flight >= self.limit:
            self._limit = min(self._cap, self._limit + (1.0 if self._doubling else 1.0 / self._limit))
            self._admit()

    def _shrink(self) -> None:
        self._doubling = False
        self._limit = max(1.0, self._limit * _BACK_OFF)
        self._halvings += 1


class Slot:
    """One place in flight, for as many attempts as a request takes."""

    def __init__(self, concurrency: AdaptiveConcurrency) -> None:
        self._concurrency = concurrency
        self._halvings = 0

    def attempt_begins(self) -> None:
        """Note the limit under which the next attempt is made."""
        self._halvings = self._concurrency._halvings

    def succeeded(self) -> None:
        """Report that the attempt was answered."""
        self._concurrency._grow()

    def overloaded(self) -> None:
        """Report that the server refused the attempt because it has too much to do."""
        if self._halvings == self._concurrency._halvings:
            self._concurrency._shrink()
