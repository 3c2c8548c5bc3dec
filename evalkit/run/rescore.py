"""Scoring a run again from what its folder holds: the stored responses, and the samples kept with the scores."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from evalkit.chain import Outcome
from evalkit.inference.replay import outcome_of
from evalkit.results.folder import RunFolder, read_json
from evalkit.results.responses import ResponseStore
from evalkit.run.plan import load_run_config, tasks_from_config, titles_from_config
from evalkit.run.scoring import BootstrapSettings, score_task, stored_samples
from evalkit.task import Task
from evalkit.types import Failure


def rescore(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Score a run's stored responses again, with changed settings if any; returns the new ``metrics.json``.

    Raises:
        StoreError: the folder is not that of a run, or holds no answer to what a changed task would ask.
        ConfigurationError: an override names a setting that the run does not have.
    """
    config = load_run_config(path, overrides)
    metrics = read_json(path / "metrics.json")
    folder = RunFolder(path)
    try:
        for task in tasks_from_config(config):
            if task.name in metrics["tasks"]:
                metrics["tasks"][task.name] = _rescore_task(path / task.name, task, metrics, config)
        folder.write("config.yaml", OmegaConf.to_yaml(config, resolve=True))
        folder.write_json("metrics.json", metrics)
    finally:
        folder.close()
    return metrics


def _rescore_task(folder: Path, task: Task, metrics: dict[str, Any], config: DictConfig) -> dict[str, Any]:
    with ResponseStore(folder, writable=False) as store:
        return score_task(
            task,
            _outcomes(task, store, folder / "scores.parquet"),
            folder,
            BootstrapSettings(**OmegaConf.to_container(config.statistics)),  # type: ignore[arg-type]
            titles=titles_from_config(config),
            partial=metrics["tasks"][task.name]["partial"],
        )


def _outcomes(task: Task, store: ResponseStore, scores: Path) -> Iterator[Outcome]:
    for sample, status, reason in stored_samples(scores):
        if status == "skipped":
            yield Outcome(sample, "skipped", reason=Failure("not_applicable", reason or ""))
        else:
            yield outcome_of(task, store, sample)
