"""Run folders of answers that were never asked for, made without composing a configuration: a hundred in a second."""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from evalkit.chain import Outcome
from evalkit.inference.replay import begin
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.results.aggregates import definitions_from, with_aggregates
from evalkit.results.folder import RunFolder
from evalkit.results.metrics_file import RunResult
from evalkit.results.publication import publish
from evalkit.results.responses import ResponseStore
from evalkit.results.task_result import ModelIdentity
from evalkit.run.plain_yaml import yaml_text
from evalkit.run.scoring import score_task
from evalkit.run.stored import stored_tasks
from evalkit.task import Task
from evalkit.types import Call, Response, Sample
from evalkit.version import __version__

Answer = Callable[[Call, Sample], Response | None]


def stored_run(
    folder: Path,
    config: Mapping[str, Any],
    samples: Mapping[str, Iterable[Sample]],
    answer: Answer,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Make a run folder.

    Args:
        folder: to make; its name is the run's.
        config: of the run; the classes of its models are not made.
        samples: of each task.
        answer: gives the response to each call; None where the model cannot be asked.
        provenance: the content of ``provenance.json``; None for no such file.
    """
    settings = BootstrapSettings(**config["statistics"])
    results = {}
    with closing(RunFolder(folder)) as run:
        for task in stored_tasks(config, list(config["tasks"])):
            with ResponseStore(folder / task.name) as store:
                outcomes = [_outcome(task, sample, store, answer) for sample in samples[task.name]]
            models = {
                role: ModelIdentity.of(str(node.get("title")), {"target": node["_target_"]})
                for role, node in config.items()
                if isinstance(node, dict) and "_target_" in node
            }
            results[task.name] = score_task(task, outcomes, folder / task.name, settings, models=models)
        result = RunResult(folder.name, "stand_in", "Stand-in", __version__, results, folder=folder)
        publish(run, result, results)
        publish(run, with_aggregates(result, definitions_from(config.get("aggregates")), settings))
        (folder / "config.yaml").write_text(yaml_text(config), encoding="utf-8")
        if provenance is not None:
            (folder / "provenance.json").write_text(json.dumps(provenance), encoding="utf-8")
    return folder


def _outcome(task: Task, sample: Sample, store: ResponseStore, answer: Answer) -> Outcome:
    chain = begin(task, sample)
    while chain.call is not None:
        response = answer(chain.call, sample)
        if response is None:
            chain.skip(f"the {chain.call.role} does not take it")
        else:
            chain.send(store.append(sample.id, chain.position, chain.call, response))
    assert chain.outcome is not None
    return chain.outcome
