"""What the configurations on the search path offer, listed without composing any: listing costs no imports."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from evalkit.errors import ConfigurationError, one_line
from evalkit.model_card import ModelCard
from evalkit.run.plain_yaml import read_yaml
from evalkit.run.search_path import CONFIG_NAME, config_places

Folders = Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a config group.

    Attributes:
        name: as it is chosen on the command line.
        description: the first comment line of its file.
        content: what its own file says, without the files it is composed with.
    """

    name: str
    description: str
    content: Mapping[str, Any]


def option_names(group: str, folders: Folders = ()) -> list[str]:
    """Return the names of a config group's options, of whatever place, in order."""
    return sorted(_files(group, folders))


def read_options(group: str, folders: Folders = ()) -> Iterator[Option]:
    """Read the options of a config group, by name.

    What a file leaves to the options that it builds on is composed, if it gives itself no title.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    for name, file in sorted(_files(group, folders).items()):
        text = _text(file)
        comments = [line[1:].strip() for line in text.splitlines() if line.startswith("#")]
        description = next((comment for comment in comments if not comment.startswith("@")), "")
        content = _content(file, text)
        if "title" not in content and content.get("defaults") and group in ("model", "task"):
            content = _composed(group, name, folders)
        yield Option(name, description, content)


def read_models(folders: Folders = ()) -> Iterator[tuple[Option, ModelCard]]:
    """Read every model's configuration, with what it leaves to those that it builds on, and its card.

    Raises:
        ConfigurationError: a file cannot be read, or its card says what no card says.
    """
    options = list(read_options("model", folders))
    contents = {option.name: option.content for option in options}
    for option in options:
        content = _with_bases(option.name, contents)
        card = ModelCard.from_settings(content.get("card"), f"model {option.name}: card")
        yield replace(option, content=content), card


def _with_bases(name: str, contents: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what an option says itself over what the options of its group say that it builds on."""
    own = contents[name]
    others = {other: content for other, content in contents.items() if other != name}
    merged: dict[str, Any] = {}
    for base in own.get("defaults") or ():
        if isinstance(base, str) and base in others:
            merged |= _with_bases(base, others)
    card = own.get("card", merged.get("card"))
    if isinstance(card, Mapping):
        card = {**(merged.get("card") or {}), **card}
    return {**merged, **own, "card": card}


def _files(group: str, folders: Folders) -> dict[str, Traversable]:
    found: dict[str, Traversable] = {}
    for place in config_places(folders):
        folder = place / group
        for file in folder.iterdir() if folder.is_dir() else ():
            if file.name.endswith(".yaml"):
                found.setdefault(file.name.removesuffix(".yaml"), file)
    return found


def _text(file: Traversable) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read ({error})") from error


def _content(file: Traversable, text: str) -> Mapping[str, Any]:
    try:
        content = read_yaml(text) or {}
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigurationError(f"{file}{line}: is not valid YAML ({error.problem})") from error
    except yaml.YAMLError as error:  # nested too deeply, or characters that YAML does not have
        raise ConfigurationError(f"{file}: is not valid YAML ({one_line(error)})") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file}: does not hold a mapping of settings")
    return content


def _composed(group: str, name: str, folders: Folders) -> Mapping[str, Any]:
    from omegaconf import OmegaConf

    from evalkit.run.composition import compose_option

    content: Any = OmegaConf.to_container(compose_option(group, name, folders))
    return dict(content)


def primary_content(folders: Folders = (), name: str = CONFIG_NAME) -> Mapping[str, Any]:
    """Read the file that a command composes everything into: that of ``evalkit run``, or the one named.

    Raises:
        ConfigurationError: it cannot be read.
    """
    file = config_places(folders)[0] / f"{name}.yaml"
    return _content(file, _text(file))
