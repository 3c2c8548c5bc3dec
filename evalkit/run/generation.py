"""Decoding settings that a user gives a model, which win over those of prompt profiles."""

from collections.abc import Mapping
from typing import Any


def decoding_settings(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the decoding settings that a model's configuration has for every request to it.

    Args:
        model: the configuration of a role's model, as plain values.
    """
    wanted = dict(model.get("generation") or {})
    if "temperature" in wanted:
        # Or a prompt profile's greedy decoding would win over the temperature without a word.
        wanted.setdefault("do_sample", bool(wanted["temperature"]))
    return wanted
