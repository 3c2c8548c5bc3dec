"""Checkpoints on the Hugging Face hub."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalkit.errors import ConfigurationError, first_line

_NAME = re.compile(r"\w[\w.-]*(/[\w.-]+)?")


def refuse_missing_folder(path: str) -> None:
    """Refuse what is neither a folder nor can be a name on the hub, which would be asked for it in vain.

    Raises:
        ConfigurationError: it is no such thing.
    """
    if not Path(path).expanduser().exists() and not _NAME.fullmatch(path):
        raise ConfigurationError(
            f"{path}: no such folder, nor a name on the Hugging Face hub, which would be OWNER/NAME"
        )


@contextmanager
def fetching(path: str) -> Iterator[None]:
    """Report in one line what keeps a checkpoint that is no folder from being fetched.

    Raises:
        ConfigurationError: the hub does not give it, or cannot have it.
    """
    refuse_missing_folder(path)
    try:
        yield
    except (OSError, ValueError) as error:  # what the hub's client raises derives from these
        raise ConfigurationError(
            f"{path}: no such folder, and the Hugging Face hub does not give it ({first_line(error)}); download it "
            "where there is a network and give its folder as path="
        ) from error
