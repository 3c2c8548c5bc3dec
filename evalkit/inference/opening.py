"""Opening the endpoints of a run: which models sit behind a server, and which work in this process."""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalkit.adapter import ModelAdapter, ServedModelAdapter
from evalkit.cascade import STAGES, Cascade
from evalkit.errors import ConfigurationError, MissingKeyError
from evalkit.inference.composed import ComposedEndpoint
from evalkit.inference.endpoint import Endpoint, Executor, ModelSpec
from evalkit.inference.processes.launched import LaunchedServer, launch_of, launched_settings
from evalkit.inference.served.budget import Budget
from evalkit.inference.served.cache import AnswerCache
from evalkit.inference.served.clock import Clock
from evalkit.inference.served.endpoint import ServedEndpoint
from evalkit.types import Request

_KEYS = ("api_key_variable", "api_key_file")


@dataclass(frozen=True, slots=True)
class ServedSettings:
    """What the endpoints of served models share.

    Attributes:
        budget: of the run.
        cache: of answers, or None.
        cached_roles: whose answers are taken from it and put into it.
        clock: by which they wait.
        notify: told, in a line for people, of every turn for the worse.
        logs: the folder in which what started processes print is kept, or None to keep nothing.
    """

    budget: Budget
    cache: AnswerCache | None
    cached_roles: Collection[str]
    clock: Clock
    notify: Callable[[str], None]
    logs: Path | None = None


@dataclass(frozen=True, slots=True)
class ExecutorChoice:
    """Which executor opens the endpoint of which role.

    Attributes:
        usual: of all roles that have none of their own.
        own: by role.
    """

    usual: Executor
    own: Mapping[str, Executor] = field(default_factory=dict)

    def open(self, spec: ModelSpec) -> Endpoint:
        """Return an endpoint for a model that is described."""
        return self.own.get(spec.role, self.usual).open(spec)


def open_endpoints(
    specs: Iterable[ModelSpec],
    executors: ExecutorChoice,
    served: ServedSettings,
    requests: Iterable[tuple[str, Request]] = (),
) -> dict[str, Endpoint]:
    """Return an endpoint for each model, by role.

    Settings are checked for all of them now, and only then is a key missed; models in this process are loaded when
    their first call comes.

    Args:
        specs: describe the models.
        executors: open those that are not behind servers.
        served: what those behind servers share.
        requests: with their roles, such as will come; their decoding settings are checked where a server is asked.

    Raises:
        ConfigurationError: a description names no adapter, or settings that it does not have; or a decoding setting is
            none of a server's protocol.
        MissingKeyError: the key to a server is not where it is said to be.
    """
    specs = [_with_log(spec, served.logs) for spec in specs]
    for spec in specs:
        spec.check()
        if spec.process.launch is not None and not is_served(spec):
            raise ConfigurationError(f"{spec.role}.launch: {spec.title} is not behind a server; launch= starts one")
        if spec.role in executors.own and (is_served(spec) or _is_cascade(spec)):
            what = "made of its stages" if _is_cascade(spec) else "behind a server"
            raise ConfigurationError(f"executor@executors.{spec.role}: {spec.title} is {what}, and has no executor")
    stages = [stage for stage in STAGES if any(spec.role == stage for spec in specs)]

    missing: list[MissingKeyError] = []

    def opened(spec: ModelSpec) -> Endpoint:
        if _is_cascade(spec):
            return ComposedEndpoint(spec.role, stages)
        if not is_served(spec):
            return executors.open(spec)
        try:
            return _served(spec, served)
        except MissingKeyError as error:
            missing.append(error)
            return _served(_without_key(spec), served)

    endpoints = {spec.role: opened(spec) for spec in specs}
    for role, request in requests:
        if isinstance(endpoint := endpoints.get(role), ServedEndpoint):
            _check_settings(endpoint, request)
    if missing:
        raise missing[0]
    return endpoints


def is_served(spec: ModelSpec) -> bool:
    """Return whether a description is of a model behind a server, without making it.

    Raises:
        ConfigurationError: it names neither an adapter class nor a function whose return type is one.
    """
    if spec.process.python is not None or _is_cascade(spec):
        return False
    made = _made_by(spec.target)
    if isinstance(made, type) and issubclass(made, ServedModelAdapter | ModelAdapter):
        return issubclass(made, ServedModelAdapter)
    raise ConfigurationError(
        f"{spec.role}: {spec.config['_target_']} is neither a subclass of ModelAdapter or ServedModelAdapter nor a "
        "function whose return type is one"
    )


def _is_cascade(spec: ModelSpec) -> bool:
    return spec.process.python is None and _made_by(spec.target) is Cascade


def _made_by(target: Callable[..., Any]) -> Any:
    if isinstance(target, type):
        return target
    try:
        return inspect.get_annotations(target, eval_str=True).get("return")
    except (NameError, TypeError):
        return None


def _check_settings(endpoint: ServedEndpoint, request: Request) -> None:
    try:
        endpoint.adapter.check_settings(request)
    except ConfigurationError as error:
        raise ConfigurationError(f"task {request.task}, {endpoint.role}: {error}") from error


def _served(spec: ModelSpec, settings: ServedSettings) -> ServedEndpoint:
    launch = None
    if spec.process.launch is not None:
        launch = launch_of(spec.role, spec.process.launch, spec.config.get("base_url"))
        spec = replace(spec, config=launched_settings(spec.config, launch))
        spec.check()
    model = spec.make()
    assert isinstance(model, ServedModelAdapter)  # noqa: S101 - is_served says so
    server = None
    if launch is not None:
        patience = model.limits.patience
        server = LaunchedServer(spec.role, launch, spec.process.log, model.secrets, patience, settings.notify)
    cache = settings.cache if spec.role in settings.cached_roles else None
    return ServedEndpoint(spec.role, model, settings.budget, cache, settings.clock, settings.notify, server)


def _without_key(spec: ModelSpec) -> ModelSpec:
    return replace(spec, config={name: None if name in _KEYS else value for name, value in spec.config.items()})


def _with_log(spec: ModelSpec, logs: Path | None) -> ModelSpec:
    log = None if logs is None else logs / f"process_{spec.role}.log"
    return replace(spec, process=replace(spec.process, log=log))
