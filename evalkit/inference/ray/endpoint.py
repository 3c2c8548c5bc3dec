"""The endpoint of a model on a Ray cluster: which replica is asked what, and what becomes of one that dies."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalkit.errors import AudioError, ConfigurationError, EvalkitError, first_line
from evalkit.inference.endpoint import ModelFacts, ModelSpec
from evalkit.inference.ray.cluster import Cluster
from evalkit.inference.ray.messages import portable_call
from evalkit.inference.ray.replica import Opened, RaisedThereError, Replica
from evalkit.inference.ray.settings import ReplicaSettings
from evalkit.progress import say
from evalkit.types import Call, Failure, FailureKind, Response
from evalkit.version import __version__

# A call that so many replicas held as they died is asked beside no other, to see whether it is the one they die of;
_ALONE_AFTER = 2
# and fails once so many have died of it so.
_MOST_DEATHS_ALONE = 3

_CALLS_AT_ONCE = 100_000  # in one replica; how many it gets is decided here
_DIED_OF = "The actor is dead because "
_GUESSES = "Some common causes"

_log = logging.getLogger("evalkit")


class ReplicasLostError(EvalkitError):
    """A replica that dies again and again; the run stops, and what was answered is kept."""


@dataclass(slots=True, eq=False)
class _Asked:
    """A call on its way.

    Attributes:
        call: to be answered.
        answered: the future that gets the response.
        deaths: of replicas that held it.
    """

    call: Call
    answered: "asyncio.Future[Response]"
    deaths: int = 0

    @property
    def suspect(self) -> bool:
        """Whether replicas may die of it."""
        return self.deaths >= _ALONE_AFTER


@dataclass(slots=True, eq=False)
class _AtWork:
    """A replica that has its model.

    Attributes:
        actor: by which it is called.
        opened: what it said of itself.
        died: the future that gets what it died of.
        held: the calls that it has.
        alone: whether the call that it got last is to be beside no other.
        answers: that it gave.
    """

    actor: Any
    opened: Opened
    died: "asyncio.Future[Exception]"
    held: set[_Asked] = field(default_factory=set)
    alone: bool = False
    answers: int = 0

    def room(self, share: int) -> int:
        """Return how many calls it may get, its fair share of all being so many."""
        if self.alone and self.held:
            return 0
        return min(self.opened.capacity, max(self.opened.batch_size, share)) - len(self.held)


class RayEndpoint:
    """One model on a cluster; see ``Endpoint``.

    Args:
        spec: describes the model.
        settings: of its replicas.
        beside: the endpoints of the executor, this one included, which share the cluster.
    """

    def __init__(self, spec: ModelSpec, settings: ReplicaSettings, beside: Sequence["RayEndpoint"]) -> None:
        self.role = spec.role
        # What a process of its own prints would be kept in the run folder, which another machine may not have.
        self._spec = replace(spec, process=replace(spec.process, log=None))
        self._settings = settings
        self._beside = beside
        self._cluster = Cluster(settings.address)
        self._known: asyncio.Future[ModelFacts] | None = None
        self._placed = asyncio.Event()
        self._wanted = 1  # replicas
        self._at_work: list[_AtWork] = []
        self._asked: set[_Asked] = set()
        self._waiting: deque[_Asked] = deque()
        self._suspects: deque[_Asked] = deque()
        self._keeping: set[asyncio.Task[None]] = set()
        self._asking: set[asyncio.Task[None]] = set()
        self._error: Exception | None = None
        self._closed = False

    async def facts(self) -> ModelFacts:
        """Return what the model is and can do, by the first replica that has loaded it; see ``Endpoint``."""
        if self._known is None:
            self._known = asyncio.get_running_loop().create_future()
            _begin(self._open(), self._keeping)
        return await asyncio.shield(self._known)

    async def answer(self, call: Call) -> Response:
        """Return the model's response; see ``Endpoint``."""
        await self.facts()
        if self._error is not None:
            raise self._error
        asked = _Asked(call, asyncio.get_running_loop().create_future())
        self._asked.add(asked)
        self._waiting.append(asked)
        self._hand_out()
        try:
            return await asked.answered
        finally:
            self._asked.discard(asked)

    def expect_more(self, whether: bool) -> None:
        """Take no note: a replica begins with what it has, and gets more while it works."""

    async def close(self) -> None:
        """Let the batches under way end and hand out their answers, begin no other, and end the replicas."""
        if self._closed:
            return
        self._closed = True
        if self._known is None:
            return
        await asyncio.gather(*(each.actor.close.remote() for each in self._at_work), return_exceptions=True)
        await asyncio.gather(*self._asking)
        for keeper in self._keeping:
            keeper.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        await self._cluster.leave()

    async def _open(self) -> None:
        """Have the replicas started, and the first placed."""
        try:
            await self._cluster.enter()
            resources = await self._resources()
            for _ in range(self._wanted):
                _begin(self._keep(resources), self._keeping)
            try:
                await asyncio.wait_for(self._placed.wait(), self._settings.patience)
            except TimeoutError:
                raise ConfigurationError(
                    f"{self.role}: no place for a replica within executor.patience={self._settings.patience:g} s: it "
                    f"asks for {_in_words(resources)}; the cluster has {await self._cluster.told()}"
                ) from None
        except Exception as error:
            self._fail(error)

    async def _resources(self) -> Mapping[str, float]:
        """Return what a replica asks for, and decide how many there are to be.

        Raises:
            ConfigurationError: a cluster of this machine's own, which does not grow, cannot hold them.
        """
        machines = await self._cluster.machines()
        num_gpus = self._settings.num_gpus
        if num_gpus is None:
            num_gpus = 1.0 if any(each.resources.get("GPU") for each in machines) else 0.0
        resources = {"CPU": self._settings.num_cpus, "GPU": num_gpus}
        room, models = sum(each.room(resources) for each in machines), len(self._beside)
        self._wanted = self._settings.count or max(1, room // models)
        if room < self._wanted * models:
            asked = f"{self._wanted} replica{'s'[: self._wanted > 1]} of {models} model{'s'[: models > 1]} on Ray"
            line = f"{asked}, each with {_in_words(resources)}; the cluster has {await self._cluster.told()}"
            if self._settings.address is None:
                raise ConfigurationError(
                    f"no place for {line}; ask for less by executor.replicas=, num_cpus= or num_gpus=, or give a role "
                    "another executor: executor@executors.ROLE=local"
                )
            self._notify(f"waiting for places: {line}. Work begins with the first")
        return resources

    async def _keep(self, resources: Mapping[str, float]) -> None:
        """Keep one replica at work: another takes the place of one that dies."""
        import ray
        from ray.exceptions import RayActorError

        deaths = 0
        try:
            while True:
                actor, at_work = self._actor(resources), None
                try:
                    at_work = await self._begin(actor)
                    error = await at_work.died
                except RayActorError as died:
                    error = died
                finally:
                    ray.kill(actor)
                deaths = 0 if at_work is not None and at_work.answers else deaths + 1
                if deaths > self._settings.max_deaths:
                    raise ReplicasLostError(
                        f"{self.role}: its replica died {deaths} times without an answer in between; the last time "
                        f"{_cause(error)}. What was answered is kept: run the same command again to continue"
                    )
                self._notify(f"{self.role}: a replica died ({_cause(error)}); another takes its place")
        except Exception as error:
            self._fail(error)

    def _actor(self, resources: Mapping[str, float]) -> Any:
        import ray

        actor_class = ray.remote(Replica).options(
            num_cpus=resources["CPU"],
            num_gpus=resources["GPU"],
            runtime_env=dict(self._settings.runtime_env) or None,
            max_concurrency=_CALLS_AT_ONCE,
            max_restarts=0,  # what it held must be known when it dies, and is asked again from here
        )
        return actor_class.remote(
            self._spec, self._settings.executor, Path.cwd(), must_have_folder=not self._settings.send_content
        )

    async def _begin(self, actor: Any) -> _AtWork:
        """Have a replica load its model, and put it to work.

        Raises:
            ConfigurationError: it is of another evalkit, or its model is another than that of the replicas before.
            EvalkitError: its model cannot be had there.
        """
        version = await _far(actor.version.remote())
        if version != __version__:
            raise ConfigurationError(f"{self.role}: the cluster's evalkit is {version}, this one {__version__}")
        self._placed.set()
        opened: Opened = await _far(actor.open.remote())
        assert self._known is not None  # noqa: S101 - a replica is opened for the facts
        if not self._known.done():
            self._known.set_result(opened.facts)
        self._refuse_another(opened.facts, await self._known)
        at_work = _AtWork(actor, opened, asyncio.get_running_loop().create_future())
        self._at_work.append(at_work)
        self._hand_out()
        return at_work

    def _refuse_another(self, facts: ModelFacts, first: ModelFacts) -> None:
        for key in first.fingerprint.keys() | facts.fingerprint.keys():
            here, there = facts.fingerprint.get(key), first.fingerprint.get(key)
            if here != there:
                raise ConfigurationError(
                    f"{self.role}: replicas differ, {key} is {there} in one and {here} in another; have the same model "
                    "and libraries on all machines"
                )

    def _hand_out(self) -> None:
        """Give calls to the replicas that hold the fewest.

        None gets more than its share of all that are known, so that the last calls, and those of a replica that is
        still loading, are not in another's queue.
        """
        share = math.ceil(len(self._asked) / self._wanted)
        while self._waiting:
            free = [each for each in self._at_work if each.room(share) > 0]
            if not free:
                return
            self._give(min(free, key=lambda each: len(each.held)), self._waiting.popleft())
        for each in self._at_work:
            if self._suspects and not each.held:
                self._give(each, self._suspects.popleft())

    def _give(self, at_work: _AtWork, asked: _Asked) -> None:
        at_work.held.add(asked)
        at_work.alone = asked.suspect
        _begin(self._ask(at_work, asked), self._asking)

    async def _ask(self, at_work: _AtWork, asked: _Asked) -> None:
        """Have a replica answer a call, and hand its answer out."""
        try:
            response = await self._response(at_work, asked)
        except Exception as error:
            self._fail(error)
        else:
            if response is not None and not asked.answered.done():
                asked.answered.set_result(response)
        finally:
            at_work.held.discard(asked)
        if not self._closed and self._error is None:
            self._hand_out()

    async def _response(self, at_work: _AtWork, asked: _Asked) -> Response | None:
        """Return a replica's response; None if there is none, and the call waits again unless this is closed."""
        from ray.exceptions import RayActorError

        call = asked.call
        if call.request.audio:
            try:
                call = await asyncio.to_thread(portable_call, call, with_content=self._settings.send_content)
            except AudioError as error:
                return Response(failure=Failure("unreadable_audio", str(error)))
        if self._closed:
            return None
        if at_work.died.done():
            self._waiting.appendleft(asked)
            return None
        try:
            response: Response | None = await _far(at_work.actor.answer.remote(call))
        except RayActorError as error:
            self._bury(at_work, error)
            return self._after_death(asked, error)
        at_work.answers += 1
        return response

    def _bury(self, at_work: _AtWork, error: Exception) -> None:
        """Give a replica nothing more; the first call that it died with tells of it."""
        if at_work in self._at_work:
            self._at_work.remove(at_work)
            at_work.died.set_result(error)

    def _after_death(self, asked: _Asked, error: Exception) -> Response | None:
        """Return why a call is not asked again, if it is not."""
        asked.deaths += 1
        if asked.deaths == _ALONE_AFTER + _MOST_DEATHS_ALONE:
            kind: FailureKind = "out_of_memory" if "OUT_OF_MEMORY" in str(error) else "error"
            said = f"the model died {asked.deaths} times at this request; the last time {_cause(error)}"
            return Response(failure=Failure(kind, said))
        (self._suspects if asked.suspect else self._waiting).appendleft(asked)
        return None

    def _fail(self, error: Exception) -> None:
        """Raise an error wherever something is waited for."""
        self._error = self._error or error
        self._placed.set()
        for future in (self._known, *(asked.answered for asked in self._asked)):
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()  # whoever waits has it raised; that nobody waits any longer is no fault to report

    def _notify(self, line: str) -> None:
        _log.info("%s", line)
        say(line)


def _begin(work: Coroutine[Any, Any, None], begun: "set[asyncio.Task[None]]") -> None:
    task = asyncio.get_running_loop().create_task(work)
    begun.add(task)
    task.add_done_callback(begun.discard)


async def _far(reference: Awaitable[Any]) -> Any:
    """Return what a replica returns; raises what it raised, without Ray's account of where.

    Raises:
        RayActorError: the replica is dead, or cannot be reached.
    """
    from ray.exceptions import RayActorError, RayError, RayTaskError

    try:
        return await reference
    except RayTaskError as error:
        if not isinstance(error.cause, RaisedThereError):
            raise
        raised, cause = error.cause.args
        raise raised from cause
    except RayActorError:
        raise
    except RayError as error:
        raise ConfigurationError(f"Ray: {first_line(error)}") from error


def _cause(error: Exception) -> str:
    """Return what Ray knows of a replica's death, without what it guesses."""
    told = str(error)
    cause = told.partition(_DIED_OF)[2] or first_line(error)
    return " ".join(cause.partition(_GUESSES)[0].split())


def _in_words(resources: Mapping[str, float]) -> str:
    return " and ".join(f"{amount:g} {name}" for name, amount in resources.items())
