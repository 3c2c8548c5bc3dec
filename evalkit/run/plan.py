"""From a composed configuration to everything a run is made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from evalkit.adapter import ModelAdapter
from evalkit.errors import ConfigurationError, StoreError
from evalkit.run.executor import Executor
from evalkit.run.folder import without_secrets
from evalkit.run.scoring import BootstrapSettings
from evalkit.task import Task

ROLES = ("model", "transcriber", "judge")
_NOT_ARGUMENTS = ("title", "prompts", "requires", "extra")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is made of, everything decided.

    Attributes:
        name: of the run; the last part of its folder.
        folder: where it is kept.
        tasks: the benchmarks, in order.
        load_models: makes the model of each role; called once the data sets have been checked.
        model_name, model_title: of the system under test, as chosen and as tables print it.
        executor: how calls reach the models.
        config: the resolved configuration without secrets, as YAML.
        bootstrap: how intervals are made.
        limit, max_failures, skip_missing_data: see ``configs/run.yaml``.
    """

    name: str
    folder: Path
    tasks: tuple[Task, ...]
    load_models: Callable[[], Mapping[str, ModelAdapter]]
    model_name: str
    model_title: str
    executor: Executor
    config: str
    bootstrap: BootstrapSettings = field(default_factory=BootstrapSettings)
    limit: int | None = None
    max_failures: int | None = None
    skip_missing_data: bool = False


def plan_from_config(config: DictConfig, choices: Mapping[str, Any]) -> Plan:
    """Make a plan of the configuration that Hydra composed.

    Args:
        config: the composed ``configs/run.yaml``.
        choices: which option was chosen in each config group.

    Raises:
        ConfigurationError: something in it cannot be.
    """
    for key in sorted(OmegaConf.missing_keys(config)):
        raise ConfigurationError(f"{key} must be given: {key}=VALUE")
    tasks = tasks_from_config(config)
    model_name = str(choices.get("model"))
    name = config.name or f"{model_name}-{_choice(choices, 'suite') or _choice(choices, 'task') or 'run'}"
    if Path(name).name != name:
        raise ConfigurationError(f"name: '{name}' must be a plain folder name; runs= says where it goes")
    if config.missing_data not in ("error", "skip"):
        raise ConfigurationError(f"missing_data: '{config.missing_data}' must be error or skip")
    for key, least in (("limit", 1), ("max_failures", 0)):
        if config[key] is not None and config[key] < least:
            raise ConfigurationError(f"{key} is {config[key]}; it must be at least {least}, or null for no bound")
    resolved: Any = OmegaConf.to_container(config, resolve=True)
    record = without_secrets({**resolved, "name": name, "model_name": model_name})
    return Plan(
        name=name,
        folder=Path(config.runs) / name,
        tasks=tuple(tasks),
        load_models=lambda: {role: instantiate(_arguments(config[role])) for role in ROLES if config.get(role)},
        model_name=model_name,
        model_title=str(config.model.get("title") or model_name),
        executor=instantiate(config.executor),
        config=OmegaConf.to_yaml(OmegaConf.create(record)),
        bootstrap=BootstrapSettings(**resolved["statistics"]),
        limit=config.limit,
        max_failures=config.max_failures,
        skip_missing_data=config.missing_data == "skip",
    )


def tasks_from_config(config: DictConfig) -> list[Task]:
    """The benchmarks of a configuration, asked in the way the model under test wants.

    Raises:
        ConfigurationError: it names none.
    """
    if not config.tasks:
        raise ConfigurationError("nothing to run: choose suite=NAME or task=NAME (`evalkit list tasks` shows them)")
    prompts = OmegaConf.to_container(config.model.get("prompts") or OmegaConf.create({}), resolve=True)
    return [instantiate(task, name=name, prompts=prompts) for name, task in config.tasks.items()]


def load_run_config(folder: Path, overrides: Sequence[str] = ()) -> DictConfig:
    """The configuration a run was made with, with settings changed if need be.

    Raises:
        StoreError: the folder is not that of a run.
        ConfigurationError: an override names a setting that the run does not have.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise StoreError(f"{folder}: not a run folder, it has no config.yaml")
    config = OmegaConf.load(path)
    if not isinstance(config, DictConfig):
        raise StoreError(f"{path}: does not hold a run's configuration")
    for task in config.tasks.values():
        # Follow the run-wide setting again, as the task did before the configuration was resolved.
        if task.get("schemes") == config.schemes:
            task.schemes = "${schemes}"
    OmegaConf.set_struct(config, True)
    for override in overrides:
        if "=" not in override:
            raise ConfigurationError(f"'{override}' is not of the form KEY=VALUE")
    try:
        config.merge_with_dotlist(list(overrides))
    except OmegaConfBaseException as error:
        raise ConfigurationError(f"{path}: {str(error).splitlines()[0]}") from error
    return config


def _arguments(model: DictConfig) -> dict[Any, Any]:
    arguments = OmegaConf.to_container(model, resolve=True)
    assert isinstance(arguments, dict)  # noqa: S101 - a DictConfig becomes a dict
    return {key: value for key, value in arguments.items() if key not in _NOT_ARGUMENTS}


def _choice(choices: Mapping[str, Any], group: str) -> str | None:
    """What was chosen in a group, as a word fit for a folder name; Hydra gives a list of options as its text."""
    chosen = choices.get(group)
    if chosen in (None, "null"):
        return None
    return "+".join(part.strip(" '\"") for part in str(chosen).strip("[]").split(","))
