"""What this package raises for input that cannot be used."""

from collections.abc import Sequence

_SHOWN = 3


class CheckpointError(ValueError):
    """A checkpoint folder lacks something, or holds something that does not fit; the message names it."""


class UnsupportedError(ValueError):
    """What was asked for cannot be done on this machine."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; what kind of error it is, where it has none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def named(tensors: Sequence[str]) -> str:
    """Name tensors in a message: the first of them, and how many there are."""
    return first_of(tensors) if len(tensors) == 1 else f"{len(tensors)} tensors, {first_of(tensors)}"


def first_of(items: Sequence[str]) -> str:
    """Name the first few of a list in a message, and how many more there are."""
    rest = len(items) - _SHOWN
    return ", ".join(items[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
