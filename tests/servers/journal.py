"""What a server saw, for tests to read from another thread while it runs."""

import threading
import time
from collections import Counter
from dataclasses import dataclass

from tests.servers.errors import ViolationError


@dataclass(frozen=True, slots=True)
class Hit:
    """A request that was dealt with.

    Attributes:
        content: the digest of what was asked, or the path where nobody could tell.
        outcome: ``answered``; ``invalid``, ``unauthorised``, ``busy`` or ``refused``; the name of a fault or refusal;
            or ``abandoned`` by the server's end.
        arrived, finished: ``time.monotonic()`` when it had come whole, and when the answer or the fault was about to go
            out; nobody looks whether the client is still there to get it.
        body: as it came, if bodies are kept; else empty.
    """

    content: str
    outcome: str
    arrived: float
    finished: float
    body: bytes = b""


class Journal:
    """Counts of connections and requests; every method may be called from any thread."""

    def __init__(self, keep_bodies: bool = False) -> None:
        self._lock = threading.Lock()
        self._keep_bodies = keep_bodies
        self._hits: list[Hit] = []
        self._violations: list[ViolationError] = []
        self._connections = 0
        self._turned_away = 0
        self._in_flight = 0
        self._peak = 0

    @property
    def hits(self) -> list[Hit]:
        """The requests dealt with so far, in order of arrival."""
        with self._lock:
            return sorted(self._hits, key=lambda hit: hit.arrived)

    @property
    def violations(self) -> list[ViolationError]:
        """What broke the schema, in order."""
        with self._lock:
            return list(self._violations)

    @property
    def connections(self) -> int:
        """Distinct connections accepted."""
        with self._lock:
            return self._connections

    @property
    def turned_away(self) -> int:
        """Connections closed at once by an outage."""
        with self._lock:
            return self._turned_away

    @property
    def in_flight(self) -> int:
        """Requests that wait for their answer now."""
        with self._lock:
            return self._in_flight

    @property
    def peak_concurrency(self) -> int:
        """The most requests that ever waited at one time."""
        with self._lock:
            return self._peak

    def outcomes(self, content: str | None = None) -> Counter[str]:
        """How often requests ended in which way, those of one content or all."""
        return Counter(hit.outcome for hit in self.hits if content in (None, hit.content))

    def answered(self) -> Counter[str]:
        """How many good answers each content got."""
        return Counter(hit.content for hit in self.hits if hit.outcome == "answered")

    def summary(self) -> dict[str, int | dict[str, int]]:
        """The counts as JSON values."""
        return {
            "connections": self.connections,
            "turned_away": self.turned_away,
            "peak_concurrency": self.peak_concurrency,
            "violations": len(self.violations),
            "outcomes": dict(self.outcomes()),
        }

    def connected(self) -> None:
        """A connection was accepted."""
        with self._lock:
            self._connections += 1

    def turn_away(self) -> None:
        """A connection was closed by an outage."""
        with self._lock:
            self._turned_away += 1

    def arrive(self) -> float:
        """A request has come whole; returns the time."""
        with self._lock:
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)
            return time.monotonic()

    def note(self, content: str, outcome: str, arrived: float, body: bytes) -> None:
        """It is settled how that request ends."""
        with self._lock:
            kept = body if self._keep_bodies else b""
            self._hits.append(Hit(content, outcome, arrived, time.monotonic(), kept))

    def depart(self) -> None:
        """That request waits no longer."""
        with self._lock:
            self._in_flight -= 1

    def violate(self, violation: ViolationError) -> None:
        """A client broke the schema."""
        with self._lock:
            self._violations.append(violation)
