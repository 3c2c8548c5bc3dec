"""Copying what models answered from one run folder into another, which is then whole without the first."""

import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from evalkit.errors import StoreError
from evalkit.results.responses import SPEECH
from evalkit.results.role_log import RoleLog


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


def join_responses(sources: Sequence[Path], target: Path) -> None:
    """Put the stored responses and the speech of several folders of one task into another, which is then whole.

    Responses are copied anew every time, one source after the other; speech is linked where the file system allows it,
    so that it takes no further room. A file is in place once it is whole.

    Args:
        sources: the task's folder in each run; those that are not there have nothing.
        target: the task's folder in the run that shall have all; made if need be.

    Raises:
        StoreError: a file cannot be read or written.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in sorted({path.name for source in sources for path in source.glob("*.jsonl")}):
            unfinished = target / f"{name}.unfinished"
            with unfinished.open("wb") as file:
                for path in (source / name for source in sources):
                    if path.is_file():
                        with closing(RoleLog(path, writable=False)) as log:
                            file.writelines(log.pieces())
            unfinished.replace(target / name)
        for path in (path for source in sources for path in sorted((source / SPEECH).glob("*.flac"))):
            (target / SPEECH).mkdir(exist_ok=True)
            if not (target / SPEECH / path.name).is_file():
                _link(path, target / SPEECH / path.name)
    except OSError as error:
        raise StoreError(f"{target}: cannot be given all answers ({error.strerror or error})") from error


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links of that kind
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    unfinished = target.with_name(f"{target.name}.unfinished")
    shutil.copyfile(source, unfinished, follow_symlinks=False)
    unfinished.replace(target)
