"""A stored run's configuration and tasks, read as data: nothing that a run folder names is carried out.

The folder may come from anywhere. Its configuration is never interpolated, so that no variable of the environment gets
into it; of the classes that it names, those of tasks alone are made, and these only from packages that are known.
"""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from evalkit.cascade import cascade_of
from evalkit.datasets.dataset import Dataset
from evalkit.errors import ConfigurationError, EvalkitError, StoreError, one_line
from evalkit.hints import hint
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.prompts import Prompts
from evalkit.results.folder import RunFolder
from evalkit.run.generation import decoding_settings
from evalkit.run.plain_yaml import read_yaml, yaml_text
from evalkit.task import Task
from evalkit.types import Sample

_CONFIG = "config.yaml"
_TASKS = "tasks"
_TARGET = "_target_"
RUN_WIDE = ("schemes", "alignment")
"""Settings of a run that its tasks take over, so that both hold them."""
# How Hydra makes an object, which is no matter once its settings are plain values.
_MANNER = ("_convert_", "_recursive_")
# What may be set though the run's configuration lacks it: settings that came later. So may a title of any model.
_LATER = ("statistics.cluster",)


class _StoredDataset(Dataset):
    """Stands for the data set of a stored run, which is not read again."""

    source = "the run folder"

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        raise StoreError("the data set of a stored run is not read again")


def read_stored_config(folder: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read the configuration a run was made with, as plain values, with settings changed if need be.

    Args:
        folder: the run folder.
        overrides: changed settings, as ``KEY=VALUE``.

    Raises:
        StoreError: the folder is not that of a run, or its configuration is damaged.
        ConfigurationError: an override names a setting that the run does not have.
    """
    path = folder / _CONFIG
    if not path.is_file():
        raise StoreError(f"{folder}: not a run folder, it has no config.yaml")
    try:
        config = read_yaml(path.read_text(encoding="utf-8"), aliases=False)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: is not a configuration ({one_line(error)})") from error
    if not isinstance(config, dict) or not isinstance(config.get("tasks"), dict):
        raise StoreError(f"{path}: does not hold a run's configuration")
    changed = [_override(word) for word in overrides]
    for key, value in changed:
        if key in RUN_WIDE:
            _follow(config, key, value)
    for key, value in changed:
        _set(config, key, value, path)
    return config


def _follow(config: Mapping[str, Any], key: str, value: Any) -> None:
    """Have the tasks follow a run-wide setting, as they did before the configuration was resolved."""
    if key in config:
        for task in config["tasks"].values():
            if isinstance(task, dict) and key in task and task[key] == config[key]:
                task[key] = value


def stored_statistics(config: Mapping[str, Any], folder: Path) -> BootstrapSettings:
    """Return how the intervals of a stored run are made.

    Args:
        config: as ``read_stored_config`` returns it.
        folder: the run folder, for messages.

    Raises:
        StoreError: the configuration does not say.
    """
    try:
        return BootstrapSettings(**config["statistics"])
    except (KeyError, TypeError) as error:
        raise StoreError(f"{folder / _CONFIG}: statistics must hold level, resamples and seed") from error


def with_stored_tasks(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a configuration with the tasks and models of earlier sessions, whose results the run folder holds too.

    Args:
        config: of this session.
        folder: the run folder.

    Raises:
        StoreError: the configuration that the folder holds is damaged.
    """
    stored = read_stored_config(folder) if (folder / _CONFIG).is_file() else {"tasks": {}}
    return {**stored, **config, "tasks": {**stored["tasks"], **config["tasks"]}}


def write_config(folder: RunFolder, config: Mapping[str, Any]) -> None:
    """Write a run's configuration into its folder.

    Raises:
        StoreError: it cannot be written.
    """
    folder.write(_CONFIG, yaml_text(config))


def stored_tasks(config: Mapping[str, Any], names: Collection[str], allow: Sequence[str] = ()) -> list[Task]:
    """Make tasks of a stored configuration again, without their data sets.

    Args:
        config: as ``read_stored_config`` returns it.
        names: of the tasks wanted.
        allow: packages of the user's own, beside ``tasks``, whose task classes may be made.

    Raises:
        ConfigurationError: a class is not a task's, or is of a package that is not known.
        StoreError: the configuration cannot be that of a task.
    """
    models = {role: node for role, node in config.items() if _is_model(role, node)}
    profiles = {role: node.get("prompts") or {} for role, node in models.items()}
    prompts = Prompts({role: profile for role, profile in profiles.items() if isinstance(profile, dict)})
    generation = {role: _generation(role, node) for role, node in models.items()}
    cascade = cascade_of(models, prompts)
    tasks = [_task(name, task, prompts, allow) for name, task in config["tasks"].items() if name in names]
    for task in tasks:
        task.generation, task.cascade = generation, cascade
    return tasks


def _task(name: str, config: Any, prompts: Prompts, allow: Sequence[str]) -> Task:
    if not isinstance(config, dict) or not isinstance(config.get(_TARGET), str):
        raise StoreError(f"config.yaml: tasks.{name} does not name a class with {_TARGET}")
    target = _task_class(name, config[_TARGET], allow)
    arguments = {key: value for key, value in config.items() if key not in (_TARGET, *_MANNER, "dataset")}
    if "dataset" in config:
        arguments["dataset"] = _StoredDataset()
    if found := _targets(arguments):
        raise ConfigurationError(f"config.yaml: tasks.{name} has objects made at {found[0]}, which are not made again")
    try:
        inspect.signature(target).bind(name=name, prompts=prompts, **arguments)
        made = target(name=name, prompts=prompts, **arguments)
    except EvalkitError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise StoreError(f"config.yaml: tasks.{name} cannot be made with its settings ({one_line(error)})") from error
    return made


def _generation(role: str, model: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(model.get("generation") or {}, dict):
        raise StoreError(f"config.yaml: {role}.generation is not a mapping of settings")
    return decoding_settings(model)


def _task_class(name: str, target: str, allow: Sequence[str]) -> Callable[..., Task]:
    module, _, class_name = target.rpartition(".")
    allowed = (_TASKS, *allow)
    if not any(module == package or module.startswith(f"{package}.") for package in allowed):
        raise ConfigurationError(
            f"config.yaml: tasks.{name} is a {target}, which is of none of the packages {', '.join(allowed)}; "
            f"if that code is yours, allow it with --allow {module.partition('.')[0] or target}"
        )
    try:
        found = getattr(import_module(module), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"config.yaml: tasks.{name}: there is no {target} here ({error})") from error
    if not (inspect.isclass(found) and issubclass(found, Task)):
        raise ConfigurationError(f"config.yaml: tasks.{name}: {target} is not a task")
    return found


def _targets(value: Any, where: str = "") -> list[str]:
    """Return where a configuration has objects of its own."""
    if isinstance(value, dict):
        here = [where or "."] if _TARGET in value else []
        return here + [each for key, item in value.items() for each in _targets(item, f"{where}.{key}".strip("."))]
    if isinstance(value, list):
        return [each for index, item in enumerate(value) for each in _targets(item, f"{where}[{index}]")]
    return []


def _is_model(name: str, node: Any) -> bool:
    return name != "executor" and isinstance(node, dict) and _TARGET in node


def _override(word: str) -> tuple[str, Any]:
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise ConfigurationError(f"'{word}' is not of the form KEY=VALUE")
    try:
        return key, read_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"'{word}': the value cannot be read ({one_line(error)})") from error


def _set(config: dict[str, Any], key: str, value: Any, path: Path) -> None:
    *folders, last = key.split(".")
    inner: Any = config
    for part in folders:
        inner = inner.get(part) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or (last not in inner and last != "title" and key not in _LATER):
        known = [str(each) for each in inner] if isinstance(inner, dict) else []
        raise ConfigurationError(f"{path}: has no setting '{key}'{hint(last, known)}")
    inner[last] = value
