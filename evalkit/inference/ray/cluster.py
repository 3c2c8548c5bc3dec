"""The connection of this process to a Ray cluster: its own, which is started and stopped, or one that runs already."""

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from threading import Thread
from typing import Any, TypeVar

from evalkit.errors import ConfigurationError, EvalkitError, one_line
from evalkit.hints import install_command

_Result = TypeVar("_Result")

_OWN = "local"  # Ray's word for a cluster that it is to start
_CONNECTING = 10.0  # seconds within which a cluster's address takes a connection

# Seconds without a word from a cluster's head. Its machines give it up after 60, and whatever they hold with it.
_HEAD_AWAY = 45.0
# Ray would end this process after as long, in no words of ours; but it has answers to store, and ends by itself.
_RAY_ENDS_IT = "RAY_gcs_rpc_server_reconnect_timeout_s"

# One thread for as long as the process lives: Ray has what it starts here die with the thread that started it. Beside
# the main thread, since starting takes seconds, and since Ray would there take over the handling of SIGTERM.
_thread = ThreadPoolExecutor(1, thread_name_prefix="ray")

# Who uses the connection, and at which address; used in the thread alone, as one process has one connection.
_users: dict["Cluster", tuple[str, Mapping[str, Any]]] = {}


class ClusterLostError(EvalkitError):
    """A cluster that says nothing any more; the run stops, and what was answered is kept."""


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
        name: Ray's, of no other machine.
        leaving: whether it is being drained, as before a spot machine is taken away: it takes no replica any more.
    """

    resources: Mapping[str, float]
    name: str
    leaving: bool


def room(has: Mapping[str, float], wanted: Mapping[str, float]) -> int:
    """Return how many times there are the resources that are wanted; once where that is nothing."""
    return int(min((has.get(name, 0.0) // amount for name, amount in wanted.items() if amount > 0), default=1))


class Cluster:
    """The cluster of one executor's endpoint, while that is open.

    Args:
        address: of a cluster that runs, or None for one of this machine's own. That one takes calls from nobody who
            does not have this run's token.
        files: what Ray sends to all machines, under its names ``working_dir`` and ``py_modules``.
    """

    def __init__(self, address: str | None, files: Mapping[str, Any] | None = None) -> None:
        self.address = address
        self._files = dict(files or {})

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
        """Return the machines that are there.

        Raises:
            ClusterLostError: the head has said nothing for long.
        """
        return await self._asked(_machines)

    async def free(self) -> Mapping[str, float]:
        """Return how much of each resource nobody uses; see ``machines``."""
        return await self._asked(_free)

    async def told(self) -> str:
        """Return what the cluster has, in words; see ``machines``."""
        return await self._asked(_told)

    async def _asked(self, work: Callable[[], _Result]) -> _Result:
        try:
            return await asyncio.wait_for(_in_thread_of_its_own(work), _HEAD_AWAY)
        except TimeoutError:
            where = "Ray on this machine" if self.address is None else f"executor.address={self.address}: its head"
            raise ClusterLostError(
                f"{where} has not answered for {_HEAD_AWAY:g} s. What was answered is kept: run the same command again "
                "once the cluster is there"
            ) from None

    def _enter(self) -> None:
        place = self.address or _OWN, self._files
        if any(other != place for other in _users.values()):
            raise ConfigurationError(
                "the executors of one run are on one cluster at the most; give all of them the same address=, and the "
                "same working_dir and py_modules in runtime_env="
            )
        if not _users:
            _connect(self.address, self._files)
        _users[self] = place

    def _leave(self) -> None:
        if _users.pop(self, None) and not _users:
            import ray

            ray.shutdown()


async def _in_thread(work: Callable[[], _Result]) -> _Result:
    return await asyncio.get_running_loop().run_in_executor(_thread, work)


async def _in_thread_of_its_own(work: Callable[[], _Result]) -> _Result:
    """Have work done by a thread that nobody has to wait for: Ray does not come back from a head that is gone."""
    done: Future[_Result] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:
            done.set_exception(error)

    Thread(target=run, name="ray's head", daemon=True).start()
    return await asyncio.wrap_future(done)


def _connect(address: str | None, files: Mapping[str, Any]) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # an evaluation reports to nobody
    if address is None:
        if "ray" not in sys.modules:  # which reads its environment once, on being imported
            os.environ.setdefault("RAY_AUTH_MODE", "token")
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    else:
        _refuse_unreachable(address)
        os.environ.setdefault(_RAY_ENDS_IT, "3600")
    import ray

    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "runtime_env": dict(files) or None}
    try:
        if address is None:
            ray.init(_OWN, include_dashboard=False, **settings)
        else:
            ray.init(address, **settings)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        if address is None:
            raise ConfigurationError(f"Ray cannot be started on this machine ({one_line(error)})") from error
        raise ConfigurationError(
            f"executor.address={address}: Ray cannot be reached ({one_line(error)}). Is this machine of the cluster, "
            f"as `ray start --address={address} --num-cpus=0` makes it without replicas, and has it the same token?"
        ) from error


def _refuse_unreachable(address: str) -> None:
    """Refuse an address that takes no connection, for which Ray would wait minutes.

    Raises:
        ConfigurationError: says so.
    """
    if "://" in address:
        raise ConfigurationError(
            f"executor.address={address}: give HOST:PORT of the cluster's head, on a machine of the cluster; Ray's "
            "client has runs from elsewhere, and is not supported"
        )
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return  # "auto", which Ray resolves
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECTING).close()
    except OSError as error:
        raise ConfigurationError(
            f"executor.address={address}: no Ray cluster has its head there ({one_line(error)}). Is it running, and "
            "may this machine reach that port?"
        ) from error


def _machines() -> list[Machine]:
    import ray

    # No public function tells which machines are being drained.
    leaving = ray._private.state.state.get_draining_nodes()
    alive = [node for node in ray.nodes() if node["Alive"]]
    return [Machine(dict(node["Resources"]), node["NodeID"], node["NodeID"] in leaving) for node in alive]


def _free() -> Mapping[str, float]:
    import ray

    return dict(ray.available_resources())


def _told() -> str:
    import ray

    has, free = ray.cluster_resources(), _free()
    amounts = [f"{has.get(name, 0):g} {name} ({free.get(name, 0):g} free)" for name in ("CPU", "GPU")]
    machines = len(_machines())
    return f"{machines} machine{'s'[: machines != 1]} with {' and '.join(amounts)}"
