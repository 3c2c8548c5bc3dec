"""The replicas of a model on a cluster: where they are, how many, and what takes the place of those that are gone."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence, Sized
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.errors import ConfigurationError, EvalkitError
from evalkit.inference.endpoint import ModelSpec
from evalkit.inference.ray.calling import ReplicaDiedError, far
from evalkit.inference.ray.cluster import Cluster, Machine, room
from evalkit.inference.ray.replica import Opened, Place, Replica
from evalkit.inference.ray.settings import ReplicaSettings
from evalkit.inference.work_clock import AtWork
from evalkit.progress import say
from evalkit.version import __version__

_CALLS_AT_ONCE = 100_000  # in one replica; how many it gets is decided here
_BETWEEN_LOOKS = 2.0  # seconds from one look at the cluster to the next
_SILENCE = 20.0  # seconds without a replica after which it is said what is waited for

_log = logging.getLogger("evalkit")


class ReplicasLostError(EvalkitError):
    """A replica that dies again and again; the run stops, and what was answered is kept."""


@dataclass(slots=True, eq=False)
class LiveReplica:
    """A replica that has its model.

    Attributes:
        actor: by which it is called.
        place: where it is.
        opened: what it said of itself.
        gone: the future that gets what it died of; None if its machine leaves, and it has its batch to finish.
        held: the calls that it has, as the tasks that wait for its answers.
        alone: whether the call that it got last is to be beside no other.
        worked: for how long, as of its last answer; None before there is any.
    """

    actor: Any
    place: Place
    opened: Opened
    gone: "asyncio.Future[ReplicaDiedError | None]"
    held: "set[asyncio.Task[None]]" = field(default_factory=set)
    alone: bool = False
    worked: AtWork | None = None

    def room(self, share: int) -> int:
        """Return how many calls it may get, its fair share of all being so many."""
        if self.alone and self.held:
            return 0
        return min(self.opened.capacity, max(self.opened.batch_size, share)) - len(self.held)


class Replicas:
    """Keeps replicas of a model at work, from ``begin`` to ``end``.

    One that dies is replaced; one whose machine is leaving finishes its batch while another begins elsewhere; and where
    their number is not set, there are more as the cluster grows.

    Args:
        spec: describes the model.
        settings: of the replicas.
        models: those that share the cluster.
        joined: is called with each replica that has loaded its model; raises what ends the run.
        failed: is called with what ends the run.

    Attributes:
        wanted: how many there are to be.
        live: those that can be asked.
    """

    def __init__(
        self,
        spec: ModelSpec,
        settings: ReplicaSettings,
        models: Sized,
        joined: Callable[[LiveReplica], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.wanted = 1
        self.live: list[LiveReplica] = []
        self._spec = spec
        self._settings = settings
        self._models = models
        self._joined = joined
        self._failed = failed
        self._cluster = Cluster(settings.address, settings.files)
        self._resources: Mapping[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._placed: set[Any] = set()  # actors that run, whether or not they have their model
        self._since = time.monotonic()  # there were none
        self._waiting_is_said = False
        self._ending = False

    async def begin(self) -> None:
        """Connect to the cluster, and have the replicas started.

        Raises:
            ConfigurationError: the cluster cannot be reached, or is this machine's own, which does not grow, and cannot
                hold them.
        """
        await self._cluster.enter()
        await self._decide()
        for _ in range(self.wanted):
            begin_task(self._keep(), self._tasks)
        self._since = time.monotonic()
        begin_task(self._watch(), self._tasks)

    async def finish_batches(self) -> None:
        """Let the batches under way end and hand out their answers; no replica begins another."""
        self._ending = True
        await asyncio.gather(*(each.actor.close.remote() for each in self.live), return_exceptions=True)

    async def end(self) -> None:
        """End the replicas, and leave the cluster."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._cluster.leave()

    def bury(self, replica: LiveReplica, error: ReplicaDiedError) -> None:
        """Give a replica nothing more; the first call that it died with tells of it."""
        if replica in self.live:
            self.live.remove(replica)
            replica.gone.set_result(error)

    async def _decide(self) -> None:
        """Decide what a replica asks for, and how many there are to be."""
        machines = await self._cluster.machines()
        num_gpus = self._settings.num_gpus
        if num_gpus is None:
            num_gpus = 1.0 if any(each.resources.get("GPU") for each in machines) else 0.0
        self._resources = {"CPU": self._settings.num_cpus, "GPU": num_gpus}
        places, models = self._places(machines), len(self._models)
        self.wanted = self._settings.count or max(1, places // models)
        if places < self.wanted * models:
            asked = f"{self.wanted} replica{'s'[: self.wanted > 1]} of {models} model{'s'[: models > 1]} on Ray"
            line = f"{asked}, each with {_in_words(self._resources)}; the cluster has {await self._cluster.told()}"
            if self._settings.address is None:
                raise ConfigurationError(
                    f"no place for {line}; ask for less by executor.replicas=, num_cpus= or num_gpus=, or give a role "
                    "another executor: executor@executors.ROLE=local"
                )
            _notify(f"waiting for places: {line}. Work begins with the first")
            self._waiting_is_said = True

    def _places(self, machines: Sequence[Machine]) -> int:
        return sum(room(each.resources, self._resources) for each in machines if not each.leaving)

    async def _watch(self) -> None:
        """Follow the cluster: machines that come and go, and whether there is any room at all."""
        try:
            while True:
                machines = await self._cluster.machines()
                self._retire({each.name for each in machines if each.leaving})
                await self._grow(machines)
                await self._wait_no_longer_than_set()
                await asyncio.sleep(min(_BETWEEN_LOOKS, self._settings.patience))
        except Exception as error:
            self._failed(error)

    def _retire(self, leaving: set[str]) -> None:
        """Give nothing more to the replicas on machines that are leaving."""
        for replica in [each for each in self.live if each.place.machine in leaving]:
            self.live.remove(replica)
            replica.gone.set_result(None)

    async def _grow(self, machines: Sequence[Machine]) -> None:
        """Begin more replicas where the cluster has grown.

        Only in what nobody uses, and while none of ours waits for its place: else two runs that share a cluster which
        adds machines on demand would have it add ever more.
        """
        if self._settings.count is not None or len(self._placed) < self.wanted:
            return
        more = self._places(machines) // len(self._models) - self.wanted
        if more > 0:
            more = min(more, room(await self._cluster.free(), self._resources))
            self.wanted += more
            for _ in range(more):
                begin_task(self._keep(), self._tasks)

    async def _wait_no_longer_than_set(self) -> None:
        if self._placed:
            self._since, self._waiting_is_said = time.monotonic(), False
            return
        waited, patience = time.monotonic() - self._since, self._settings.patience
        if waited < min(_SILENCE, patience) or (waited < patience and self._waiting_is_said):
            return
        wanting = f"it asks for {_in_words(self._resources)}; the cluster has {await self._cluster.told()}"
        if waited >= patience:
            raise ConfigurationError(
                f"{self._spec.role}: no place for a replica within executor.patience={patience:g} s: {wanting}"
            )
        self._waiting_is_said = True
        _notify(f"{self._spec.role}: waiting up to {patience:g} s for a place for a replica: {wanting}")

    async def _keep(self) -> None:
        """Keep one replica at work: another takes the place of one that dies."""
        import ray

        deaths = 0
        try:
            while not self._ending:
                actor, replica = self._actor(), None
                try:
                    replica = await self._begin(actor)
                    error = await replica.gone
                    if error is None:
                        await self._leave(replica)
                        return
                except ReplicaDiedError as died:
                    error = died
                finally:
                    self._placed.discard(actor)
                    ray.kill(actor)
                if not error.with_machine:
                    deaths = 1 if replica is not None and replica.worked else deaths + 1
                if deaths > self._settings.max_deaths:
                    raise ReplicasLostError(
                        f"{self._spec.role}: its replica died {deaths} times without an answer in between; the last "
                        f"time {error}. What was answered is kept: run the same command again to continue"
                    )
                _notify(f"{self._spec.role}: a replica died ({error}); another takes its place")
        except Exception as error:
            self._failed(error)

    async def _leave(self, replica: LiveReplica) -> None:
        """Have a replica finish its batch, while another begins elsewhere."""
        self._placed.discard(replica.actor)
        begin_task(self._keep(), self._tasks)
        _notify(
            f"{self._spec.role}: {replica.place.name} is leaving the cluster; a replica there finishes its batch, and "
            "another takes its place"
        )
        with suppress(ReplicaDiedError):  # whoever waits for its answers is told as well
            await far(replica.actor.close.remote())
        await asyncio.gather(*replica.held)

    def _actor(self) -> Any:
        import ray

        actor_class = ray.remote(Replica).options(
            num_cpus=self._resources["CPU"],
            num_gpus=self._resources["GPU"],
            runtime_env=dict(self._settings.environment) or None,
            max_concurrency=_CALLS_AT_ONCE,
            max_restarts=0,  # what it held must be known when it dies, and is asked again from here
        )
        folder = None if "working_dir" in self._settings.files else Path.cwd()
        return actor_class.remote(
            self._spec, self._settings.executor, folder, must_have_files=not self._settings.send_content
        )

    async def _begin(self, actor: Any) -> LiveReplica:
        """Have a replica load its model, and put it to work.

        Raises:
            ConfigurationError: it is of another evalkit, or its model is another than that of the replicas before.
            EvalkitError: its model cannot be had there.
        """
        place: Place = await far(actor.place.remote())
        if place.version != __version__:
            raise ConfigurationError(
                f"{self._spec.role}: evalkit is {place.version} on {place.name}, and {__version__} here"
            )
        self._placed.add(actor)
        try:
            opened: Opened = await far(actor.open.remote())
        except ReplicaDiedError:
            raise
        except Exception as error:
            # What was raised inside ``instantiate`` is the cause of Hydra's error.
            ours = next((each for each in (error.__cause__, error) if isinstance(each, EvalkitError)), None)
            if ours is None or self._settings.address is None:
                raise
            raise ConfigurationError(f"{place.name}: {ours}") from error
        replica = LiveReplica(actor, place, opened, asyncio.get_running_loop().create_future())
        self.live.append(replica)
        self._joined(replica)
        return replica


def begin_task(work: Coroutine[Any, Any, None], begun: "set[asyncio.Task[None]]") -> "asyncio.Task[None]":
    """Begin some work, and keep it among what was begun until it is done."""
    task = asyncio.get_running_loop().create_task(work)
    begun.add(task)
    task.add_done_callback(begun.discard)
    return task


def _notify(line: str) -> None:
    _log.info("%s", line)
    say(line)


def _in_words(resources: Mapping[str, float]) -> str:
    return " and ".join(f"{amount:g} {name}" for name, amount in resources.items())
