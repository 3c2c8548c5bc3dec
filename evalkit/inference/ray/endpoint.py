"""The endpoint of a model on a Ray cluster: which replica is asked what, and what becomes of one that dies."""

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evalkit.errors import AudioError, ConfigurationError
from evalkit.inference.endpoint import ModelFacts, ModelSpec
from evalkit.inference.ray.calling import ReplicaDiedError, far
from evalkit.inference.ray.messages import portable_call
from evalkit.inference.ray.replica import Answer
from evalkit.inference.ray.replicas import LiveReplica, Replicas, begin_task
from evalkit.inference.ray.settings import ReplicaSettings
from evalkit.inference.work_clock import AtWork
from evalkit.types import Call, Failure, FailureKind, Response

# A call that so many replicas held as they died is asked beside no other, to see whether it is the one they die of;
_ALONE_AFTER = 2
# and fails once so many have died of it so.
_MOST_DEATHS_ALONE = 3


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
        spec = replace(spec, process=replace(spec.process, log=None))
        self._settings = settings
        self._replicas = Replicas(spec, settings, beside, self._join, self._fail)
        self._known: asyncio.Future[ModelFacts] | None = None
        self._answered: list[LiveReplica] = []  # those that have, dead ones included
        self._asked: set[_Asked] = set()
        self._waiting: deque[_Asked] = deque()
        self._suspects: deque[_Asked] = deque()
        self._beginning: set[asyncio.Task[None]] = set()
        self._asking: set[asyncio.Task[None]] = set()
        self._error: Exception | None = None
        self._closed = False

    async def facts(self) -> ModelFacts:
        """Return what the model is and can do, by the first replica that has loaded it; see ``Endpoint``."""
        if self._known is None:
            self._known = asyncio.get_running_loop().create_future()
            begin_task(self._begin(), self._beginning)
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
        for beginning in self._beginning:
            beginning.cancel()
        await asyncio.gather(*self._beginning, return_exceptions=True)
        await self._replicas.finish_batches()
        await asyncio.gather(*self._asking)
        await self._replicas.end()

    def at_work(self) -> AtWork:
        """Return how much of the time a replica was at work, the mean of all that there were; see ``Timed``."""
        worked = [replica.worked for replica in list(self._answered) if replica.worked is not None]
        count = max(1, len(worked))
        return AtWork(sum(each.seconds for each in worked) / count, sum(each.of for each in worked) / count)

    async def _begin(self) -> None:
        try:
            await self._replicas.begin()
        except Exception as error:
            self._fail(error)

    def _join(self, replica: LiveReplica) -> None:
        """Have a replica that has loaded its model begin to work."""
        assert self._known is not None  # noqa: S101 - a replica is opened for the facts
        if not self._known.done():
            self._known.set_result(replica.opened.facts)
        self._refuse_another(replica.opened.facts, self._known.result())
        self._hand_out()

    def _refuse_another(self, facts: ModelFacts, first: ModelFacts) -> None:
        for key in sorted(first.fingerprint.keys() | facts.fingerprint.keys()):
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
        live = self._replicas.live
        share = math.ceil(len(self._asked) / self._replicas.wanted)
        while self._waiting:
            free = [each for each in live if each.room(share) > 0]
            if not free:
                return
            self._give(min(free, key=lambda each: len(each.held)), self._waiting.popleft())
        for each in live:
            if self._suspects and not each.held:
                self._give(each, self._suspects.popleft())

    def _give(self, replica: LiveReplica, asked: _Asked) -> None:
        replica.alone = asked.suspect
        replica.held.add(begin_task(self._ask(replica, asked), self._asking))

    async def _ask(self, replica: LiveReplica, asked: _Asked) -> None:
        """Have a replica answer a call, and hand its answer out."""
        try:
            response = await self._response(replica, asked)
        except Exception as error:
            self._fail(error)
        else:
            if response is not None and not asked.answered.done():
                asked.answered.set_result(response)
        finally:
            replica.held -= {asyncio.current_task()}
        if not self._closed and self._error is None:
            self._hand_out()

    async def _response(self, replica: LiveReplica, asked: _Asked) -> Response | None:
        """Return a replica's response; None if there is none, and the call waits again unless this is closed."""
        call = asked.call
        if call.request.audio:
            try:
                call = await asyncio.to_thread(portable_call, call, with_content=self._settings.send_content)
            except AudioError as error:
                return Response(failure=Failure("unreadable_audio", str(error)))
        if self._closed:
            return None
        if replica.gone.done():
            self._ask_again(asked)
            return None
        try:
            answer: Answer | None = await far(replica.actor.answer.remote(call))
        except ReplicaDiedError as error:
            self._replicas.bury(replica, error)
            return self._after_death(asked, error)
        if answer is None:  # it was closed, as its machine leaves
            if not self._closed:
                self._ask_again(asked)
            return None
        if replica.worked is None:
            self._answered.append(replica)
        replica.worked = answer.at_work
        return answer.response

    def _after_death(self, asked: _Asked, error: ReplicaDiedError) -> Response | None:
        """Return why a call is not asked again, if it is not."""
        if not error.with_machine:
            asked.deaths += 1
        if asked.deaths == _ALONE_AFTER + _MOST_DEATHS_ALONE:
            kind: FailureKind = "out_of_memory" if error.out_of_memory else "error"
            said = f"the model died {asked.deaths} times at this request; the last time {error}"
            return Response(failure=Failure(kind, said))
        self._ask_again(asked)
        return None

    def _ask_again(self, asked: _Asked) -> None:
        (self._suspects if asked.suspect else self._waiting).appendleft(asked)

    def _fail(self, error: Exception) -> None:
        """Raise an error wherever something is waited for."""
        self._error = self._error or error
        for future in (self._known, *(asked.answered for asked in self._asked)):
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()  # whoever waits has it raised; that nobody waits any longer is no fault to report
