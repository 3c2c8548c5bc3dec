"""Copying what models answered from one run folder into another, which is then whole without the first."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from evalkit.errors import StoreError
from evalkit.results.responses import SPEECH


def copy_responses(source: Path, target: Path, roles: Iterable[str]) -> None:
    """Copy the stored responses of some roles, and all speech, from one task's folder to another's.

    A file is in place once it is whole, so that a copy that was cut short is ended by the next. Responses are copied
    anew every time; speech, whose files are named after their content, once.

    Args:
        source: the task's folder in the run that has the responses.
        target: the task's folder in another run; made if need be.
        roles: whose responses.

    Raises:
        StoreError: a file cannot be read or written.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        for path in (source / f"{role}.jsonl" for role in roles):
            if path.is_file():
                _copy(path, target / path.name)
        spoken = sorted((source / SPEECH).glob("*.flac"))
        if spoken:
            (target / SPEECH).mkdir(exist_ok=True)
        for path in spoken:
            if not (target / SPEECH / path.name).is_file():
                _copy(path, target / SPEECH / path.name)
    except OSError as error:
        raise StoreError(f"{source}: its answers cannot be copied to {target} ({error.strerror or error})") from error


def _copy(source: Path, target: Path) -> None:
    unfinished = target.with_name(f"{target.name}.unfinished")
    shutil.copyfile(source, unfinished, follow_symlinks=False)
    unfinished.replace(target)
