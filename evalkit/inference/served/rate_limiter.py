"""Keeping to what a server's operator allows in a minute."""

from evalkit.inference.served.clock import Clock


class RateLimiter:
    """Spreads a minute's allowance evenly: each asker waits until those before it have used up their share.

    This is the leaky bucket as a virtual schedule (ITU-T I.371), so that one request may take more than the allowance
    of a moment, and what it took beyond its estimate can be charged afterwards.

    Args:
        per_minute: the allowance.
        clock: by which to wait.
    """

    def __init__(self, per_minute: float, clock: Clock) -> None:
        self._seconds_each = 60.0 / per_minute
        self._clock = clock
        self._free_at = float("-inf")

    async def take(self, amount: float = 1.0) -> None:
        """Wait for the turn to use so much of the allowance, in the order of asking."""
        now = self._clock.now()
        turn = max(now, self._free_at)
        self._free_at = turn + amount * self._seconds_each
        if turn > now:
            await self._clock.sleep(turn - now)

    def charge(self, amount: float) -> None:
        """Note that the last to take used so much more than it said, or less if negative."""
        self._free_at += amount * self._seconds_each
