"""The schema of ``configs/run.yaml``: what each setting may hold, in one place."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from evalkit.errors import ConfigurationError
from evalkit.object_store import is_address
from evalkit.results.shards import Shard
from evalkit.run.explanation import unknown_key

Reader = Callable[[Any], Any]
"""Returns a setting's value as its type has it; raises ValueError with what it must be."""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("a text")


def _name(value: Any) -> str:
    if text := _text(value):
        return text
    raise ValueError("a name or an address")


def _commands(value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(each, str) and each.strip() for each in value):
        return value
    raise ValueError("a list of commands, as ['python server.py']")


def _folder(value: Any) -> str:
    text = _text(value)
    if not text:
        raise ValueError("a folder")
    return text if is_address(text) else str(Path(text).expanduser())


def _texts(value: Any) -> list[str] | str:
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError("a list of names, as [NAME,NAME]")
    return value


def _shard(value: Any) -> str:
    try:
        return str(Shard.parse(_text(value)))
    except ValueError:
        raise ValueError("K/N, such as 3/16 for the third of 16 shares") from None


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")


def _whole(least: int | None = None) -> Reader:
    wanted = "a whole number" + ("" if least is None else f" of at least {least}")

    def read(value: Any) -> int:
        number = _as_number(value, wanted)
        if number != int(number) or (least is not None and number < least):
            raise ValueError(wanted)
        return int(number)

    return read


def _number(low: float, high: float, wanted: str) -> Reader:
    def read(value: Any) -> float:
        number = _as_number(value, wanted)
        if not low <= number <= high:
            raise ValueError(wanted)
        return number

    return read


def _as_number(value: Any, wanted: str) -> float:
    try:
        number = float(value) if isinstance(value, str | float) else value
    except ValueError:
        raise ValueError(wanted) from None
    if isinstance(value, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise ValueError(wanted)
    return number


def _one_of(*known: str) -> Reader:
    def read(value: Any) -> str:
        if value in known:
            return str(value)
        raise ValueError(f"{', '.join(known[:-1])} or {known[-1]}")

    return read


def _or_null(read: Reader) -> Reader:
    def read_or_null(value: Any) -> Any:
        try:
            return None if value is None else read(value)
        except ValueError as error:
            raise ValueError(f"{error}, or null") from None

    return read_or_null


_SETTINGS: Mapping[str, Reader | Mapping[str, Reader]] = {
    "name": _or_null(_text),
    "runs": _folder,
    "data_root": _folder,
    "schemes": _texts,
    "alignment": _one_of("levenshtein", "sclite"),
    "limit": _or_null(_whole(1)),
    "fraction": _or_null(_number(math.ulp(0.0), 1, "a number above 0 and at most 1")),
    "spread": _flag,
    "shard": _or_null(_shard),
    "seed": _whole(),
    "repeats": _whole(1),
    "fresh": _flag,
    "max_failures": _or_null(_whole(0)),
    "missing_data": _one_of("error", "skip", "skip_remote"),
    "missing_roles": _one_of("error", "skip"),
    "budget": {
        "calls": _or_null(_whole(0)),
        "tokens": _or_null(_whole(0)),
        "cost": _or_null(_number(0, math.inf, "an amount of at least 0")),
    },
    "cache": {"folder": _or_null(_folder), "roles": _texts},
    "statistics": {
        "level": _number(math.ulp(0.0), math.nextafter(1, 0), "a number between 0 and 1"),
        "resamples": _whole(1),
        "seed": _whole(0),
        "cluster": _text,
    },
}
OF_EVERY_MODEL: Mapping[str, Reader] = {
    "python": _or_null(_text),
    "batch_deadline": _number(math.ulp(0.0), math.inf, "a number of seconds above 0"),
    "launch": _or_null(_text),
}
"""Settings that every model in a role takes, beside those of its adapter."""

OPEN_MAPPINGS = (
    *("generation", "preparation", "synthesis", "extra_body", "headers", "prompts", "prices"),
    *("settings", "job_settings", "language_codes", "error_codes", "request_limits", "runtime_env"),
    *("columns", "where", "cluster_by_id", "labels", "facts"),
)
"""Mappings in the settings of models and tasks that take keys which the configuration does not list."""

_AS_A_NUMBER = _number(-math.inf, math.inf, "a number")
_OF_A_CHAT: Mapping[str, Reader | Mapping[str, Reader]] = {
    "host": _name,
    "port": _whole(0),
    "sessions": _whole(1),
    "system": _or_null(_text),
    "write": _flag,
    "seed": _whole(),
    "voices": _or_null(_folder),
    "tools": {
        "documents": _or_null(_folder),
        "searxng": _or_null(_text),
        "weather": _or_null(_folder),
        "mcp": _commands,
    },
    # Their ranges are those of voice activity detection, which knows them.
    "turn_taking": dict.fromkeys(("threshold", "start", "stop", "before", "longest"), _AS_A_NUMBER),
}

_MAPPINGS = ("generation", "prompts", "facts")
_BUILT = ("executor",)
_EXECUTORS = "executors"
_TASKS = "tasks"
_KINDS = "prompt_kinds"
_AGGREGATES = "aggregates"


def check_settings(config: DictConfig) -> None:
    """Give every setting of a composed configuration the type that it must have.

    Whatever else stands at the top of a configuration is a model in a role.

    Raises:
        ConfigurationError: a setting is unknown, or its value is not what it must be.
    """
    for key in map(str, config):
        name = key
        if name in _SETTINGS or name == _AGGREGATES:  # averages are checked where they are defined
            continue
        value = None if OmegaConf.is_missing(config, key) else config[key]
        if name == _TASKS:
            _check_each_built(name, "names to tasks", value)
        elif name == _EXECUTORS:
            _check_each_built(name, "roles to executors", value)
        elif name == _KINDS:
            _check_texts(name, value)
        elif name == _AGGREGATES:
            if value is not None and not isinstance(value, DictConfig):
                raise ConfigurationError(f"{name}: '{_shown(value)}' must be a mapping from names to averages")
        elif name in _BUILT or (isinstance(value, DictConfig) and "_target_" in value):
            _check_built(name, value)
        elif value is not None:
            raise ConfigurationError(unknown_key(name, [*_SETTINGS, *_BUILT, _EXECUTORS, _TASKS, _KINDS, _AGGREGATES]))
    _check_section(config, _SETTINGS, "")


def check_chat_settings(config: DictConfig) -> None:
    """Give every setting of ``configs/chat.yaml`` the type that it must have.

    Raises:
        ConfigurationError: its value is not what it must be.
    """
    _check_section(config, _OF_A_CHAT, "")


def known_settings() -> list[str]:
    """Return the dotted names of all settings that have a type of their own."""
    return [
        f"{key}.{inner}" if inner else key
        for key, reader in _SETTINGS.items()
        for inner in (reader if isinstance(reader, Mapping) else [""])
    ]


def wanted(name: str) -> str:
    """Return what a setting of a type of its own must be, such as ``a whole number of at least 1, or null``."""
    section, _, inner = name.partition(".")
    reader = _SETTINGS[section]
    try:
        (reader[inner] if isinstance(reader, Mapping) else reader)(object())
    except ValueError as error:
        return str(error)
    return ""


def _check_section(section: DictConfig, readers: Mapping[str, Reader | Mapping[str, Reader]], prefix: str) -> None:
    for key, reader in readers.items():
        if key not in section:
            continue
        name = f"{prefix}{key}"
        if isinstance(reader, Mapping):
            inner = section[key]
            if not isinstance(inner, DictConfig):
                raise ConfigurationError(f"{name}: '{_shown(inner)}' must be a mapping with {', '.join(reader)}")
            for inner_key in map(str, inner):
                if inner_key not in reader:
                    raise ConfigurationError(unknown_key(f"{name}.{inner_key}", list(reader)))
            _check_section(inner, reader, f"{name}.")
        elif not OmegaConf.is_missing(section, key):
            value = section[key]
            try:
                plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
                section[key] = reader(plain)
            except ValueError as error:
                raise ConfigurationError(f"{name}: '{_shown(value)}' must be {error}") from None


def _check_each_built(section: str, contents: str, nodes: Any) -> None:
    if not isinstance(nodes, DictConfig):
        raise ConfigurationError(f"{section}: '{_shown(nodes)}' must be a mapping from {contents}")
    for name, node in nodes.items():
        _check_built(f"{section}.{name!s}", node)


def _check_texts(name: str, texts: Any) -> None:
    if not isinstance(texts, DictConfig) or not all(isinstance(text, str) for text in texts.values()):
        raise ConfigurationError(f"{name}: '{_shown(texts)}' must be a mapping from names to texts")


def _check_built(name: str, value: Any) -> None:
    if not isinstance(value, DictConfig) or "_target_" not in value:
        raise ConfigurationError(f"{name}: '{_shown(value)}' must be a mapping that says its class in _target_")
    for key in _MAPPINGS:
        if key in value and not OmegaConf.is_missing(value, key) and not isinstance(value[key], DictConfig | None):
            raise ConfigurationError(f"{name}.{key}: '{_shown(value[key])}' must be a mapping, or null")
    if name.partition(".")[0] not in (_TASKS, _EXECUTORS, *_BUILT):
        _check_section(value, OF_EVERY_MODEL, f"{name}.")


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)
