"""From a composed configuration to everything a run is made of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from evalkit.arguments import check_arguments
from evalkit.cascade import STAGES, cascade_of
from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.inference.endpoint import Executor, ModelFacts, ModelSpec, ProcessSettings
from evalkit.inference.processes.launched import PORT
from evalkit.inference.served.budget import BudgetCaps
from evalkit.inference.served.cache import CacheSettings
from evalkit.inference.served.clock import Clock
from evalkit.instantiation import instantiated
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.model_card import ModelCard
from evalkit.object_store import fetched, is_address
from evalkit.progress import say
from evalkit.prompts import Prompts
from evalkit.redaction import known_secrets, without_secrets
from evalkit.results.aggregates import AggregateDefinition, definitions_from
from evalkit.results.shards import Shard
from evalkit.run.composition import listed_roles
from evalkit.run.generation import decoding_settings
from evalkit.run.naming import run_folder, run_name
from evalkit.run.selection import Selection
from evalkit.task import Task

_NOT_ROLES = ("executor",)
_PROCESS = ("python", "batch_deadline", "launch")
_NOT_ARGUMENTS = ("title", "published", "prompts", "generation", "requires", "extra", "card", *_PROCESS)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is made of, everything decided.

    Attributes:
        name: of the run; the last part of its folder.
        folder: where it is kept; of a shard its own folder inside that of the run.
        tasks: the benchmarks, in order.
        models: describes the model of each role that one was chosen for.
        replayed: what the models of some roles are that are not asked: their answers lie in the run folder already.
        model_name: of the system under test, as chosen.
        executor: opens endpoints for the models that the run makes itself, rather than ask a server.
        executors: open them for the models of roles that have one of their own.
        config: the resolved configuration without secrets, as plain values.
        bootstrap: how intervals are made.
        aggregates: the averages to take over its tasks.
        budget: the most that may be spent on servers.
        cache: which answers of servers are kept for other runs, and where.
        clock: by which a served model's caller waits.
        selection: which samples of each task are taken.
        fresh: whether everything is asked again; what the folder holds is moved aside.
        max_failures: stop when more calls of a task have failed; None for never.
        skip_missing_data: whether tasks are left out whose data set cannot be had.
        skip_remote_data: whether tasks are left out whose data set is not on this machine.
        skip_missing_roles: whether tasks are left out that need a role which no model was chosen for.
        notices: what people should know before it begins, in a line each.
    """

    name: str
    folder: Path
    tasks: tuple[Task, ...]
    models: Mapping[str, ModelSpec]
    model_name: str
    executor: Executor
    config: Mapping[str, Any]
    executors: Mapping[str, Executor] = field(default_factory=dict)
    replayed: Mapping[str, ModelFacts] = field(default_factory=dict)
    bootstrap: BootstrapSettings = field(default_factory=BootstrapSettings)
    aggregates: tuple[AggregateDefinition, ...] = ()
    budget: BudgetCaps = field(default_factory=BudgetCaps)
    cache: CacheSettings = field(default_factory=CacheSettings)
    clock: Clock = field(default_factory=Clock)
    selection: Selection = field(default_factory=Selection)
    fresh: bool = False
    max_failures: int | None = None
    skip_missing_data: bool = False
    skip_remote_data: bool = False
    skip_missing_roles: bool = False
    notices: tuple[str, ...] = ()


def plan_from_config(config: DictConfig, choices: Mapping[str, Any]) -> Plan:
    """Make a plan of the configuration that Hydra composed.

    Args:
        config: the composed ``configs/run.yaml``.
        choices: which option was chosen in each config group.

    Raises:
        ConfigurationError: something in it cannot be.
    """
    refuse_missing(config)
    return plan_of_tasks(config, choices, tasks_from_config(config))


def refuse_missing(config: DictConfig) -> None:
    """Refuse a configuration that lacks a setting which has no default.

    The address of a server which the run starts at a port of its own choice is not lacking.

    Raises:
        ConfigurationError: names the setting.
    """
    started = {f"{role}.base_url" for role in roles_of(config) if PORT in (config[role].get("launch") or "")}
    for key in sorted(OmegaConf.missing_keys(config) - started):
        reason = _why_nobody_can_run(config, key.partition(".")[0])
        raise ConfigurationError(f"{key} must be given: {key}=VALUE{reason}")


def _why_nobody_can_run(config: DictConfig, role: str) -> str:
    """Return the reason as the end of a message; empty where a role has no model, or one that can be run."""
    card = OmegaConf.select(config, f"{role}.card")
    reason = ModelCard.from_settings(card, f"{role}.card").unavailable
    return f" (nobody can run {config[role].get('title')}: {reason})" if reason else ""


def plan_of_tasks(config: DictConfig, choices: Mapping[str, Any], tasks: Sequence[Task]) -> Plan:
    """Make a plan of tasks that are made already, and of all else in a configuration; see ``plan_from_config``."""
    model_name = str(choices.get("model"))
    name = run_name(config.name, choices)
    shard = None if config.shard is None else Shard.parse(config.shard)
    roles = roles_of(config)
    known = _known_roles(tasks)
    _check_roles(roles, known)
    executors = _executors(config, roles)
    _check_prices(config, roles)
    titles = titles_from_config(config, model_name)
    resolved: Any = OmegaConf.to_container(config, resolve=True)
    return Plan(
        name=name,
        folder=run_folder(config.runs, name) if shard is None else shard.folder(run_folder(config.runs, name)),
        tasks=tuple(tasks),
        models={role: _spec(role, titles[role], config[role]) for role in roles},
        model_name=model_name,
        executor=_made(_plain(config.executor), "executor"),
        executors=executors,
        config=without_secrets({**resolved, "name": name, "model_name": model_name}, known_secrets(resolved)),
        bootstrap=BootstrapSettings(**resolved["statistics"]),
        aggregates=definitions_from(resolved["aggregates"]),
        budget=BudgetCaps(**resolved["budget"]),
        cache=_cache(resolved["cache"], known),
        selection=Selection(**{key: config[key] for key in ("limit", "fraction", "spread", "seed")}, shard=shard),
        fresh=config.fresh,
        max_failures=config.max_failures,
        skip_missing_data=config.missing_data != "error",
        skip_remote_data=config.missing_data == "skip_remote",
        skip_missing_roles=config.missing_roles == "skip",
        notices=tuple(_endings({role: config[role] for role in roles}, titles)),
    )


def tasks_from_config(config: DictConfig) -> list[Task]:
    """Make the benchmarks of a configuration, asked in the way the model under test wants.

    Raises:
        ConfigurationError: it names none.
    """
    if not config.tasks:
        raise ConfigurationError("nothing to run: choose suite=NAME or task=NAME (`evalkit list tasks` shows them)")
    prompts = Prompts({role: _profile(config[role]) for role in roles_of(config)})
    tasks = [_task(task, str(name), prompts) for name, task in config.tasks.items()]
    generation = {role: _generation(config[role]) for role in roles_of(config)}
    cascade = cascade_of({role: config[role] for role in roles_of(config)}, prompts)
    for task in tasks:
        if not getattr(task, "metrics", None):
            raise ConfigurationError(f"tasks.{task.name}: {type(task).__name__} has no metrics to score answers by")
        task.generation, task.cascade = generation, cascade
    if "prompt_kinds" in config:  # not in the configuration of a run made before there was the list
        prompts.check_kinds(config.prompt_kinds)
    prompts.check_fields()
    for gap in prompts.gaps():
        say(gap)
    return tasks


def roles_of(config: DictConfig) -> tuple[str, ...]:
    """Return the roles that a model was chosen for: every model in the configuration has a node of its own."""
    nodes = ((str(key), node) for key, node in config.items_ex(resolve=False) if isinstance(node, DictConfig))
    return tuple(name for name, node in nodes if name not in _NOT_ROLES and "_target_" in (node or {}))


def titles_from_config(config: DictConfig, model_name: str = "") -> dict[str, str]:
    """Return what people call the model of each role that one was chosen for.

    Args:
        config: the composed configuration.
        model_name: what the model under test is called if it has no title, unless it is a cascade, which has those of
            its stages.
    """
    titles = {role: str(config[role].get("title") or config[role]["_target_"]) for role in roles_of(config)}
    if not config.model.get("title"):
        stages = " + ".join(titles[stage] for stage in STAGES if stage in titles)
        titles["model"] = stages or model_name or titles["model"]
    return titles


def _profile(model: DictConfig) -> dict[str, Any]:
    return _plain(model.get("prompts"))


def _known_roles(tasks: Sequence[Task]) -> list[str]:
    """Return the roles that can be meant: those that the configuration lists, and those that tasks of the run ask."""
    listed = [choice.removeprefix("model@") for choice in listed_roles()]
    return list(dict.fromkeys(["model", *listed, *(role for task in tasks for role in task.roles)]))


def _check_roles(roles: Sequence[str], known: Sequence[str]) -> None:
    """Refuse a model in a role that cannot be meant.

    Raises:
        ConfigurationError: names the role, and one of a similar name.
    """
    for role in roles:
        if role not in known:
            raise ConfigurationError(
                f"model@{role}: no task of this run asks a model in the role '{role}'{hint(role, known)} "
                f"(there are {', '.join(known)})"
            )


def _executors(config: DictConfig, roles: Sequence[str]) -> dict[str, Executor]:
    """Make the executors that roles have for themselves.

    Raises:
        ConfigurationError: no model was chosen for such a role.
    """
    nodes = config.get("executors") or {}  # a run made before there was the setting has none
    for role in map(str, nodes):
        if role not in roles:
            raise ConfigurationError(
                f"executor@executors.{role}: no model is chosen for the role '{role}'{hint(role, roles)} "
                f"(there are {', '.join(roles)})"
            )
    return {str(role): _made(_plain(node), f"executors.{role}") for role, node in nodes.items()}


def _spec(role: str, title: str, model: DictConfig) -> ModelSpec:
    settings = _plain(model)
    ModelCard.from_settings(settings.get("card"), f"{role}.card")
    arguments = {str(key): value for key, value in settings.items() if key not in _NOT_ARGUMENTS}
    return ModelSpec(role, title, arguments, _generation(model), _process(model))


def _process(model: DictConfig) -> ProcessSettings:
    given = {key: model[key] for key in _PROCESS if model.get(key) is not None}
    return ProcessSettings(**given)


def _endings(models: Mapping[str, DictConfig], titles: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each model whose service has ended; it is asked all the same, as it may be kept up for some."""
    for role, model in models.items():
        if ending := ModelCard.from_settings(model.get("card"), f"{role}.card").ending(date.today()):
            yield f"{role}, {titles[role]}: {ending}"


def _generation(model: DictConfig) -> dict[str, Any]:
    """Return the decoding settings that a model's configuration has for every request to it."""
    return decoding_settings({"generation": _plain(model.get("generation"))})


def _task(config: DictConfig, name: str, prompts: Prompts) -> Task:
    """Make a task; what its data set has on an object store is read from a copy on this machine."""
    settings = _plain(config)
    if "dataset" in settings:
        settings["dataset"] = _with_copies(settings["dataset"])
    task: Task = _made(settings, f"tasks.{name}", name=name, prompts=prompts)
    return task


def _with_copies(settings: Any) -> Any:
    if isinstance(settings, str):
        return str(fetched(settings)) if is_address(settings) else settings
    if isinstance(settings, list):
        return [_with_copies(each) for each in settings]
    return {key: _with_copies(each) for key, each in settings.items()} if isinstance(settings, dict) else settings


def _plain(config: DictConfig | None) -> dict[str, Any]:
    settings: Any = OmegaConf.to_container(config or OmegaConf.create({}), resolve=True)
    return dict(settings)


def _made(settings: Mapping[str, Any], section: str, **arguments: Any) -> Any:
    """Make what settings with ``_target_`` describe; they arrive as plain lists and dicts."""
    _check(settings, section)
    return instantiated(settings, **arguments)


def _check(value: Any, section: str) -> None:
    """Refuse arguments of a wrong type, wherever in a configuration something is made."""
    if not isinstance(value, Mapping):
        return
    if "_target_" in value:
        try:
            target = get_object(value["_target_"])
        except Exception:
            return  # Hydra says better what there is not
        check_arguments(target, value, section)
    for key, inner in value.items():
        _check(inner, f"{section}.{key}")


def _cache(settings: Mapping[str, Any], known: Sequence[str]) -> CacheSettings:
    for role in settings["roles"]:
        if role not in known:
            raise ConfigurationError(f"cache.roles: no role '{role}'{hint(role, known)} (there are {', '.join(known)})")
    folder = settings["folder"]
    return CacheSettings(None if folder is None else Path(folder).expanduser(), tuple(settings["roles"]))


def _check_prices(config: DictConfig, roles: Sequence[str]) -> None:
    """Refuse a bound on the cost where a server's prices are not known: it would bound nothing."""
    for role in roles:
        if config.budget.cost is not None and "base_url" in config[role] and config[role].get("prices") is None:
            raise ConfigurationError(
                f"budget.cost needs the prices of the {role}: give {role}.prices={{input: …, output: …}}"
            )
