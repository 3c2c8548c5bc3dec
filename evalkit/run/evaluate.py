"""One evaluation from beginning to end: check, ask, score, record."""

import asyncio
import logging
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Any

from evalkit.adapter import SERVER_SAYS
from evalkit.errors import ConfigurationError
from evalkit.inference.ask import TaskWork, run_inference
from evalkit.inference.endpoint import Endpoint, ModelFacts, Timed
from evalkit.inference.observer import Observer, Observers
from evalkit.inference.opening import ExecutorChoice, ServedSettings, is_served, open_endpoints
from evalkit.inference.replay import StoredEndpoint, begin
from evalkit.inference.served.budget import Budget
from evalkit.inference.served.cache import AnswerCache
from evalkit.inference.work_clock import AtWork
from evalkit.object_store import held
from evalkit.progress import Progress, say
from evalkit.results.aggregates import with_aggregates
from evalkit.results.folder import PROVENANCE, RunFolder
from evalkit.results.metrics_file import RunResult
from evalkit.results.provenance import ProvenanceRecord
from evalkit.results.publication import publish, settled_run
from evalkit.results.responses import ResponseStore
from evalkit.results.shards import WHOLE, WholeData, refuse_mixture
from evalkit.results.task_result import ModelIdentity
from evalkit.results.usage import RoleUsage
from evalkit.run.events import EventLog, run_log
from evalkit.run.garbage import collected_seldom
from evalkit.run.plan import Plan
from evalkit.run.preflight import CheckedTask, Preflight, check
from evalkit.run.scoring import TaskScorer
from evalkit.run.stored import with_stored_tasks, write_config
from evalkit.types import Usage
from evalkit.version import __version__

_log = logging.getLogger("evalkit")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of a run.

    Attributes:
        results: what was measured, in this session and before.
        usage: what the calls took over all sessions of the run, by task and role.
        busy: the share of this session's time that the model of each role was at work, from 0 to 1, where it is known.
    """

    results: RunResult
    usage: Mapping[str, Mapping[str, Any]]
    busy: Mapping[str, float] = field(default_factory=dict)


def evaluate(plan: Plan, *observers: Observer, preflight: Preflight | None = None) -> Evaluation:
    """Run a plan, or continue it where an earlier attempt stopped.

    Args:
        plan: what to do.
        *observers: told how it goes, beside the progress display and the record of events.
        preflight: what there is to do; None to read the data sets of the plan for it.

    Raises:
        EvalkitError: something stops the run; every answer got so far is kept in the run folder.
        KeyboardInterrupt: likewise; the batch under way was waited for.
    """
    with held(plan.folder), _Session(plan, preflight or check(plan), observers) as session:
        inference = run_inference(
            session.works,
            session.endpoints,
            met=session.meet,
            max_failures=plan.max_failures,
            samples_under_way=max(each.samples_under_way for each in (plan.executor, *plan.executors.values())),
            observer=session.observer,
            notify=_tell,
        )
        with collected_seldom():
            _run(inference)
        return session.finish()


def _run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end, also where an event loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(main)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="evaluation") as pool:
        pool.submit(asyncio.run, main).result()


class _Session:
    """One attempt at a run: everything that is open while models are asked."""

    def __init__(self, plan: Plan, preflight: Preflight, observers: Sequence[Observer] = ()) -> None:
        self._plan = plan
        self._lock = threading.Lock()  # tasks are finished in threads of their own
        self._identities: dict[str, ModelIdentity] = {}
        self.endpoints: dict[str, Endpoint] = {}
        shard = plan.selection.shard
        refuse_mixture(plan.folder if shard is None else shard.run_of(plan.folder), shard)
        with ExitStack() as stack:
            self._folder = stack.enter_context(closing(RunFolder(plan.folder)))
            if plan.fresh:
                self._folder.set_aside()
            for each in preflight.tasks:
                self._refuse_changed_recordings(each)
            config = with_stored_tasks(plan.config, plan.folder)
            write_config(self._folder, config)
            self._order = tuple(config["tasks"])
            stack.enter_context(run_log(plan.folder))
            earlier = settled_run(self._folder)
            self._results = self._begun(earlier, preflight)
            tasks = [each for each in preflight.tasks if not self._is_fuller(each)]
            self._stores = {
                each.task.name: stack.enter_context(ResponseStore(plan.folder / each.task.name, settled=plan.replayed))
                for each in tasks
            }
            data = {each.task.name: _data_record(each) for each in tasks}
            self._record = ProvenanceRecord(self._folder, data, preflight.left_out, self._usage, self._at_work_record)
            stack.callback(self._record.write)
            for line in plan.notices:
                _tell(line)
            self._say_what_is_kept()
            self.endpoints = self._open_endpoints(stack, tasks)
            self.works = [self._work(each, stack) for each in tasks]
            counts = {each.task.name: (each.task.title, each.count) for each in tasks}
            usage = {name: store.usage for name, store in self._stores.items()}
            samples = {each.task.name: each.count for each in tasks}
            events = stack.enter_context(closing(EventLog(plan.folder, samples, usage, self._at_work)))
            self.observer = Observers((stack.enter_context(Progress(counts)), events, *observers))
            self._stack = stack.pop_all()

    def _refuse_changed_recordings(self, checked: CheckedTask) -> None:
        """Refuse a data set of which a recording has another sound than when it was answered about.

        One that could not be read then, and is mended now, has no answer yet, and is asked about again.
        """
        recorded = self._folder.read(PROVENANCE).get("data")
        earlier = recorded.get(checked.task.name) if isinstance(recorded, dict) else None
        if not isinstance(earlier, dict) or not checked.fingerprint.recordings_changed_since(earlier):
            return
        with ResponseStore(self._folder.path / checked.task.name, writable=False) as store:
            for sample in checked.samples:
                first = begin(checked.task, sample)
                if first.call is None or not store.holds(sample.id, first.position, first.call.role):
                    continue
                if store.get(sample.id, first.position, first.call) is None:
                    raise ConfigurationError(
                        f"{self._folder.path}: holds answers about other recordings of task {checked.task.name} than "
                        f"its data set has now, as of sample {sample.id}; give this run another name=, or fresh=true "
                        "to ask all again"
                    )

    def __enter__(self) -> "_Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            _log.error("stopped: %s", str(error) or type(error).__name__)
        self._stack.__exit__(kind, error, trace)

    def meet(self, role: str, facts: ModelFacts) -> None:
        """Take note of a role's model; refuses one whose answers cannot stand beside those that the run holds."""
        generation = dict(self._plan.models[role].generation)
        fingerprint = {**facts.fingerprint, **({"generation": generation} if generation else {})}
        self._record.meet(role, fingerprint)
        # What a server says of itself may be said at one time and not at another.
        own = {key: value for key, value in fingerprint.items() if key != SERVER_SAYS}
        self._identities[role] = ModelIdentity.of(self._plan.models[role].title, own)
        _log.info("%s: %s", role, fingerprint)

    def finish(self) -> Evaluation:
        """Take the averages, record that the session ended, and return what came of it."""
        self._results = with_aggregates(self._results, self._plan.aggregates, self._plan.bootstrap)
        publish(self._folder, self._results)
        self._record.finish()
        _log.info("finished")
        busy = {role: each.share for role, each in self._at_work().items() if each.share is not None}
        return Evaluation(self._results, self._record.usage(), busy)

    def _begun(self, earlier: RunResult | None, preflight: Preflight) -> RunResult:
        """Return what was measured before under this name, to which this session adds."""
        plan = self._plan
        tasks = {} if earlier is None else earlier.tasks
        asked = [each.task.name for each in preflight.tasks] + list(() if earlier is None else earlier.unfinished)
        return RunResult(
            name=plan.name,
            model_name=plan.model_name,
            model=plan.models["model"].title,
            evalkit=__version__,
            tasks=tasks,
            aggregates={} if earlier is None else earlier.aggregates,
            unfinished=tuple(name for name in dict.fromkeys(asked) if name not in tasks),
            left_out=preflight.left_out,
            folder=plan.folder,
        )

    def _is_fuller(self, checked: CheckedTask) -> bool:
        """Tell whether the run holds results of more samples than are asked for now; they are left as they are."""
        before = self._results.tasks.get(checked.task.name)
        if before is None or not self._plan.selection.partial or before.samples.total <= checked.count:
            return False
        _tell(
            f"{checked.task.title}: results of {before.samples.total:,} samples are there and are left as they "
            f"are; for {checked.count:,} alone give another name=, or fresh=true"
        )
        return True

    def _say_what_is_kept(self) -> None:
        kept = sum(usage.answers for store in self._stores.values() for usage in store.usage.values())
        if kept and self._record.last_session:
            began = self._record.last_session.started.isoformat(timespec="seconds")
            _tell(f"{kept:,} answers of the session of {began} are kept (fresh=true asks again)")

    def _open_endpoints(self, stack: ExitStack, tasks: Sequence[CheckedTask]) -> dict[str, Endpoint]:
        plan = self._plan
        budget = Budget(plan.budget, self._spent())
        cache = None
        asked = {role: spec for role, spec in plan.models.items() if role not in plan.replayed}
        cached = [role for role, spec in asked.items() if role in plan.cache.roles and is_served(spec)]
        if plan.cache.folder is not None and cached:
            cache = stack.enter_context(closing(AnswerCache(plan.cache.folder)))
        served = ServedSettings(budget, cache, cached, plan.clock, _tell, logs=plan.folder)
        replayed = {role: StoredEndpoint(role, facts) for role, facts in plan.replayed.items()}
        requests = [(role, each) for task in tasks for role, some in task.requests.items() for each in some]
        executors = ExecutorChoice(plan.executor, plan.executors)
        return {**open_endpoints(asked.values(), executors, served, requests), **replayed}

    def _work(self, checked: CheckedTask, stack: ExitStack) -> TaskWork:
        task, plan = checked.task, self._plan
        scorer = TaskScorer(
            task,
            plan.folder / task.name,
            # A shard's figures are no one's, and its samples may lack the field by which those of the run are drawn.
            plan.bootstrap if checked.whole is None else replace(plan.bootstrap, cluster="none"),
            models=self._identities,
            partial=checked.partial,
        )
        stack.enter_context(closing(scorer))
        finish = partial(self._finish_task, task.name, scorer)
        return TaskWork(task, checked.samples, checked.count, self._stores[task.name], scorer.add, finish)

    def _finish_task(self, name: str, scorer: TaskScorer) -> None:
        result = scorer.finish()
        with self._lock:
            # Tasks end in an order of chance, and equal runs have equal results. The averages are taken once all their
            # members are there.
            tasks = self._results.with_task(result).in_order(self._order)
            self._results = replace(tasks, aggregates={})
            publish(self._folder, self._results, [name])
            self._record.task_finished(name)

    def _usage(self) -> dict[str, dict[str, Any]]:
        return {
            name: {role: took.to_json() for role, took in list(store.usage.items())}
            for name, store in self._stores.items()
        }

    def _at_work(self) -> dict[str, AtWork]:
        """Return how much of the time the models were at work that were asked something, where that is known."""
        told = {role: each.at_work() for role, each in self.endpoints.items() if isinstance(each, Timed)}
        return {role: each for role, each in told.items() if each.seconds}

    def _at_work_record(self) -> dict[str, dict[str, float]]:
        return {role: each.to_json() for role, each in self._at_work().items()}

    def _spent(self) -> Usage:
        """Sum what the calls of all tasks of the folder took, whether they are part of this session or not."""
        usage = [RoleUsage.from_json(took) for roles in self._record.usage().values() for took in roles.values()]
        return sum((each.spent for each in usage), Usage())


def _data_record(checked: CheckedTask) -> dict[str, Any]:
    record = {**checked.fingerprint.to_json(), **checked.recordings.to_json()}
    if checked.whole is None:
        return record
    whole = WholeData(checked.whole.samples, checked.whole.hexdigest(), checked.partial)
    return {**record, WHOLE: whole.to_json()}


def _tell(line: str) -> None:
    _log.info("%s", line)
    say(line)
