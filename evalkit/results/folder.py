"""The run folder: its lock, its record of configuration and provenance, its metrics."""

import fcntl
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import ConfigurationError, StoreError

_SECRET_KEY = re.compile(r"(?:^|_)(?:api_?key|token|secret|password|authorization)$", re.IGNORECASE)
_REMOVED = "(removed)"


class RunFolder:
    """One run's folder, held by one process at a time.

    Args:
        path: the folder; made if it is not there.

    Raises:
        StoreError: another process is writing to it, or it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            # A lock on the folder itself goes with the process, however that ends, and leaves no file behind.
            self._lock = os.open(path, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"{path}: another evalkit process is writing to this run") from error
        except OSError as error:
            raise StoreError(f"{path}: cannot be used as a run folder ({error.strerror})") from error

    def claim(self, models: Mapping[str, Mapping[str, Any]]) -> None:
        """Make the folder these models' own, by their fingerprints in each role.

        Raises:
            ConfigurationError: the folder holds answers of another model.
        """
        earlier = self.read("provenance.json").get("models", {})
        current = json.loads(json.dumps(models))  # as it will be read back: JSON turns tuples into lists
        for role in sorted(set(earlier) & set(current)):
            for key in sorted(set(earlier[role]) | set(current[role])):
                before, now = earlier[role].get(key), current[role].get(key)
                if before != now:
                    raise ConfigurationError(
                        f"{self.path}: holds answers of another {role} ({key} was {before}, now {now}); "
                        "give this run another name=, or delete that folder"
                    )

    def read(self, name: str) -> dict[str, Any]:
        """A JSON file of the folder; empty if it is not there."""
        return read_json(self.path / name) if (self.path / name).is_file() else {}

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file at once: a reader sees the old one or the new one, never a part."""
        self.write(name, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def write(self, name: str, text: str) -> None:
        """Write a text file at once."""
        path = self.path / name
        unfinished = path.with_name(path.name + ".unfinished")
        try:
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(path)
        except OSError as error:
            raise StoreError(f"{path}: cannot be written ({error.strerror})") from error

    def close(self) -> None:
        """Let another process have the folder."""
        os.close(self._lock)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        StoreError: the file is missing or is not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); is this a run folder?") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: is not valid JSON ({error})") from error
    if not isinstance(content, dict):
        raise StoreError(f"{path}: is not a JSON object")
    return content


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def without_secrets(config: Any) -> Any:
    """A copy of a configuration in which the values of keys such as ``api_key`` are replaced by a mark."""
    if isinstance(config, Mapping):
        return {
            key: _REMOVED if value is not None and _SECRET_KEY.search(str(key)) else without_secrets(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return [without_secrets(value) for value in config]
    return config
