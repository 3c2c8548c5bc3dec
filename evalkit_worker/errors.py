"""What goes wrong with a model, told apart without importing the library that raised it."""

_KINDS = {
    "AudioError": "unreadable_audio",
    "ConfigurationError": "configuration",
    "EvalkitError": "configuration",
    "InvalidResponseError": "invalid_response",
}


class ConfigurationError(Exception):
    """A setting or an installed library that makes it impossible to answer any request; it ends the run."""


class InvalidResponseError(Exception):
    """What a model returned is not what it must return."""


def message_of(error: BaseException) -> str:
    """Return an error's message; where it cannot tell it itself, that it cannot."""
    try:
        return str(error)
    except Exception as own:
        return f"(no message: asked for it, it raised {type(own).__name__})"


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether a model ran out of memory."""
    return (
        isinstance(error, MemoryError)
        or "OutOfMemory" in type(error).__name__
        or "out of memory" in message_of(error).lower()
    )


def kind_of(error: BaseException) -> str:
    """Return ``out_of_memory``, ``configuration``, ``unreadable_audio``, ``invalid_response`` or ``error``."""
    if is_out_of_memory(error):
        return "out_of_memory"
    # By name: evalkit's own errors, of an adapter that is at work here, are other classes.
    names = [kind.__name__ for kind in type(error).__mro__]
    return next((_KINDS[name] for name in names if name in _KINDS), "error")
