"""How a call to a server fails, as far as that decides what happens next."""

from evalkit.errors import EvalkitError


class TransientError(Exception):
    """A failure that another attempt may mend: the server was busy or away, or its answer arrived damaged.

    Args:
        message: what happened, fit for a report.
        unavailable: whether the server was not there, so that the request itself is hardly to blame.
        overloaded: whether it had too much to do, so that fewer requests at once would help.
        retry_after: seconds to wait before the next attempt, where the server says so.
    """

    def __init__(
        self, message: str, *, unavailable: bool = False, overloaded: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.unavailable = unavailable
        self.overloaded = overloaded
        self.retry_after = retry_after


class PermanentError(Exception):
    """A failure that another attempt would meet again, such as a request that the server refuses."""


class ServerUnavailableError(EvalkitError):
    """A server that has not been there for too long, or turns every call away; the run stops, nothing is lost."""


class BudgetReachedError(EvalkitError):
    """The run has spent what it was given; what was answered is kept, and a raised budget lets it continue."""
