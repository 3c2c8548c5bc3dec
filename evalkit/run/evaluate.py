"""One evaluation from beginning to end: check, ask, score, record."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import evalkit
from evalkit.adapter import Model, ModelAdapter, ServedModelAdapter
from evalkit.datasets import Fingerprint
from evalkit.errors import ConfigurationError, DataError
from evalkit.inference.ask import ask
from evalkit.inference.replay import outcome_of, refusal_by
from evalkit.inference.served.budget import Budget
from evalkit.inference.served.cache import AnswerCache
from evalkit.inference.served.caller import ServedCaller
from evalkit.progress import Progress, say
from evalkit.results import provenance
from evalkit.results.aggregates import with_aggregates
from evalkit.results.folder import RunFolder
from evalkit.results.metrics_file import ModelIdentity, RunResult, TaskResult
from evalkit.results.publication import publish, settled_run
from evalkit.results.responses import ResponseStore
from evalkit.run.plan import Plan
from evalkit.run.scoring import score_task
from evalkit.run.selection import SelectedSamples
from evalkit.task import Task
from evalkit.types import Usage

_REASONS_SHOWN = 3


def carry_out(plan: Plan) -> RunResult:
    """Run a plan, or continue it where an earlier attempt stopped, and return what was measured.

    Raises:
        EvalkitError: something stops the run; every answer got so far is kept in the run folder.
    """
    selected = {task.name: SelectedSamples(task, plan.selection) for task in plan.tasks}
    missing = _missing_roles(plan)
    data = _check_data(plan, selected, missing)
    folder = RunFolder(plan.folder)
    started = time.perf_counter()
    with ExitStack() as stack:
        stack.callback(folder.close)
        # One event loop for the whole run, so that connections outlive a task.
        runner = stack.enter_context(asyncio.Runner())
        adapters = plan.load_models()
        stack.callback(_close, runner, adapters)
        models = {role: dict(adapter.fingerprint()) for role, adapter in adapters.items()}
        folder.claim(models)
        folder.write("config.yaml", plan.config)
        tasks = [task for task in plan.tasks if task.name not in missing]
        stores = {task.name: stack.enter_context(ResponseStore(plan.folder / task.name)) for task in tasks}
        record = _Record(folder, models, data, missing, stores)
        stack.callback(record.write)
        callers = _callers(plan, adapters, stores, stack)
        run = RunResult(
            name=plan.name,
            model_name=plan.model_name,
            model=plan.titles["model"],
            evalkit=evalkit.__version__,
            tasks={},
            unfinished=tuple(task.name for task in tasks),
            left_out=missing,
            folder=plan.folder,
        )
        settled_run(folder)
        identities = {role: ModelIdentity.of(plan.titles.get(role, role), models[role]) for role in models}
        for task in tasks:
            store = stores[task.name]
            with record.timing(task.name):
                with Progress(task.title, data[task.name]["samples"]) as progress:
                    asking = ask(
                        task,
                        adapters,
                        store,
                        plan.executor,
                        callers,
                        samples=selected[task.name],
                        max_failures=plan.max_failures,
                        on_answer=progress.answer,
                        on_sample=progress.sample,
                    )
                    runner.run(asking)
                run = run.with_task(_score(plan, task, selected[task.name], adapters, identities, store))
            publish(folder, run)
        run = with_aggregates(run, plan.aggregates, plan.bootstrap)
        publish(folder, run)
        record.finish(time.perf_counter() - started)
    return run


def _score(
    plan: Plan,
    task: Task,
    samples: SelectedSamples,
    adapters: Mapping[str, Model],
    identities: Mapping[str, ModelIdentity],
    store: ResponseStore,
) -> TaskResult:
    return score_task(
        task,
        (outcome_of(task, store, sample, refusal_by(task, adapters, sample)) for sample in samples),
        plan.folder / task.name,
        plan.bootstrap,
        models=identities,
        partial=plan.selection.partial and task.expected_samples is None,
    )


def _callers(
    plan: Plan, adapters: Mapping[str, Model], stores: Mapping[str, ResponseStore], stack: ExitStack
) -> dict[str, ServedCaller]:
    """What calls the served models of the run; they share one budget, from which earlier sessions have spent."""
    served = {role: adapter for role, adapter in adapters.items() if isinstance(adapter, ServedModelAdapter)}
    if not served:
        return {}
    spent = [usage.spent for store in stores.values() for usage in store.usage.values()]
    budget = Budget(plan.budget, sum(spent, Usage()))
    cache = None
    if plan.cache.folder is not None and set(plan.cache.roles) & set(served):
        cache = AnswerCache(plan.cache.folder)
        stack.callback(cache.close)
    return {
        role: ServedCaller(role, adapter, budget, cache if role in plan.cache.roles else None, plan.clock, say)
        for role, adapter in served.items()
    }


def _close(runner: asyncio.Runner, adapters: Mapping[str, Model]) -> None:
    for adapter in adapters.values():
        if isinstance(adapter, ModelAdapter):
            adapter.close()
        else:
            runner.run(adapter.close())


def _missing_roles(plan: Plan) -> dict[str, str]:
    """The tasks that no model was chosen for in one of their roles, with the reason, if such are to be left out."""
    missing: dict[str, str] = {}
    for task in plan.tasks:
        for role in task.roles:
            if role not in plan.titles:
                reason = f"it needs a model in the role '{role}'; choose one with model@{role}=NAME"
                if not plan.skip_missing_roles:
                    raise ConfigurationError(f"task {task.name}: {reason}")
                missing[task.name] = reason
    return missing


def _check_data(
    plan: Plan, selected: Mapping[str, SelectedSamples], missing: dict[str, str]
) -> dict[str, dict[str, Any]]:
    """Read every data set through once, before any model is loaded: a broken row is found now, not after an hour.

    Tasks whose data set is not at hand are added to the missing ones, if they are to be left out.
    """
    data: dict[str, dict[str, Any]] = {}
    for task in plan.tasks:
        if task.name in missing:
            continue
        if plan.skip_remote_data and not task.data_at_hand:
            missing[task.name] = "its data set is not on this machine"
            continue
        fingerprint = Fingerprint()
        try:
            for sample in selected[task.name]:
                fingerprint.add(sample)
        except DataError as error:
            if fingerprint.samples == 0 and plan.skip_missing_data:
                missing[task.name] = str(error)
                continue
            raise DataError(f"task {task.name}: {error}") from error
        if fingerprint.samples == 0:
            raise DataError(f"task {task.name}: its data set has no samples")
        data[task.name] = {"samples": fingerprint.samples, "fingerprint": fingerprint.hexdigest()}
    if not data:
        shown = [f"{name}: {reason}" for name, reason in missing.items()][:_REASONS_SHOWN]
        more = f"; and {len(missing) - len(shown)} more tasks" if len(missing) > len(shown) else ""
        raise DataError(f"no task of this run can be carried out: {'; '.join(shown)}{more}")
    return data


class _Record:
    """What ``provenance.json`` says, kept up to date while the run goes on; each attempt adds a session."""

    def __init__(
        self,
        folder: RunFolder,
        models: Mapping[str, Mapping[str, Any]],
        data: Mapping[str, Mapping[str, Any]],
        missing: Mapping[str, str],
        stores: Mapping[str, ResponseStore],
    ) -> None:
        self._folder = folder
        self._stores = stores
        self._session: dict[str, Any] = {
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "software": provenance.software(),
            "hardware": provenance.hardware(),
            "seconds": {},
            "finished": False,
        }
        self._content = {
            "models": models,
            "data": data,
            "left_out": missing,
            "sessions": [*folder.read("provenance.json").get("sessions", []), self._session],
        }
        self.write()

    @contextmanager
    def timing(self, task: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._session["seconds"][task] = round(time.perf_counter() - started, 3)
        self.write()

    def finish(self, seconds: float) -> None:
        self._session["seconds"]["total"] = round(seconds, 3)
        self._session["finished"] = True
        self.write()

    def write(self) -> None:
        """Write what is known now, with what the calls took so far."""
        usage = {
            name: {role: took.to_json() for role, took in store.usage.items()} for name, store in self._stores.items()
        }
        self._folder.write_json("provenance.json", {**self._content, "usage": usage})
