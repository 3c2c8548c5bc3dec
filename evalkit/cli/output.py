"""Files that commands write on request: whether they can be written is found out before the work, not after it."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from evalkit.errors import ConfigurationError


def check_file(path: Path) -> None:
    """Refuse a file that cannot be written; what stands in it is left as it is.

    Raises:
        ConfigurationError: says why.
    """
    there = path.exists()
    try:
        with path.open("ab"):
            pass
        if not there:
            path.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


def check_folder(path: Path) -> None:
    """Make a folder, and refuse one in which nothing can be written.

    Raises:
        ConfigurationError: says why.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise _unwritable(path, error) from error


def write_file(path: Path, text: str) -> None:
    """Write a text.

    Raises:
        ConfigurationError: it cannot be written; says why.
    """
    try:
        # Half characters, as in an answer that is quoted, become question marks: no file can hold them.
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise _unwritable(path, error) from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON values, indented; nan and infinity are refused, as JSON has none.

    Raises:
        ConfigurationError: it cannot be written; says why.
    """
    write_file(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def replace_file(path: Path, text: str) -> None:
    """Write a text in the place of whatever stands there; a link is replaced, not followed.

    Raises:
        ConfigurationError: it cannot be written; says why.
    """
    unfinished = path.with_name(f".{path.name}.unfinished-{os.getpid()}")
    try:
        with unfinished.open("x", encoding="utf-8") as file:
            file.write(text)
        unfinished.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path}: cannot be written ({error.strerror or error})")
