"""The errors that evalkit raises on purpose, each printed to the user as one line."""

_LONGEST_MESSAGE = 200


class EvalkitError(Exception):
    """Base of every expected error; the command line prints its message without a traceback."""


class ConfigurationError(EvalkitError):
    """A setting, name, path or installed library that makes the run impossible as asked."""


class MissingKeyError(ConfigurationError):
    """The key to a server is not where it is said to be."""


class DataError(EvalkitError):
    """A data set that cannot be read: a missing file, a malformed row, a duplicate id."""


class AudioError(DataError):
    """One audio file that cannot be read, is truncated or holds no samples."""


class StoreError(EvalkitError):
    """A run folder that cannot be read or written."""


class StopRequested(KeyboardInterrupt):
    """The run was asked to make room, and is to be started again: by the signal that it names."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; what kind of error it is, where it has none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def one_line(error: BaseException) -> str:
    """Return an error's message in one line of no more than 200 characters; its kind, where it has none."""
    return " ".join(str(error).split())[:_LONGEST_MESSAGE] or type(error).__name__


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


class ModelDiedError(Exception):
    """A model's own process ended, or was ended for its silence, at a batch that it was given again before.

    Args:
        message: what happened, fit for a report.
        killed: whether by SIGKILL, as by a kernel that is out of memory.
        too_late: whether because no answer came in time.
    """

    def __init__(self, message: str, *, killed: bool = False, too_late: bool = False) -> None:
        super().__init__(message)
        self.killed = killed
        self.too_late = too_late


class PermanentError(Exception):
    """A failure that another attempt would meet again, such as a request that the server refuses."""


class ServerUnavailableError(EvalkitError):
    """A server that has not been there for too long, or turns every call away; the run stops, nothing is lost."""


class RejectedError(EvalkitError):
    """A server that turns the caller away, not one request: a wrong key, or a model that it does not have.

    The run stops at the first such answer, since every further request would meet the same.
    """


class BudgetReachedError(EvalkitError):
    """The run has spent what it was given; what was answered is kept, and a raised budget lets it continue."""
