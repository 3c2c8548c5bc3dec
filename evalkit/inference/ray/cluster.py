"""The connection of this process to a Ray cluster: its own, which is started and stopped, or one that runs already."""

import asyncio
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar

from evalkit.errors import ConfigurationError, one_line
from evalkit.hints import install_command

_Result = TypeVar("_Result")

_OWN = "local"  # Ray's word for a cluster that it is to start

# One thread for as long as the process lives: Ray has what it starts here die with the thread that started it. Beside
# the main thread, since starting takes seconds, and since Ray would there take over the handling of SIGTERM.
_thread = ThreadPoolExecutor(1, thread_name_prefix="ray")

# Who uses the connection, and at which address; used in the thread alone, as one process has one connection.
_users: dict["Cluster", str] = {}


def refuse_without_ray() -> None:
    """Refuse to go on where Ray is not installed.

    Raises:
        ConfigurationError: says how to install it.
    """
    if find_spec("ray") is None:
        raise ConfigurationError(f"executor=ray needs the package ray: {install_command('ray')}")


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine of a cluster.

    Attributes:
        resources: how much of each resource it has in all, by Ray's name for it.
    """

    resources: Mapping[str, float]

    def room(self, wanted: Mapping[str, float]) -> int:
        """Return how many times it has, in all, the resources that are wanted; once where that is nothing."""
        times = (self.resources.get(name, 0.0) // amount for name, amount in wanted.items() if amount > 0)
        return int(min(times, default=1))


class Cluster:
    """The cluster of one executor's endpoint, while that is open.

    Args:
        address: of a cluster that runs, or None for one of this machine's own. That one takes calls from nobody who
            does not have this run's token.
    """

    def __init__(self, address: str | None) -> None:
        self.address = address

    async def enter(self) -> None:
        """Connect this process to the cluster, unless it is connected already.

        Raises:
            ConfigurationError: it cannot be connected, or is connected to another cluster.
        """
        await _in_thread(self._enter)

    async def leave(self) -> None:
        """Give the connection up; the last one who does so ends it, and a cluster that was started with it."""
        await _in_thread(self._leave)

    async def machines(self) -> list[Machine]:
        """Return the machines that are there."""
        return await _in_thread(_machines)

    async def told(self) -> str:
        """Return what the cluster has, in words."""
        return await _in_thread(_told)

    def _enter(self) -> None:
        address = self.address or _OWN
        if any(other != address for other in _users.values()):
            raise ConfigurationError(
                "the executors of one run are on one cluster at the most; give all of them the same address="
            )
        if not _users:
            _connect(self.address)
        _users[self] = address

    def _leave(self) -> None:
        if _users.pop(self, None) and not _users:
            import ray

            ray.shutdown()


async def _in_thread(work: Callable[[], _Result]) -> _Result:
    return await asyncio.get_running_loop().run_in_executor(_thread, work)


def _connect(address: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # an evaluation reports to nobody
    if address is None and "ray" not in sys.modules:  # which reads its environment once, on being imported
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address is None:
            ray.init(_OWN, include_dashboard=False, **quiet)
        else:
            ray.init(address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = "a cluster of this machine's own" if address is None else f"executor.address={address}"
        raise ConfigurationError(f"{where}: Ray cannot be reached ({one_line(error)})") from error


def _machines() -> list[Machine]:
    import ray

    return [Machine(dict(node["Resources"])) for node in ray.nodes() if node["Alive"]]


def _told() -> str:
    import ray

    has, free = ray.cluster_resources(), ray.available_resources()
    amounts = [f"{has.get(name, 0):g} {name} ({free.get(name, 0):g} free)" for name in ("CPU", "GPU")]
    machines = len(_machines())
    return f"{machines} machine{'s'[: machines != 1]} with {' and '.join(amounts)}"
