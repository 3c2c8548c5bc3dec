"""Making what a configuration describes by ``_target_``, once its settings are plain values."""

import re
from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from evalkit.errors import EvalkitError

_INTERPOLATION = re.compile(r"(\\*)\$\{")


def instantiated(config: Mapping[str, Any], *positional: Any, **arguments: Any) -> Any:
    """Make an object and those that it is made of; lists and mappings arrive as plain ones.

    Args:
        config: plain values. Nothing in them is interpolated: a text with ``${`` is taken as it stands.
        *positional: further arguments of the object, given as they are.
        **arguments: likewise, but those that are texts are interpolated.

    Raises:
        EvalkitError: what the class or function raised, or those of its arguments.
        hydra.errors.InstantiationException: there is none, or it raised something else.
    """
    try:
        # Twice, as Hydra first has all texts interpolated in place, and then reads what has become of them.
        return instantiate(_literal(_literal(config)), *positional, _convert_="all", **arguments)
    except InstantiationException as error:
        cause: BaseException | None = error
        while isinstance(cause, InstantiationException):
            cause = cause.__cause__
        if isinstance(cause, EvalkitError):
            raise cause from cause.__cause__
        raise


def _literal(value: Any) -> Any:
    """Return a value that is what it was once OmegaConf has interpolated its texts."""
    if isinstance(value, str):
        return _INTERPOLATION.sub(lambda found: rf"{2 * found[1]}\${{", value)
    if isinstance(value, Mapping):
        return {key: _literal(each) for key, each in value.items()}
    return [_literal(each) for each in value] if isinstance(value, list) else value
