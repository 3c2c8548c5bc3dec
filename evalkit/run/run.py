"""One evaluation from beginning to end: check, ask, score, record."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import evalkit
from evalkit.adapter import ModelAdapter
from evalkit.datasets import Fingerprint
from evalkit.errors import DataError
from evalkit.progress import Progress
from evalkit.run import provenance
from evalkit.run.folder import RunFolder
from evalkit.run.inference import Chain, ask, replay, selected_samples
from evalkit.run.plan import Plan
from evalkit.run.scoring import score_task
from evalkit.run.store import ResponseStore
from evalkit.task import Task
from evalkit.types import Sample


def carry_out(plan: Plan) -> dict[str, Any]:
    """Run a plan, or continue it where an earlier attempt stopped, and return what ``metrics.json`` holds.

    Raises:
        EvalkitError: something stops the run; every answer got so far is kept in the run folder.
    """
    data, missing = _check_data(plan)
    folder = RunFolder(plan.folder)
    started = time.perf_counter()
    adapters: Mapping[str, ModelAdapter] = {}
    try:
        adapters = plan.load_models()
        models = {role: dict(adapter.fingerprint()) for role, adapter in adapters.items()}
        folder.claim(models)
        folder.write("config.yaml", plan.config)
        record = _Record(folder, models, data, missing)
        metrics: dict[str, Any] = {
            "evalkit": evalkit.__version__,
            "name": plan.name,
            "model": {"name": plan.model_name, "title": plan.model_title},
            "tasks": {},
        }
        for task in plan.tasks:
            if task.name in missing:
                continue
            with record.timing(task.name):
                metrics["tasks"][task.name] = _evaluate(plan, task, adapters, data[task.name]["samples"])
            folder.write_json("metrics.json", metrics)
        record.finish(time.perf_counter() - started)
    finally:
        for adapter in adapters.values():
            adapter.close()
        folder.close()
    return metrics


def _evaluate(plan: Plan, task: Task, adapters: Mapping[str, ModelAdapter], total: int) -> dict[str, Any]:
    task_folder = plan.folder / task.name
    with ResponseStore(task_folder) as store:
        with Progress(task.title, total) as progress:
            ask(
                task,
                adapters,
                store,
                plan.executor,
                limit=plan.limit,
                max_failures=plan.max_failures,
                on_answer=progress.advance,
            )

        def chain_of(sample: Sample) -> Chain:
            return replay(task, adapters, store, sample)

        return score_task(
            task,
            selected_samples(task, plan.limit),
            chain_of,
            task_folder,
            plan.bootstrap,
            partial=plan.limit is not None and task.expected_samples is None,
        )


def _check_data(plan: Plan) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Read every data set through once, before any model is loaded: a broken row is found now, not after an hour."""
    data: dict[str, dict[str, Any]] = {}
    missing: dict[str, str] = {}
    for task in plan.tasks:
        fingerprint = Fingerprint()
        try:
            for sample in selected_samples(task, plan.limit):
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
        reasons = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
        raise DataError(f"no task of this run has its data at hand: {reasons}")
    return data, missing


class _Record:
    """What ``provenance.json`` says, kept up to date while the run goes on; each attempt adds a session."""

    def __init__(
        self,
        folder: RunFolder,
        models: Mapping[str, Mapping[str, Any]],
        data: Mapping[str, Mapping[str, Any]],
        missing: Mapping[str, str],
    ) -> None:
        self._folder = folder
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
            "missing_data": missing,
            "sessions": [*folder.read("provenance.json").get("sessions", []), self._session],
        }
        self._write()

    @contextmanager
    def timing(self, task: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._session["seconds"][task] = round(time.perf_counter() - started, 3)
        self._write()

    def finish(self, seconds: float) -> None:
        self._session["seconds"]["total"] = round(seconds, 3)
        self._session["finished"] = True
        self._write()

    def _write(self) -> None:
        self._folder.write_json("provenance.json", self._content)


def failed_samples(metrics: Mapping[str, Any]) -> int:
    """How many samples of a run failed, over all tasks."""
    return sum(task["samples"]["failed"] for task in metrics["tasks"].values())
