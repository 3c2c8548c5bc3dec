"""Several runs of one model with one command: ``repeats=3`` runs it with three seeds, each in a folder of its own."""

import inspect
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from evalkit.errors import ConfigurationError
from evalkit.inference.endpoint import ModelSpec, ProcessSettings
from evalkit.inference.opening import is_served
from evalkit.results.metrics_file import FILE_NAME
from evalkit.results.repeated import repeated_folders
from evalkit.run.evaluate import Evaluation, evaluate
from evalkit.run.naming import run_folder, run_name
from evalkit.run.plan import plan_from_config


def evaluations(config: DictConfig, choices: Mapping[str, Any]) -> Iterator[Evaluation]:
    """Carry out a composed configuration as often as it says, and yield what came of each run.

    Args:
        config: the composed ``configs/run.yaml``.
        choices: which option was chosen in each config group.

    Raises:
        EvalkitError: as of ``evaluate``, and of ``repetitions``.
    """
    for each in repetitions(config, choices):
        yield evaluate(plan_from_config(each, choices))


def repetitions(config: DictConfig, choices: Mapping[str, Any]) -> list[DictConfig]:
    """Return the configurations of the runs that a composed configuration stands for.

    One run goes into the folder of its name. Several go into one folder of that name, as ``NAME/NAME-1`` and so on,
    with seeds one apart: the first has the model's own, or 0. A seed is a setting of the model where its adapter has
    one, and a decoding setting of a model behind a server (``generation.seed``); any other is run as it is.

    Raises:
        ConfigurationError: the folder holds a run where several shall go, or the other way round.
    """
    repeats = int(config.get("repeats") or 1)
    name = run_name(config.name, choices)
    folder = run_folder(config.runs, name)
    if repeats == 1:
        if held := repeated_folders(folder):
            raise ConfigurationError(
                f"{folder}: holds {len(held)} repeated runs; give this run another name=, or repeats={len(held)}"
            )
        return [config]
    if (folder / FILE_NAME).exists() or (folder / "config.yaml").exists():
        raise ConfigurationError(f"{folder}: holds a single run; give its repetitions another name=")
    return [_repetition(config, folder, name, number) for number in range(repeats)]


def _repetition(config: DictConfig, folder: Path, name: str, number: int) -> DictConfig:
    again = deepcopy(config)
    with open_dict(again):
        again.runs, again.name, again.repeats = str(folder), f"{name}-{number + 1}", 1
        process = ProcessSettings(again.model.get("python"))
        spec = ModelSpec("model", "", _plain(again.model), process=process)
        if _has_seed(spec):
            again.model.seed = int(again.model.get("seed") or 0) + number
        elif is_served(spec):
            generation = again.model.get("generation") or {}
            again.model.generation = {**generation, "seed": int(generation.get("seed") or 0) + number}
    return again


def _plain(model: DictConfig) -> dict[str, Any]:
    settings: Any = OmegaConf.to_container(model, resolve=False)
    return dict(settings)


def _has_seed(spec: ModelSpec) -> bool:
    """Tell whether a model's adapter has a setting for its seed."""
    if spec.process.python is not None:  # where alone its class can be imported; its configuration names its settings
        return "seed" in spec.config
    try:
        return "seed" in inspect.signature(spec.target).parameters
    except (TypeError, ValueError):
        return False
