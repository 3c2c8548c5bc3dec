"""Having every call of a run answered: one loop over the samples of all its tasks.

Each sample in flight is a coroutine that follows its chain: a call that is stored is answered by the store, any other
by the endpoint of its role, and kept the moment it is answered; so a judge works while the model under test still
answers, and the models run dry once, at the end, and not after each task. Nothing but the store carries state from one
session to the next: resuming a run is running it. As each call is a pure function of the answers before it, the order
in which answers come does not matter; outcomes are handed out in the order of the data set all the same.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.chain import ChainRun, Outcome
from evalkit.errors import BudgetReachedError, ConfigurationError, EvalkitError, StopRequested
from evalkit.inference.endpoint import Endpoint, ModelFacts
from evalkit.inference.interrupts import interrupts
from evalkit.inference.observer import Observer, Observers
from evalkit.inference.replay import WritableResponses, begin
from evalkit.task import Task
from evalkit.types import Call, Failure, Response, Sample

_UNDER_WAY = 4_096
_GO_ON_AT = 0.75  # of what may be under way, so that many chains begin together and not one for each that ends
_MOST_HELD = 4  # times as many may have ended and wait for an earlier one of their task
_BEGUN_AT_ONCE = 64


class TooManyFailuresError(EvalkitError):
    """The bound on failed calls was passed; what was answered is kept."""


@dataclass(frozen=True, slots=True)
class TaskWork:
    """What is to be done for one task.

    Attributes:
        task: the benchmark.
        samples: that are to be asked about.
        count: how many they are.
        store: where responses are kept, and found again.
        add: told of every outcome, in the order of the samples.
        finish: called in another thread once every outcome was given out; the run goes on meanwhile.
    """

    task: Task
    samples: Iterable[Sample]
    count: int
    store: WritableResponses
    add: Callable[[Outcome], None]
    finish: Callable[[], None]


async def run_inference(
    works: Sequence[TaskWork],
    endpoints: Mapping[str, Endpoint],
    *,
    met: Callable[[str, ModelFacts], None] | None = None,
    max_failures: int | None = None,
    samples_under_way: int = _UNDER_WAY,
    observer: Observer | None = None,
    notify: Callable[[str], None] | None = None,
) -> None:
    """Have every call of every task answered, and hand out how each sample ended.

    A role's model is opened when its first call comes, be it stored already or not: a stored answer counts only as
    that of the model it came from. The endpoints are closed at the end, however that comes.

    Args:
        works: the tasks, in order.
        endpoints: where the calls of each role are answered.
        met: told once of each role what its model is, before any of its answers is used or kept; may refuse it.
        max_failures: how many calls of one task may fail before the run stops; None for any number.
        samples_under_way: the most chains that are followed at once.
        observer: told what happens.
        notify: told, in a line for people, that an interrupt was noticed.

    Raises:
        TooManyFailuresError: more than ``max_failures`` calls of a task failed.
        BudgetReachedError: the budget leaves no room for another request; those under way were waited for.
        ServerUnavailableError: a server has been away for too long.
        RejectedError: a server takes no request.
        KeyboardInterrupt: the user wants it to end; the batch under way was waited for. If it was a scheduler that did,
            it is a ``StopRequested``.
    """
    inference = _Inference(
        endpoints, met or _ignore, max_failures, samples_under_way, observer or Observers(), notify or _ignore
    )
    await inference.run([_Progress(work) for work in works])


@dataclass(slots=True, eq=False)
class _Progress:
    """How far a task has come.

    Attributes:
        work: the task, and where its responses and outcomes go.
        begun: how many of its samples are begun.
        handed_out: how many of its outcomes are handed out, which is done in the order of the samples.
        failures: how many of its calls failed.
        ended: outcomes that wait for those of earlier samples, by the sample's number, and whether it was asked about.
        walked: whether all its samples are begun.
    """

    work: TaskWork
    begun: int = 0
    handed_out: int = 0
    failures: int = 0
    ended: dict[int, tuple[Outcome, bool]] = field(default_factory=dict)
    walked: bool = False


class _Inference:
    """One run's chains while they are under way; everything here happens in the event loop's thread."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        met: Callable[[str, ModelFacts], None],
        max_failures: int | None,
        samples_under_way: int,
        observer: Observer,
        notify: Callable[[str], None],
    ) -> None:
        self._endpoints = endpoints
        self._met = met
        self._max_failures = max_failures
        self._most_under_way = samples_under_way
        self._observer = observer
        self._notify = notify
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._facts: dict[str, ModelFacts] = {}
        self._opening: dict[str, asyncio.Task[ModelFacts]] = {}
        self._chains: set[asyncio.Task[None]] = set()
        self._finishing: set[asyncio.Task[None]] = set()
        self._held = 0  # samples that are begun and not handed out
        self._go_on: tuple[int, int, asyncio.Future[None]] | None = None
        self._out_of_budget: BudgetReachedError | None = None

    async def run(self, tasks: Sequence[_Progress]) -> None:
        """Ask until no chain has a further call, or something ends the run."""
        walk = self._loop.create_task(self._walk(tasks))
        with interrupts(self._loop, self._interrupted):
            try:
                await self._done
            finally:
                if not self._done.done():
                    self._done.cancel()
                await self._wind_up(walk)

    async def _wind_up(self, walk: "asyncio.Task[None]") -> None:
        """Keep what is being answered now, and end everything."""
        walk.cancel()
        for endpoint in self._endpoints.values():
            await endpoint.close()
        for chain in self._chains:
            chain.cancel()
        ending = (walk, *self._chains, *self._opening.values(), *self._finishing)
        await asyncio.gather(*ending, return_exceptions=True)

    def _interrupted(self, interrupt: KeyboardInterrupt) -> None:
        if isinstance(interrupt, StopRequested):
            self._notify(f"finishing the batch, as {interrupt} asks; Ctrl-C stops at once")
        else:
            self._notify("finishing the batch; press again to stop")
        self._stop(interrupt)

    def _stop(self, error: BaseException) -> None:
        if not self._done.done():
            self._done.set_exception(error)

    async def _walk(self, tasks: Sequence[_Progress]) -> None:
        try:
            for progress in tasks:
                await self._walk_task(progress)
            self._expect_more(False)
            await self._until(0, 0)
            await asyncio.gather(*self._finishing)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._stop(error)
        else:
            if self._out_of_budget is not None:
                self._stop(self._out_of_budget)
            elif not self._done.done():
                self._done.set_result(None)

    async def _walk_task(self, progress: _Progress) -> None:
        if self._out_of_budget is not None:
            return
        self._observer.started(progress.work.task.name, progress.work.count)
        for sample in progress.work.samples:
            if len(self._chains) >= self._most_under_way or self._held >= _MOST_HELD * self._most_under_way:
                self._expect_more(False)
                few = int(_GO_ON_AT * self._most_under_way)
                await self._until(few, _MOST_HELD * few)
                self._expect_more(True)
            if self._out_of_budget is not None:
                return
            chain = self._loop.create_task(self._follow(progress, progress.begun, sample))
            self._chains.add(chain)
            self._held += 1
            progress.begun += 1
            if progress.begun % _BEGUN_AT_ONCE == 0:
                await asyncio.sleep(0)  # let answers be taken in the meantime
        progress.walked = True
        self._hand_out(progress)

    def _expect_more(self, whether: bool) -> None:
        for endpoint in self._endpoints.values():
            endpoint.expect_more(whether)

    async def _until(self, under_way: int, held: int) -> None:
        """Wait until no more than so many chains are under way, and samples held."""
        if len(self._chains) > under_way or (self._held > held and self._out_of_budget is None):
            self._go_on = (under_way, held, self._loop.create_future())
            await self._go_on[2]

    async def _follow(self, progress: _Progress, number: int, sample: Sample) -> None:
        """Follow one sample's chain to its end."""
        try:
            asked = False
            run = begin(progress.work.task, sample)
            while run.call is not None:
                facts = self._facts.get(run.call.role) or await self._meet(progress.work.task, run.call.role)
                if self._refused(run, run.call, facts):
                    break
                response = progress.work.store.get(sample.id, run.position, run.call)
                # What was put together of answers that have been asked for anew since is no answer any more.
                if response is None or run.call.answer not in (None, response):
                    if self._done.done() or self._out_of_budget is not None:
                        return
                    response = await self._endpoints[run.call.role].answer(run.call)
                    response = self._keep(progress, run.position, run.call, response)
                    asked = True
                run.send(response)
            self._end(progress, number, run, asked)
        except BudgetReachedError as error:
            self._out_of_budget = self._out_of_budget or error
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._stop(error)
        finally:
            self._leave()

    def _refused(self, run: ChainRun, call: Call, facts: ModelFacts) -> bool:
        """Tell whether the model of a call's role cannot be asked this; the sample is then skipped."""
        # What the model is told goes before what the data set says, which may be the code of a dialect.
        reason = facts.capabilities.refusal(call.request, call.request.language or run.sample.language)
        if reason:
            run.skip(f"the {call.role} {reason}")
        return bool(reason)

    async def _meet(self, task: Task, role: str) -> ModelFacts:
        if role not in self._endpoints:
            raise ConfigurationError(
                f"task {task.name} needs a model in the role '{role}'; choose one with model@{role}=NAME"
            )
        if role not in self._opening:
            self._opening[role] = self._loop.create_task(self._open(role))
        return await self._opening[role]

    async def _open(self, role: str) -> ModelFacts:
        facts = await self._endpoints[role].facts()
        self._met(role, facts)
        self._facts[role] = facts
        return facts

    def _keep(self, progress: _Progress, position: int, call: Call, response: Response) -> Response:
        """Store a response, and count it if it failed."""
        task, store, sample_id = progress.work.task.name, progress.work.store, call.request.sample_id
        try:
            response = store.append(sample_id, position, call, response)
        except EvalkitError:
            raise
        except Exception as error:
            # An answer that cannot be kept, such as speech of an absurd rate, costs one sample its answer.
            failure = Failure("invalid_response", f"cannot be kept: {type(error).__name__}: {error}")
            response = store.append(sample_id, position, call, Response(failure=failure))
        if response.failure is None and call.answer is None:
            self._observer.answered(task, sample_id, call, response)
        elif response.failure is not None:
            self._observer.failed(task, sample_id, call, response)
            self._count_failure(progress, sample_id, response.failure)
        return response

    def _count_failure(self, progress: _Progress, sample_id: str, failure: Failure) -> None:
        progress.failures += 1
        if self._max_failures is not None and progress.failures > self._max_failures:
            raise TooManyFailuresError(
                f"{progress.work.task.name}: {progress.failures} calls failed, more than max_failures="
                f"{self._max_failures}; the last, sample {sample_id}: {failure.message}. What was answered is kept: "
                "run the same command again to continue, or raise max_failures"
            )

    def _end(self, progress: _Progress, number: int, run: ChainRun, asked: bool) -> None:
        assert run.outcome is not None  # noqa: S101 - a chain without a further call has ended
        outcome = run.outcome
        if outcome.reason is not None and outcome.reason.kind == "error" and _all_good(outcome):
            self._count_failure(progress, outcome.sample.id, outcome.reason)
        progress.ended[number] = (outcome, asked)
        self._hand_out(progress)

    def _hand_out(self, progress: _Progress) -> None:
        """Give out outcomes as far as the samples before them have ended."""
        ended, work = progress.ended, progress.work
        while progress.handed_out in ended:
            outcome, asked = ended.pop(progress.handed_out)
            work.add(outcome)
            progress.handed_out += 1
            self._held -= 1
            self._observer.sample_done(work.task.name, outcome, asked=asked)
        if progress.walked and progress.handed_out == progress.begun:
            progress.walked = False  # once
            self._finishing.add(self._loop.create_task(self._finish(work)))

    async def _finish(self, work: TaskWork) -> None:
        await asyncio.to_thread(work.finish)
        self._observer.finished(work.task.name)

    def _leave(self) -> None:
        chain = asyncio.current_task(self._loop)
        assert chain is not None  # noqa: S101 - called in a coroutine
        self._chains.discard(chain)
        if self._go_on is not None:
            under_way, held, go_on = self._go_on
            if len(self._chains) <= under_way and (self._held <= held or self._out_of_budget is not None):
                self._go_on = None
                if not go_on.done():
                    go_on.set_result(None)


def _all_good(outcome: Outcome) -> bool:
    return not any(exchange.response.failed for exchange in outcome.exchanges)


def _ignore(*_: object) -> None:
    """Take no note of it."""
