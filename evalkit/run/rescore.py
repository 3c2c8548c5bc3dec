"""Scoring a run again from what its folder holds: the stored responses, and the samples kept with the scores."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit.chain import Outcome
from evalkit.errors import StoreError
from evalkit.inference.replay import outcome_of, replay
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.object_store import held
from evalkit.redaction import without_secrets
from evalkit.results.aggregates import definitions_from, with_aggregates
from evalkit.results.folder import RunFolder
from evalkit.results.metrics_file import RunResult, read_run
from evalkit.results.publication import publish, settled_run
from evalkit.results.responses import ResponseStore
from evalkit.results.scores import ScoresFile
from evalkit.results.task_result import ModelIdentity, TaskResult
from evalkit.run.scoring import score_task
from evalkit.run.stored import read_stored_config, stored_statistics, stored_tasks, write_config
from evalkit.task import Task
from evalkit.types import Failure, Sample
from evalkit.version import __version__


def rescore(path: Path, overrides: Sequence[str] = (), allow: Sequence[str] = ()) -> RunResult:
    """Score a run's stored responses again, with changed settings if any, and return what is measured now.

    Tasks that the run has not finished stay so. A changed ``name`` or title renames the run or a model in its results.

    Args:
        path: the run folder.
        overrides: changed settings, as ``KEY=VALUE``.
        allow: packages of the user's own whose task classes may be made.

    Raises:
        StoreError: the folder is not that of a run, or holds no answer to what a changed task would ask.
        ConfigurationError: an override names a setting that the run does not have, or a task's class is not known.
    """
    with held(path):
        return _rescored(path, overrides, allow)


def _rescored(path: Path, overrides: Sequence[str], allow: Sequence[str]) -> RunResult:
    config = read_stored_config(path, overrides)
    read_run(path)
    folder = RunFolder(path)
    try:
        run = settled_run(folder)
        if run is None:
            raise StoreError(f"{path}: has no results; run it first")
        settings = stored_statistics(config, path)
        tasks = {task.name: task for task in stored_tasks(config, run.tasks, allow)}
        for name, before in run.tasks.items():
            if name not in tasks:
                raise StoreError(f"{path / 'config.yaml'}: does not have the task {name}, which the run has results of")
            models = _models(before, config)
            run = run.with_task(rescore_task(path / name, tasks[name], before, models, settings, into=path / name))
        run = replace(
            run,
            evalkit=__version__,
            name=str(config.get("name") or run.name),
            model=_title(config, "model") or run.model,
        )
        run = with_aggregates(run, definitions_from(config.get("aggregates")), settings)
        publish(folder, run, run.tasks)
        write_config(folder, without_secrets(config))
    finally:
        folder.close()
    return run


def rescore_task(
    folder: Path,
    task: Task,
    before: TaskResult,
    models: Mapping[str, ModelIdentity],
    settings: BootstrapSettings,
    *,
    into: Path,
) -> TaskResult:
    """Score a task's stored responses again.

    Args:
        folder: of the task, in the run folder.
        task: made again (``evalkit.run.stored.stored_tasks``).
        before: its results, which the scores of the folder belong to.
        models: who filled each role.
        settings: how intervals are made.
        into: the folder to write the new scores to, of the same name as ``folder``.

    Raises:
        StoreError: the scores cannot be read or written, or there is no answer to what the task asks.
    """
    with ResponseStore(folder, writable=False) as store:
        outcomes = stored_outcomes(task, store, ScoresFile(folder, before.digest).samples())
        return score_task(task, outcomes, into, settings, models=models, partial=before.partial)


def stored_outcomes(
    task: Task, store: ResponseStore, samples: Iterable[tuple[Sample, str, Failure | None]]
) -> Iterator[Outcome]:
    """Yield how samples ended, by stored responses alone.

    Args:
        task: the benchmark.
        store: has its responses.
        samples: with status and reason, as ``ScoresFile.samples`` yields them.

    Raises:
        StoreError: there is no response to a call of a sample's chain.
    """
    for sample, status, reason in samples:
        yield skipped_outcome(task, store, sample, reason) if status == "skipped" else outcome_of(task, store, sample)


def skipped_outcome(task: Task, store: ResponseStore, sample: Sample, reason: Failure | None) -> Outcome:
    """Return how a sample ended that was skipped, with what was answered before a model could not be asked."""
    run = replay(task, store, sample)
    run.skip("" if reason is None else reason.message)
    assert run.outcome is not None  # noqa: S101 - a chain that was ended has an outcome
    return run.outcome


def _models(before: TaskResult, config: Mapping[str, Any]) -> dict[str, ModelIdentity]:
    """Return who filled each role: what it is was stored, what it is called may have been changed."""
    return {role: replace(model, title=_title(config, role) or model.title) for role, model in before.models.items()}


def _title(config: Mapping[str, Any], role: str) -> str:
    model = config.get(role)
    title = model.get("title") if isinstance(model, dict) else None
    return "" if title is None else str(title)
