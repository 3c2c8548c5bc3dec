"""The clock by which the caller of a server waits."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """The source of time for deadlines, retries and rate limits. Replace it in tests to make waiting instant.

    Attributes:
        now: returns seconds on a clock that never goes back.
        sleep: waits for so many of these seconds.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
