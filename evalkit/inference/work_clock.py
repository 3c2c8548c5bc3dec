"""How long a model of this process was at work, and what it is at just now."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AtWork:
    """How much of the time a model was at work in one session.

    Attributes:
        seconds: that it was.
        of: seconds from when it was ready to the end of its latest work.
    """

    seconds: float
    of: float

    @property
    def share(self) -> float | None:
        """The part of the time, from 0 to 1; None before there is any."""
        return min(self.seconds / self.of, 1.0) if self.of > 0 else None

    def to_json(self) -> dict[str, float]:
        """Return the JSON object that records keep."""
        return {"seconds": round(self.seconds, 6), "of": round(self.of, 6)}


class WorkClock:
    """Told by the thread of a model when it works, and asked by others how long it did."""

    def __init__(self) -> None:
        self._ready: float | None = None
        self._until = 0.0
        self._seconds = 0.0
        self._since: float | None = None
        self._sign_of_life = 0.0
        self.under_way: Sequence[str] = ()

    @property
    def seconds(self) -> float:
        """Seconds at work until now."""
        since = self._since
        return self._seconds + (time.perf_counter() - since if since is not None else 0.0)

    @property
    def silent(self) -> float:
        """Seconds for which the model has been at work without a sign of life; 0 while it is not at work."""
        return time.perf_counter() - self._sign_of_life if self._since is not None else 0.0

    def at_work(self) -> AtWork:
        """Return how much of the time the model was at work."""
        until = time.perf_counter() if self._since is not None else self._until
        return AtWork(self.seconds, 0.0 if self._ready is None else max(until - self._ready, 0.0))

    def ready(self) -> None:
        """Take note that the model can be asked from now on."""
        if self._ready is None:
            self._ready = self._until = time.perf_counter()

    def lives(self, under_way: Sequence[str]) -> None:
        """Take note that the model gives a sign of life, and of the samples that it is at now."""
        self.under_way = under_way
        self._sign_of_life = time.perf_counter()

    @contextmanager
    def working(self, under_way: Sequence[str]) -> Iterator[None]:
        """Within the context, the model is at work with these samples."""
        self.lives(under_way)
        self._since = self._sign_of_life
        try:
            yield
        finally:
            self._stop()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Within the context, which lies in one of ``working``, the model waits for what it is to work at."""
        self._stop()
        try:
            yield
        finally:
            self._since = self._sign_of_life = time.perf_counter()

    def _stop(self) -> None:
        now = time.perf_counter()
        if self._since is not None:
            # In this order: who asks meanwhile counts a little too little, never twice.
            since, self._since = self._since, None
            self._seconds += now - since
        self._until = now
