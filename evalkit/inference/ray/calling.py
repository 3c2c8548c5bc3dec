"""Calling a replica: what it raised is raised here, and that it died is told from all else."""

import re
from collections.abc import Awaitable
from typing import Any

from evalkit.errors import ConfigurationError, first_line
from evalkit.inference.ray.replica import RaisedThereError
from evalkit.redaction import without_secrets

_DIED_OF = re.compile(r"The actor (?:is dead|died) because (.*)", re.DOTALL)
_GUESSES = "Some common causes"
_INSIDE_RAY = re.compile(
    r" Node Id: \w+|The actor \w+ is unavailable: |RpcError: RPC error: | rpc_code: \d+|The task may or .*"
)
_ADDRESS = re.compile(r"(?:\bip=|\[Node )([^\s,)\]]+)")
_OUT_OF_MEMORY = "OUT_OF_MEMORY"
_SWITCHED_OFF = "node was terminated expectedly"


class ReplicaDiedError(Exception):
    """A replica is gone, or cannot be reached, or its answer was lost with its machine.

    Args:
        message: what Ray knows of it, fit for a report.
        out_of_memory: whether Ray ended it because its machine ran out of memory.
        with_machine: whether its machine was taken away or switched off in order, for which no call is to blame.
    """

    def __init__(self, message: str, *, out_of_memory: bool = False, with_machine: bool = False) -> None:
        super().__init__(message)
        self.out_of_memory = out_of_memory
        self.with_machine = with_machine


async def far(reference: Awaitable[Any]) -> Any:
    """Return what a replica returns.

    Raises:
        ReplicaDiedError: it gives no answer any more.
        ConfigurationError: Ray cannot start it.
        Exception: whatever the replica raised, without Ray's account of where.
    """
    from ray.exceptions import ObjectLostError, RayActorError, RayError, RayTaskError, RuntimeEnvSetupError

    try:
        return await reference
    except RayTaskError as error:
        if not isinstance(error.cause, RaisedThereError):
            raise
        raised, cause = error.cause.args
        raise raised from cause
    except (RayActorError, ObjectLostError) as error:
        if isinstance(error, RayActorError) and error.actor_init_failed:
            raise ConfigurationError(
                f"a replica cannot begin on {_where_and_why(error)}; install there what this machine has, or have it "
                "brought by executor.runtime_env="
            ) from error
        said = str(error)
        switched_off = _SWITCHED_OFF in said or (isinstance(error, RayActorError) and error.preempted)
        raise ReplicaDiedError(
            _cause(error), out_of_memory=_OUT_OF_MEMORY in said, with_machine=switched_off
        ) from error
    except RuntimeEnvSetupError as error:
        raise ConfigurationError(f"executor.runtime_env cannot be had on {_where_and_why(error)}") from error
    except RayError as error:
        raise ConfigurationError(f"Ray: {first_line(error)}") from error


def _where_and_why(error: Exception) -> str:
    """Return a machine and what is wrong there: the last line of what Ray says, which may quote a key within a URL."""
    said = str(error).strip()
    machine = _ADDRESS.search(said)
    return f"{machine[1] if machine else 'a machine'}: {without_secrets(said.splitlines()[-1])}"


def _cause(error: Exception) -> str:
    """Return what Ray knows of a replica's death, without what it guesses."""
    found = _DIED_OF.search(str(error))
    cause = found[1] if found else first_line(error)
    return " ".join(_INSIDE_RAY.sub("", cause.partition(_GUESSES)[0]).split())
