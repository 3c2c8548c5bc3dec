"""Composing a configuration: Hydra behind every command and the Python API."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.errors import ConfigCompositionException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf, open_dict

from evalkit.errors import ConfigurationError
from evalkit.run.explanation import in_our_words
from evalkit.run.overrides import grammatical, with_role_added
from evalkit.run.plain_yaml import read_yaml
from evalkit.run.search_path import CONFIG_MODULE, CONFIG_NAME, config_folders, config_packages
from evalkit.run.settings import check_settings

# What looks at tasks and asks no model takes this one's prompts where none is chosen.
MODEL_TO_LOOK_WITH = "whisper_tiny_en"
_ROLE_NOT_LISTED = re.compile(r"Could not override '((?:model|executor)@[^']+)'")
_NO_MODEL = re.compile(r"You must specify 'model'")

_folders: ContextVar[tuple[Path, ...]] = ContextVar("config_folders", default=())


@dataclass(frozen=True, slots=True)
class Composition:
    """A configuration and how it came about.

    Attributes:
        config: ``configs/run.yaml`` with everything chosen; its settings are of the right types.
        choices: which option was chosen in each config group.
    """

    config: DictConfig
    choices: Mapping[str, Any]


class _SearchPath(SearchPathPlugin):
    """Adds the configurations of installed packages and of ``--config-dir`` to Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for package in config_packages()[1:]:
            search_path.append(package, f"pkg://{package}")
        for folder in _folders.get():
            search_path.append("--config-dir", f"file://{folder}")


@contextmanager
def configurations(folders: Sequence[str | Path] = ()) -> Iterator[None]:
    """Have Hydra find every configuration there is inside the block, and say its errors in our words.

    Args:
        folders: further folders of configurations, as ``--config-dir`` names them.

    Raises:
        ConfigurationError: a folder is not there, or what is composed inside cannot be.
    """
    register_resolvers()
    Plugins.instance().register(_SearchPath)
    token = _folders.set(tuple(config_folders(folders)))
    try:
        with in_our_words():
            yield
    except (OSError, ValueError, TypeError) as error:  # what Hydra lets out about choices and files that cannot be
        if "Config group override" in str(error) or isinstance(error, TypeError):
            raise ConfigurationError("a group of configurations wants a name or a list of names, not null") from error
        raise ConfigurationError(f"the configuration cannot be composed ({' '.join(str(error).split())})") from error
    except RecursionError as error:
        raise ConfigurationError(
            "a configuration includes itself; a suite that builds on suites names them plainly among its defaults, as "
            "`- asr`, not as `- /suite: asr`"
        ) from error
    finally:
        _folders.reset(token)


def register_resolvers() -> None:
    """Make ``${package:NAME}``, the folder of an installed package, known to configurations."""
    OmegaConf.register_new_resolver("package", lambda name: str(files(name)), replace=True)


def compose_run(words: Sequence[str], folders: Sequence[str | Path] = ()) -> Composition:
    """Compose what ``evalkit run`` gets from these words.

    Args:
        words: overrides, such as ``model=whisper_base``, ``suite=asr`` or ``limit=3``.
        folders: further folders of configurations.

    Raises:
        ConfigurationError: a word cannot be read, names something that is not there, or has a value of a wrong type.
    """
    with configurations(folders):
        overrides = grammatical(words)
        while True:
            try:
                return _composed(overrides)
            except ConfigCompositionException as error:
                # Any role can be filled, and have an executor: one that no file lists is an addition to Hydra.
                role = _ROLE_NOT_LISTED.search(str(error))
                if role is None or not any(word.startswith(f"{role[1]}=") for word in overrides):
                    raise
                overrides = with_role_added(overrides, role[1])


def compose_configuration(words: Sequence[str], folders: Sequence[str | Path] = ()) -> DictConfig:
    """Compose a configuration to look at, for which no model needs to be chosen.

    Raises:
        ConfigurationError: as of ``compose_run``.
    """
    try:
        return compose_run(words, folders).config
    except ConfigurationError as error:
        if not _NO_MODEL.search(str(error.__cause__)):
            raise
    return compose_run([*words, f"model={MODEL_TO_LOOK_WITH}"], folders).config


def compose_option(group: str, name: str, folders: Sequence[str | Path] = ()) -> DictConfig:
    """Compose one option of a config group alone, over the options that it builds on; nothing is resolved.

    Raises:
        ConfigurationError: it cannot be composed.
    """
    with configurations(folders), initialize_config_module(CONFIG_MODULE, version_base="1.3"):
        config = compose(f"{group}/{name}")
    # A file's place in the configuration, its package, is what it was made to be, not what is asked for here.
    while len(config) == 1 and isinstance(inner := next(iter(config.values())), DictConfig):
        config = inner
    return config


def compose_settings(name: str, words: Sequence[str], folders: Sequence[str | Path] = ()) -> DictConfig:
    """Compose the settings of a command that has a file of its own in ``configs/``.

    Args:
        name: of the file.
        words: overrides.
        folders: further folders of configurations.

    Raises:
        ConfigurationError: a word cannot be read, or names something that is not there.
    """
    with configurations(folders), initialize_config_module(CONFIG_MODULE, version_base="1.3"):
        return compose(name, overrides=grammatical(words))


def listed_roles() -> list[str]:
    """Return the choices of models in roles that ``configs/run.yaml`` lists, such as ``model@judge``."""
    run = read_yaml((files(CONFIG_MODULE) / f"{CONFIG_NAME}.yaml").read_text(encoding="utf-8"))
    keys = [str(key) for entry in run["defaults"] if isinstance(entry, Mapping) for key in entry]
    return [key for key in keys if key.startswith("model@")]


def _composed(overrides: Sequence[str]) -> Composition:
    with initialize_config_module(CONFIG_MODULE, version_base="1.3"):
        composed = compose(CONFIG_NAME, overrides=list(overrides), return_hydra_config=True)
    choices = dict(composed.hydra.runtime.choices)
    with open_dict(composed):
        del composed["hydra"]  # what Hydra keeps for itself
    check_settings(composed)
    return Composition(composed, choices)
