"""Holds what a configuration says against the annotations of the class or function that takes it."""

import inspect
import os
import reprlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    NotRequired,
    Required,
    TypeVar,
    Union,
    Unpack,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from evalkit.errors import ConfigurationError

_TARGET = "_target_"
_WORDS: Mapping[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NoneType: "null",
}
_LISTS = (list, tuple, set, frozenset, Sequence, Collection, Iterable)


def check_arguments(target: Callable[..., Any], arguments: Mapping[str, Any], section: str) -> None:
    """Refuse values of a type that a class or function is not annotated to take, nested ones with ``_target_`` too.

    What has no annotation, or one that says nothing of plain values, is taken as it is.

    Args:
        target: takes the arguments.
        arguments: by name, as plain values of a configuration.
        section: of the configuration that they stand in, for messages.

    Raises:
        ConfigurationError: names the first that cannot be, and what it must be.
    """
    hints = _hints(target)
    for name, value in arguments.items():
        if name in hints and not _fits(value, hints[name]):
            shown = "null" if value is None else reprlib.repr(value)
            wanted = _wanted(hints[name])
            if isinstance(value, int | float) and "a text" in wanted:
                wanted += f", which a number is in quotes: \"'{value}'\""
            raise ConfigurationError(f"{section}.{name}: {shown} must be {wanted}")


def _hints(target: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the annotations of what a class or function takes, by name; none where they cannot be read."""
    kinds = target.__mro__ if isinstance(target, type) else ()
    constructors = [vars(kind)["__init__"] for kind in kinds if "__init__" in vars(kind)]
    hints: dict[str, Any] = {}
    for function in constructors or [target]:
        further, hands_on = _own_hints(function)
        hints = {**further, **hints}
        if not hands_on:  # what a class does not name itself goes to the next one
            break
    return hints


def _own_hints(function: Callable[..., Any]) -> tuple[dict[str, Any], bool]:
    """Return the annotations of a function, and whether it takes further arguments without saying which."""
    try:
        parameters = inspect.signature(function).parameters
        hints = get_type_hints(function)
        for name, parameter in parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                settings = hints.pop(name, None)
                if get_origin(settings) is Unpack:
                    return hints | get_type_hints(*get_args(settings)), False
                return hints, True
    except (NameError, TypeError, ValueError, AttributeError):
        return {}, False
    return hints, False


def _fits(value: Any, wanted: Any) -> bool:
    wanted = _bare(wanted)
    origin, inner = get_origin(wanted), get_args(wanted)
    if wanted is Any or wanted is object or isinstance(wanted, TypeVar | str):
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if isinstance(value, Mapping) and _TARGET in value:
        return wanted not in _WORDS
    if origin is Literal:
        return value in inner
    if wanted in _WORDS:
        return _is_plain(value, wanted)
    if is_typeddict(wanted):
        fields = get_type_hints(wanted)
        return isinstance(value, Mapping) and all(
            _fits(each, fields[key]) for key, each in value.items() if key in fields
        )
    kind = origin or wanted
    if kind in (Mapping, dict):
        return isinstance(value, Mapping) and (len(inner) != 2 or all(_fits(each, inner[1]) for each in value.values()))
    if kind in _LISTS:
        if isinstance(value, str):
            return not inner or _bare(inner[0]) in (str, Any)
        is_list = isinstance(value, Sequence | set | frozenset)
        return is_list and (not inner or all(_fits(each, inner[0]) for each in value))
    if kind is os.PathLike or (isinstance(kind, type) and issubclass(kind, os.PathLike)):
        return isinstance(value, str | os.PathLike)
    # An object is described by a mapping, or made already.
    return not isinstance(value, str | int | float | list | NoneType)


def _is_plain(value: Any, wanted: type) -> bool:
    if wanted is bool or isinstance(value, bool):
        return wanted is bool and isinstance(value, bool)
    return isinstance(value, int | float if wanted is float else wanted)


def _bare(wanted: Any) -> Any:
    return get_args(wanted)[0] if get_origin(wanted) in (Required, NotRequired) else wanted


def _wanted(hint: Any) -> str:
    hint = _bare(hint)
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_wanted, inner)))
    if origin is Literal:
        return " or ".join(map(str, inner))
    if hint in _WORDS:
        return _WORDS[hint]
    kind = origin or hint
    if kind in _LISTS:
        each = inner[0] if inner else Any
        return f"a list, of which each is {_wanted(each)}" if each is not Any else "a list"
    if kind in (Mapping, dict) or is_typeddict(kind):
        return "a mapping"
    if isinstance(kind, type) and issubclass(kind, os.PathLike):
        return "a path"
    return f"a mapping that says its class in {_TARGET}"
