"""What the commands share of Hydra: composing the configuration, and saying in one line what is wrong with it."""

import os
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any

from hydra import compose, initialize_config_module
from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from evalkit.cli.names import CONFIG_MODULE, CONFIG_NAME
from evalkit.errors import EvalkitError
from evalkit.hints import hint


def register_resolvers() -> None:
    """Make ``${package:NAME}``, the folder of an installed package, known to configurations."""
    OmegaConf.register_new_resolver("package", lambda name: str(files(name)), replace=True)


def compose_configuration(overrides: Sequence[str]) -> DictConfig:
    """The configuration that ``evalkit run`` would get from these overrides."""
    register_resolvers()
    with initialize_config_module(CONFIG_MODULE, version_base="1.3"):
        return compose(CONFIG_NAME, overrides=list(overrides))


def explain(error: BaseException) -> str | None:
    """One line for an error of Hydra's or OmegaConf's, None for any other error.

    An error of ours that was raised inside ``instantiate`` is given in our own words.
    """
    causes = list(_causes(error))
    ours = [cause for cause in causes if isinstance(cause, EvalkitError)]
    if ours:
        return str(ours[-1])
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    for cause in causes:
        if isinstance(cause, MissingConfigException) and cause.options:
            group, _, name = str(cause.missing_cfg_file).rpartition("/")
            return f"there is no {group} '{name}'{hint(name, cause.options)}; there are: {', '.join(cause.options)}"
        if isinstance(cause, ConfigKeyError | ConfigAttributeError) and cause.parent_node is not None:
            known = [str(key) for key in cause.parent_node] if isinstance(cause.parent_node, DictConfig) else []
            known_text = f"; known here: {', '.join(known)}" if known else ""
            return f"unknown config key '{cause.full_key}'{hint(str(cause.key), known)}{known_text}"
        if isinstance(cause, OverrideParseException):
            return f"cannot read the override '{cause.override}': {_first_line(cause)}"
    if isinstance(error, InstantiationException):
        return _explain_instantiation(error)
    return _first_line(error)


def _causes(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _explain_instantiation(error: InstantiationException) -> str:
    key = re.search(r"full_key: (\S+)", str(error))
    where = f"{key.group(1)}: " if key else ""
    cause: Any = error.__cause__ or error
    return f"{where}{type(cause).__name__}: {_first_line(cause)}"


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def show_whole_errors() -> None:
    """Have Hydra raise its errors instead of printing them and leaving the process."""
    os.environ["HYDRA_FULL_ERROR"] = "1"
