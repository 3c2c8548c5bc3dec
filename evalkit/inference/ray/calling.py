"""Calling a replica: what it raised is raised here, and that it died is told from all else."""

from collections.abc import Awaitable
from typing import Any

from evalkit.errors import ConfigurationError, first_line
from evalkit.inference.ray.replica import RaisedThereError

_DIED_OF = "The actor is dead because "
_GUESSES = "Some common causes"
_OUT_OF_MEMORY = "OUT_OF_MEMORY"


class ReplicaDiedError(Exception):
    """A replica is gone, or cannot be reached, or its answer was lost with its machine.

    Args:
        message: what Ray knows of it, fit for a report.
        out_of_memory: whether Ray ended it because its machine ran out of memory.
    """

    def __init__(self, message: str, *, out_of_memory: bool = False) -> None:
        super().__init__(message)
        self.out_of_memory = out_of_memory


async def far(reference: Awaitable[Any]) -> Any:
    """Return what a replica returns.

    Raises:
        ReplicaDiedError: it gives no answer any more.
        ConfigurationError: Ray cannot start it.
        Exception: whatever the replica raised, without Ray's account of where.
    """
    from ray.exceptions import ObjectLostError, RayActorError, RayError, RayTaskError

    try:
        return await reference
    except RayTaskError as error:
        if not isinstance(error.cause, RaisedThereError):
            raise
        raised, cause = error.cause.args
        raise raised from cause
    except (RayActorError, ObjectLostError) as error:
        raise ReplicaDiedError(_cause(error), out_of_memory=_OUT_OF_MEMORY in str(error)) from error
    except RayError as error:
        raise ConfigurationError(f"Ray: {first_line(error)}") from error


def _cause(error: Exception) -> str:
    """Return what Ray knows of a replica's death, without what it guesses."""
    cause = str(error).partition(_DIED_OF)[2] or first_line(error)
    return " ".join(cause.partition(_GUESSES)[0].split())
