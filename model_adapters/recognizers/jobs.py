"""Recognisers that take a recording as a job and are asked until it is done."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from evalkit.errors import TransientError

Found = TypeVar("Found")

_MOST_LOOKS_IN_VAIN = 10


async def finished(look: Callable[[], Awaitable[Found | None]], poll_seconds: float) -> Found:
    """Return what a job has come to, looking every few seconds; the engine's deadline bounds the wait.

    A look that fails in passing is repeated, since the job goes on: sent again, it would be paid for twice.

    Args:
        look: returns None while the job is under way.
        poll_seconds: between two looks.

    Raises:
        TransientError: several looks in a row failed.
    """
    in_vain = 0
    while True:
        wait = poll_seconds
        try:
            found = await look()
            if found is not None:
                return found
            in_vain = 0
        except JobLostError:
            raise
        except TransientError as error:
            in_vain += 1
            if in_vain >= _MOST_LOOKS_IN_VAIN:
                raise
            wait = max(wait, error.retry_after or 0.0)
        await asyncio.sleep(wait)


class JobLostError(TransientError):
    """A job that the service will not finish, for a reason of its own; sent again, it may."""
