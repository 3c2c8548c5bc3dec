"""What is wrong with a configuration, in one line: errors of Hydra, OmegaConf and YAML become ours."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from evalkit.errors import ConfigurationError, EvalkitError, first_line
from evalkit.hints import hint, import_advice
from evalkit.rooms import ROOMS, hidden_package

_UNKNOWN_ARGUMENT = re.compile(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")
_AMBIGUOUS = re.compile(r"Ambiguous value for argument '([^=]+)=(.*)'")
_NOT_CHOSEN = re.compile(r"You must specify '([^']+)'")


@contextmanager
def in_our_words() -> Iterator[None]:
    """Raise what Hydra, OmegaConf or YAML raises inside as an error of ours that says it in one line.

    An error of ours that was raised inside ``instantiate`` leaves as it is.

    Raises:
        ConfigurationError: the configuration cannot be composed, resolved or built.
    """
    try:
        yield
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        ours = [cause for cause in _causes(error) if isinstance(cause, EvalkitError)]
        if ours:
            raise ours[-1] from error
        raise ConfigurationError(_explain(error)) from error


def _explain(error: Exception) -> str:
    for cause in _causes(error):
        if isinstance(cause, YAMLError):
            return _explain_yaml(cause)
        if isinstance(cause, MissingConfigException) and cause.options:
            group, _, name = str(cause.missing_cfg_file).rpartition("/")
            return f"there is no {group} '{name}'{hint(name, cause.options)}; there are: {', '.join(cause.options)}"
        if isinstance(cause, ConfigKeyError | ConfigAttributeError) and cause.parent_node is not None:
            known = [str(key) for key in cause.parent_node] if isinstance(cause.parent_node, DictConfig) else []
            known = [key for key in known if key != "hydra"]
            return unknown_key(str(cause.full_key), known)
        if isinstance(cause, OverrideParseException):
            return _explain_override(str(cause.override))
        if ambiguous := _AMBIGUOUS.search(str(cause)):
            key, values = ambiguous.groups()
            return f"{key}={values}: a run for each wants --multirun, a list is written {key}=[{values}]"
        if isinstance(cause, ConfigCompositionException) and (missing := _NOT_CHOSEN.search(str(cause))):
            group = missing.group(1)
            return f"no {group} is chosen: give {group}=NAME (`evalkit list {group}s` shows them)"
    if isinstance(error, InstantiationException):
        return _explain_instantiation(error)
    return first_line(error)


def unknown_key(full_key: str, known: list[str]) -> str:
    """Say that nothing is called so, and what is."""
    known_text = f"; known here: {', '.join(known)}" if known else ""
    return f"unknown config key '{full_key}'{hint(full_key.rpartition('.')[2], known)}{known_text}"


def _explain_override(word: str) -> str:
    key, sign, value = word.partition("=")
    if not sign:
        return f"cannot read '{word}': it is not of the form KEY=VALUE"
    inner = value.strip("'\"").replace("'", "\\'")
    return (
        f"cannot read the override '{word}': if {value or 'the value'} is meant as text, put it into quotes within "
        f"those of the shell: \"{key}='{inner}'\""
    )


def _explain_yaml(error: YAMLError) -> str:
    if isinstance(error, MarkedYAMLError) and (mark := error.problem_mark or error.context_mark):
        return f"{mark.name}, line {mark.line + 1}, column {mark.column + 1}: is not valid YAML ({error.problem})"
    return f"a configuration file is not valid YAML: {first_line(error)}"


def _explain_instantiation(error: InstantiationException) -> str:
    key = re.search(r"full_key: (\S+)", str(error))
    where = f"{key.group(1)}: " if key else ""
    target = re.search(r"target '([\w.]+)'", str(error))
    if target and (room := target.group(1).partition(".")[0]) in ROOMS and (theirs := hidden_package(room)):
        return (
            f"{where}{target.group(1)} is not part of evalkit, whose own package is called '{room}' too, so that yours "
            f"({theirs}) cannot be reached: give your package another name"
        )
    cause: Any = error.__cause__ or error
    if unknown := _UNKNOWN_ARGUMENT.search(str(cause)):
        return f"{where}{unknown[1]} has no setting '{unknown[2]}'"
    if isinstance(cause, ImportError) and target:
        root: Any = list(_causes(cause))[-1]
        return f"{where}cannot load {target[1]} ({first_line(root)}){import_advice(root, target[1])}"
    made = f"{target[1]} cannot be made: " if target and not where else where
    return f"{made}{type(cause).__name__}: {first_line(cause)}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()  # they may come of each other in a circle
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
