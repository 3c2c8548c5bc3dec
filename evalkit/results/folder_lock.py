"""One process at a time in a run folder, whatever file system it lies on.

Where files can be locked, the system's lock on ``.lock`` decides: it goes with the process, however that ends.
Elsewhere claims do, files ``.lock-1``, ``.lock-2``, … that name their owner: whoever makes the next one has the folder,
which only one process can, and may do so where the latest was given back or its owner is gone. Whether an owner on
another machine is gone cannot be told, so a person has to decide.
"""

import errno
import fcntl
import logging
import os
import socket
from pathlib import Path
from typing import Protocol

from evalkit.errors import StoreError
from evalkit.file_systems import file_system_of
from evalkit.object_mirror import HELD
from evalkit.process_identity import ProcessIdentity

LOCK = ".lock"
_CLAIM = f"{LOCK}-"
_GIVEN_BACK = b"-"
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})

_log = logging.getLogger("evalkit")


class RunInUseError(StoreError):
    """A run folder that another process is writing to."""


class FolderLock(Protocol):
    """A hold on a run folder."""

    def release(self) -> None:
        """Let another process have the folder."""


def lock_folder(folder: Path) -> FolderLock:
    """Keep other processes from writing to a run folder.

    Raises:
        RunInUseError: another one is writing to it, or may be.
        OSError: the folder cannot be written to.
    """
    if file_system_of(folder).locks_between_machines:
        try:
            return _SystemLock(folder)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
    return _Claim(folder)


class _SystemLock:
    """The system's lock on a file of the folder; the file names who has it."""

    def __init__(self, folder: Path) -> None:
        # On a file and not on the folder: shared file systems lock only files that are open for writing.
        self._file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, ProcessIdentity.this_process().written(), 0)
        except BlockingIOError as error:
            owner = ProcessIdentity.read(os.pread(self._file, 4096, 0))
            os.close(self._file)
            raise _in_use(folder, owner) from error
        except OSError:
            os.close(self._file)
            raise

    def release(self) -> None:
        """Let another process have the folder."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


class _Claim:
    """The latest of the folder's claims. It stays when it is given back, so that no number is ever taken twice."""

    def __init__(self, folder: Path) -> None:
        number = _latest(folder)
        if number:
            _refuse_owner(folder, folder / f"{_CLAIM}{number}")
        path = folder / f"{_CLAIM}{number + 1}"
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError as error:
            raise _in_use(folder) from error
        try:
            os.write(self._file, ProcessIdentity.this_process().written())
            os.fsync(self._file)
            if _latest(folder) != number + 1:  # others came and went since the first look
                raise _in_use(folder)
        except (OSError, RunInUseError):
            os.close(self._file)
            path.unlink()
            raise
        for earlier in _claims(folder):
            if earlier <= number:
                (folder / f"{_CLAIM}{earlier}").unlink(missing_ok=True)

    def release(self) -> None:
        """Let another process have the folder."""
        os.pwrite(self._file, _GIVEN_BACK, 0)
        os.close(self._file)


def is_of_lock(name: str) -> bool:
    """Tell whether a file of a run folder is one of its lock, or of its hold on an object store."""
    return name in (LOCK, HELD) or name.startswith(_CLAIM)


def _claims(folder: Path) -> list[int]:
    names = [path.name.removeprefix(_CLAIM) for path in folder.glob(f"{_CLAIM}*")]
    return [int(name) for name in names if name.isdecimal()]


def _latest(folder: Path) -> int:
    return max(_claims(folder), default=0)


def _refuse_owner(folder: Path, claim: Path) -> None:
    """Refuse a folder whose latest claim was not given back, unless its owner is known to be gone."""
    try:
        content = claim.read_bytes()
    except FileNotFoundError as error:  # whoever took the folder since has removed it
        raise _in_use(folder) from error
    if content.startswith(_GIVEN_BACK):
        return
    owner = ProcessIdentity.read(content)
    if owner is None or not owner.is_known_to_be_gone():
        raise _in_use(folder, owner, claim)
    _log.info("%s: was left by %s, which is gone", folder, owner)


def _in_use(folder: Path, owner: ProcessIdentity | None = None, claim: Path | None = None) -> RunInUseError:
    who = "" if owner is None else f", {owner}"
    if claim is None or (owner is not None and owner.host == socket.gethostname()):
        return RunInUseError(f"{folder}: another evalkit process is writing to this run{who}")
    return RunInUseError(
        f"{folder}: another evalkit process is writing to this run{who}, as far as can be told where files cannot be "
        f"locked; if that process has ended, delete {claim}"
    )
