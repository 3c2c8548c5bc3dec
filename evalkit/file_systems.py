"""What kind of file system a folder lies on: some are seen by several machines, some cannot lock between them."""

import os
from pathlib import Path
from typing import NamedTuple

MOUNTS = Path("/proc/mounts")
_SHARED = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "afs", "9p", "fuse.")
_LOCKING_WITHIN_A_MACHINE = frozenset({"nolock", "local_lock=all", "local_lock=flock", "localflock", "noflock"})


class FileSystem(NamedTuple):
    """A mounted file system.

    Attributes:
        kind: such as ``ext4`` or ``nfs4``; empty where the system does not tell.
        options: that it is mounted with.
    """

    kind: str
    options: frozenset[str] = frozenset()

    @property
    def is_shared(self) -> bool:
        """Whether several machines may see it."""
        return self.kind.startswith(_SHARED)

    @property
    def locks_between_machines(self) -> bool:
        """Whether a lock that a process takes here holds off those of every machine that sees the same files."""
        return not (self.is_shared and (self.options & _LOCKING_WITHIN_A_MACHINE or self.kind.startswith("fuse.")))


def file_system_of(folder: Path) -> FileSystem:
    """Return the file system that a folder lies on."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return FileSystem("")
    path = folder.resolve()
    mounts = [words[1:4] for line in lines if len(words := line.split()) >= 4]
    holding = [(len(point), kind, options) for point, kind, options in mounts if path.is_relative_to(point)]
    _, kind, options = max(holding, key=lambda each: each[0], default=(0, "", ""))
    return FileSystem(kind, frozenset(options.split(",")))


def cache_folder() -> Path:
    """Return the folder of what may be deleted at any time: ``EVALKIT_CACHE``, else ``evalkit`` in the user's own."""
    chosen = os.environ.get("EVALKIT_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "evalkit")
    return Path(os.path.abspath(os.path.expanduser(chosen)))
