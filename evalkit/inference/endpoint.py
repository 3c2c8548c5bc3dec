"""Where a role's calls are answered: the same for a model in this process and for one behind a server."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from evalkit.adapter import Capabilities, Model
from evalkit.arguments import check_arguments
from evalkit.errors import ConfigurationError
from evalkit.hints import hint, import_advice
from evalkit.inference.processes.worker import WorkerModel, WorkerSettings, check_python
from evalkit.inference.work_clock import AtWork
from evalkit.instantiation import instantiated
from evalkit.types import Call, Response

_TARGET = "_target_"


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """Which process of its own a model has, if any.

    Attributes:
        python: the interpreter of another environment, in which the model is made and asked; None for this one.
        batch_deadline: seconds that it has there for a batch, and for being made.
        launch: the command of its server, which the run starts; None for one that is there.
        log: the file to which what the process prints is added; None to keep nothing.
    """

    python: str | None = None
    batch_deadline: float = 1_800.0
    launch: str | None = None
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The description of a model in a role, which can be sent to another process.

    Attributes:
        role: that it plays.
        title: what people call it.
        config: ``_target_``, the dotted name of an adapter class, and the arguments that it takes; plain values only.
        generation: decoding settings of every request to it.
        process: that it has for itself.
    """

    role: str
    title: str
    config: Mapping[str, Any]
    generation: Mapping[str, Any] = field(default_factory=dict)
    process: ProcessSettings = ProcessSettings()

    @property
    def target(self) -> Callable[..., Model]:
        """The adapter class, or the function that makes the adapter.

        Raises:
            ConfigurationError: there is none of that name.
        """
        name = str(self.config.get(_TARGET))
        try:
            target = _located(name)
        except Exception as error:
            kind = "" if isinstance(error, ImportError | AttributeError) else f"{type(error).__name__}: "
            raise ConfigurationError(
                f"{self.role}: cannot load the adapter '{name}' ({kind}{error}){import_advice(error, name)}"
            ) from error
        if not callable(target):
            raise ConfigurationError(f"{self.role}: '{name}' is no adapter class")
        made: Callable[..., Model] = target
        return made

    def check(self) -> None:
        """Refuse settings that the adapter does not take, without making it: a model may take long to load.

        Those of a model in another Python are for its own process to refuse, which alone can import it.

        Raises:
            ConfigurationError: names the setting.
        """
        if self.process.python is not None:
            check_python(self.role, self.process.python)
            return
        target = self.target
        arguments = {str(key): value for key, value in self.config.items() if key != _TARGET}
        try:
            parameters = inspect.signature(target).parameters
        except (TypeError, ValueError):
            return
        known = [name for name, parameter in parameters.items() if parameter.kind != parameter.VAR_KEYWORD]
        if len(known) == len(parameters):
            for key in arguments:
                if key not in known and not key.startswith("_"):
                    there_are = f" (there are {', '.join(known)})" if known else ""
                    raise ConfigurationError(
                        f"{self.role}: its adapter has no setting '{key}'{hint(key, known)}{there_are}"
                    )
        check_arguments(target, arguments, self.role)

    def make(self) -> Model:
        """Make the model, whole and ready to be asked; this may take minutes and much memory."""
        if self.process.python is not None:
            return self._elsewhere(self.process.python)
        config = dict(self.config)
        if self.generation and "generation" in inspect.signature(self.target).parameters:
            config["generation"] = dict(self.generation)
        model: Model = instantiated(config)
        return model

    def _elsewhere(self, python: str) -> Model:
        arguments = {str(key): value for key, value in self.config.items() if key != _TARGET}
        settings = WorkerSettings(
            self.role,
            python,
            str(self.config.get(_TARGET)),
            arguments,
            self.generation,
            self.process.batch_deadline,
            self.process.log,
        )
        return WorkerModel(settings)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of a model once it is at hand.

    Attributes:
        capabilities: what it can be asked.
        fingerprint: what decides its answers, as JSON values.
    """

    capabilities: Capabilities
    fingerprint: Mapping[str, Any]


def _located(name: str) -> Any:
    """Import what a dotted name names: something in a module, or an attribute of that."""
    *modules, last = name.split(".")
    for length in range(len(modules), 0, -1):
        module = ".".join(modules[:length])
        try:
            found = import_module(module)
        except ModuleNotFoundError as error:
            if length == 1 or error.name != module:  # a library that the module wants
                raise
        else:
            return reduce(getattr, [*modules[length:], last], found)
    raise ImportError(f"'{name}' does not say in which module it is")


class Endpoint(Protocol):
    """Where the calls of one role are answered, many at once. Everything here happens in the event loop's thread.

    Attributes:
        role: whose calls it answers.
    """

    role: str

    async def facts(self) -> ModelFacts:
        """Return what the model is and can do; a model in this process is loaded for it if it has not been yet.

        Raises:
            EvalkitError: the model cannot be had.
        """

    async def answer(self, call: Call) -> Response:
        """Return the model's response, which may be a failure that says why.

        Raises:
            EvalkitError: what ends the whole run: a server that is away or rejects every call, a budget that is
                spent, a model that cannot be had.
        """

    def expect_more(self, whether: bool) -> None:
        """Say whether further calls may come before calls under way are answered.

        While they may, a batch that is not full waits for them.
        """

    async def close(self) -> None:
        """Let the batch under way end and hand out its answers, begin no other, and free the model."""


@runtime_checkable
class Timed(Protocol):
    """An endpoint that knows how much of the time its model was at work; one with replicas tells of their mean."""

    def at_work(self) -> AtWork:
        """Return how much of the time of this session the model was at work. May be called in any thread."""


class Executor(Protocol):
    """Opens endpoints for models that do not sit behind a server."""

    samples_under_way: int

    def open(self, spec: ModelSpec) -> Endpoint:
        """Return an endpoint for the model that is described; the model itself is loaded later."""
