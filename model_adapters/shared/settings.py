"""Decoding settings of requests in the words of a server's protocol."""

from collections.abc import Mapping
from typing import Any

from evalkit.errors import ConfigurationError
from evalkit.hints import hint


def protocol_settings(
    generation: Mapping[str, Any], names: Mapping[str, str], *, model: str, protocol: str, remedy: str
) -> dict[str, Any]:
    """Return decoding settings under the names that a protocol has for them.

    Args:
        generation: the settings, by the names that requests use.
        names: what the protocol calls each of those that it has.
        model: for messages.
        protocol: for messages.
        remedy: for messages; what to do about a setting that is not known.

    Raises:
        ConfigurationError: a setting is not one of the protocol's.
    """
    settings = {}
    wanted = dict(generation)
    # The protocol has no word for greedy decoding but a temperature of 0.
    if wanted.pop("do_sample", None) is False:
        wanted["temperature"] = 0
    for name, value in wanted.items():
        if name not in names:
            raise ConfigurationError(
                f"model {model}: '{name}' is no setting of {protocol}{hint(name, names)}; {remedy}"
            )
        settings[names[name]] = value
    return settings
