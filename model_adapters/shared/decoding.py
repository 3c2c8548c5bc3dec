"""Decoding settings of requests as ``generate`` of PyTorch models takes them, and seeds for what is sampled."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.types import Request

# What must hold of each.
_REQUIREMENTS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "max_new_tokens": (lambda value: value >= 1 and value % 1 == 0, "a whole number, at least 1"),
    "do_sample": (lambda value: isinstance(value, bool), "true or false"),
    "temperature": (lambda value: value >= 0, "at least 0"),
    "top_p": (lambda value: 0 < value <= 1, "above 0 and at most 1"),
    "top_k": (lambda value: value >= 0 and value % 1 == 0, "a whole number, at least 0"),
    "repetition_penalty": (lambda value: value > 0, "above 0"),
    "num_beams": (lambda value: value >= 1 and value % 1 == 0, "a whole number, at least 1"),
    "stop": (lambda value: bool(value) and all(each and isinstance(each, str) for each in value), "a text or several"),
}
SETTINGS: Collection[str] = _REQUIREMENTS.keys()
"""The names of all settings that there are."""


def decoding_settings(settings: Mapping[str, Any], *, model: str, known: Collection[str] = SETTINGS) -> dict[str, Any]:
    """Return the decoding settings that a prompt profile means, ``do_sample`` among them.

    A temperature of 0 is greedy, and one above 0 samples unless ``do_sample`` says otherwise; what matters for
    sampling only is left out of greedy decoding. ``stop`` becomes the list ``stop_strings``.

    Args:
        settings: by their usual names.
        model: for messages.
        known: the names that the model has a use for.

    Raises:
        ConfigurationError: one is not known, or out of its range.
    """
    wanted = dict(settings)
    for name, value in wanted.items():
        if name not in known:
            raise ConfigurationError(
                f"'{name}' is no decoding setting of {model}{hint(name, known)}; there are {', '.join(known)}"
            )
        holds, requirement = _REQUIREMENTS[name]
        if not _holds(holds, value):
            raise ConfigurationError(f"the decoding setting {name} is {value!r}; it must be {requirement}")
    sample = wanted.pop("do_sample", "temperature" in wanted) and wanted.get("temperature") != 0
    if not sample:
        for name in ("temperature", "top_p", "top_k"):
            wanted.pop(name, None)
    if "stop" in wanted:
        stop = wanted.pop("stop")
        wanted["stop_strings"] = [stop] if isinstance(stop, str) else list(stop)
    if sample and wanted.get("num_beams", 1) > 1:
        raise ConfigurationError("beams cannot be sampled from seeds: choose num_beams=1 or do_sample=false")
    return {**wanted, "do_sample": bool(sample)}


def _holds(holds: Callable[[Any], bool], value: Any) -> bool:
    try:
        return holds(value)
    except TypeError:  # of another kind altogether
        return False


def request_seed(request: Request, seed: int, number: int = 0) -> int:
    """Return 63 bits that depend on what is asked, on the run's seed, and on which of several answers it is."""
    identity = f"{request.content_hash()} {seed} {number}"
    return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest(), "little") >> 1
