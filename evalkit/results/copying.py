"""Copying what models answered from one run folder into another, which is then whole without the first."""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from evalkit.errors import StoreError
from evalkit.results.responses import SPEECH
from evalkit.results.role_log import RoleLog
from evalkit.results.shared_parts import FOLDER as PARTS
from evalkit.results.shared_parts import parts_file


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
        for name in (f"{role}.jsonl" for role in roles):
            for path in (parts_file(source / name), source / name):
                if path.is_file():
                    _copy(path, target / path.relative_to(source))
        for path in _speech(source):
            if not (target / path.relative_to(source)).is_file():
                _copy(path, target / path.relative_to(source))
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
        logs = {path.relative_to(source) for source in sources for path in _logs(source)}
        for log in sorted(logs):
            unfinished = _unfinished(target / log)
            with unfinished.open("wb") as file:
                for path in (source / log for source in sources):
                    if path.is_file():
                        with closing(RoleLog(path, writable=False)) as records:
                            file.writelines(records.pieces())
            unfinished.replace(target / log)
        for source in sources:
            for path in _speech(source):
                if not (target / path.relative_to(source)).is_file():
                    _link(path, target / path.relative_to(source))
    except OSError as error:
        raise StoreError(f"{target}: cannot be given all answers ({error.strerror or error})") from error


def _logs(folder: Path) -> Iterator[Path]:
    """Yield the files of responses, and those of the parts that their requests share."""
    yield from folder.glob("*.jsonl")
    yield from (folder / PARTS).glob("*.jsonl")


def _speech(folder: Path) -> list[Path]:
    """Return the files of what was said; older runs have all in one folder."""
    return sorted((folder / SPEECH).rglob("*.flac"))


def _link(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)
    except OSError:  # a file system without links of that kind
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    unfinished = _unfinished(target)
    shutil.copyfile(source, unfinished, follow_symlinks=False)
    unfinished.replace(target)


def _unfinished(target: Path) -> Path:
    """Return where a file is written until it is whole; makes its folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f"{target.name}.unfinished")
