"""Scoring a run again from what its folder holds: the stored responses, and the samples kept with the scores."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit.errors import StoreError
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.object_store import held
from evalkit.redaction import without_secrets
from evalkit.results.aggregates import definitions_from, with_aggregates
from evalkit.results.folder import RunFolder
from evalkit.results.metrics_file import RunResult, read_run
from evalkit.results.publication import publish, settled_run
from evalkit.results.scores import ScoresFile
from evalkit.results.task_result import ModelIdentity, TaskResult
from evalkit.run.chunks import StoredTask, scored_chunks
from evalkit.run.processes import processes_for
from evalkit.run.scoring import TaskScorer
from evalkit.run.stored import read_stored_config, stored_statistics, stored_tasks, write_config
from evalkit.task import Task
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
        EvalkitError: one of the processes that score many samples was ended from outside.
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
            stored = StoredTask(path / name, config, tuple(allow))
            run = run.with_task(_rescored_task(stored, tasks[name], before, models, settings))
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


def _rescored_task(
    stored: StoredTask,
    task: Task,
    before: TaskResult,
    models: Mapping[str, ModelIdentity],
    settings: BootstrapSettings,
) -> TaskResult:
    """Score a task's stored responses again.

    Args:
        stored: where they lie.
        task: made again of ``stored``.
        before: its results, which the scores of the folder belong to.
        models: who filled each role.
        settings: how intervals are made.

    Raises:
        StoreError: the scores cannot be read or written, or there is no answer to what the task asks.
    """
    samples = ScoresFile(stored.folder, before.digest).chunks()
    scored = scored_chunks(stored, task, samples, processes_for(before.samples.total))
    with (
        TaskScorer(task, stored.folder, settings, models=models, partial=before.partial) as scorer,
        closing(scored),
    ):
        for chunk in scored:
            scorer.add_chunk(chunk)
        return scorer.finish()


def _models(before: TaskResult, config: Mapping[str, Any]) -> dict[str, ModelIdentity]:
    """Return who filled each role: what it is was stored, what it is called may have been changed."""
    return {role: replace(model, title=_title(config, role) or model.title) for role, model in before.models.items()}


def _title(config: Mapping[str, Any], role: str) -> str:
    model = config.get(role)
    title = model.get("title") if isinstance(model, dict) else None
    return "" if title is None else str(title)
