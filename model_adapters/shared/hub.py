"""Checkpoints on the Hugging Face hub."""

from collections.abc import Iterator
from contextlib import contextmanager

from evalkit.errors import ConfigurationError, first_line


@contextmanager
def fetching(path: str) -> Iterator[None]:
    """Report in one line what keeps a checkpoint that is no folder from being fetched.

    Raises:
        ConfigurationError: the hub does not give it.
    """
    try:
        yield
    except (OSError, ValueError) as error:  # what the hub's client raises derives from these
        raise ConfigurationError(
            f"{path}: no such folder, and the Hugging Face hub does not give it ({first_line(error)}); download it "
            "where there is a network and give its folder as path="
        ) from error
