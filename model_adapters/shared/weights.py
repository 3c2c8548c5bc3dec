"""Which weights a model has: digests of the files that decide its answers."""

import hashlib
from functools import lru_cache
from pathlib import Path

# What a checkpoint folder is read from; optimiser states, logs and readmes that lie beside change no answer.
_CHECKPOINT_FILES = ("*.safetensors", "*.bin", "*.json", "*.txt", "*.model")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal; a file that is as it was is not read twice."""
    status = path.stat()
    return _digest(path, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache
def _digest(path: Path, *_: int) -> str:
    """Return the SHA-256 of a file; what else is given tells its states apart."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 over names and contents of a checkpoint's files, the same wherever the folder lies."""
    paths = {path.name: path for pattern in _CHECKPOINT_FILES for path in folder.glob(pattern)}
    lines = (f"{name} {file_digest(paths[name])}\n" for name in sorted(paths))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
