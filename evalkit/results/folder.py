"""The run folder: its lock, its record of configuration and provenance, its metrics."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.adapter import SERVER_SAYS
from evalkit.errors import ConfigurationError, StoreError
from evalkit.results.fields import Fields
from evalkit.results.folder_lock import is_of_lock, lock_folder

PROVENANCE = "provenance.json"
SHARDS = "shards"

_ESCAPED_SURROGATE = "\\ud"
_REPLACED = "replaced"
_REPORT = "report"
_LEVELS = 3  # of folders that are written into


class RunFolder:
    """One run's folder, held by one process at a time.

    Args:
        path: the folder; made if it is not there.

    Raises:
        RunInUseError: another process is writing to it.
        StoreError: it cannot be made, or it holds links: whoever made them, what is
            written here must not land elsewhere.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            _refuse_links(path)
            self._lock = lock_folder(path)
        except OSError as error:
            raise StoreError(f"{path}: cannot be used as a run folder ({error.strerror})") from error

    def refuse_other_model(self, role: str, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Refuse a model whose answers cannot stand beside those that the folder holds.

        Args:
            role: that it plays.
            earlier: the fingerprint that was recorded of the role's model, as it was read.
            now: that of the model at hand.

        Raises:
            ConfigurationError: they are two models.
        """
        current = json.loads(json.dumps(now))  # as it will be read back: JSON turns tuples into lists
        for key, before, after in differences(earlier, current):
            moved = f", or {role}.server={before} if the same model has moved" if key == "server" else ""
            raise ConfigurationError(
                f"{self.path}: holds answers of another {role} ({key} was {before}, now {after}); "
                f"give this run another name=, or fresh=true to ask all again{moved}"
            )

    def read(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the folder; return an empty object if it is not there."""
        return read_json(self.path / name) if (self.path / name).is_file() else {}

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file at once: a reader sees the old one or the new one, never a part."""
        self.write(name, json_text(content))

    def write(self, name: str, text: str) -> None:
        """Write a text file at once."""
        path = self.path / name
        unfinished = path.with_name(path.name + ".unfinished")
        try:
            # Half characters, as from a server that misnames itself, become question marks: no file can hold them.
            unfinished.write_text(text, encoding="utf-8", errors="replace")
            unfinished.replace(path)
        except OSError as error:
            raise StoreError(f"{path}: cannot be written ({error.strerror})") from error

    def set_aside(self) -> None:
        """Move everything that the folder holds into a folder of its own below ``replaced``, so that it is as new.

        Raises:
            StoreError: something cannot be moved.
        """
        held = [path for path in self.path.iterdir() if path.name != _REPLACED and not is_of_lock(path.name)]
        if not held:
            return
        try:
            numbers = [int(path.name) for path in (self.path / _REPLACED).glob("*") if path.name.isdecimal()]
            number = 1 + max(numbers, default=0)
            target = self.path / _REPLACED / str(number)
            target.mkdir(parents=True)
            for path in held:
                path.rename(target / path.name)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be moved aside ({error.strerror})") from error

    def close(self) -> None:
        """Let another process have the folder."""
        self._lock.release()


def _refuse_links(folder: Path) -> None:
    """Refuse links in a run folder, in the folders of its tasks and in the folders of these."""
    held = [entry for entry in os.scandir(folder) if entry.name not in (_REPLACED, _REPORT)]
    for _ in range(_LEVELS):
        for entry in held:
            if entry.is_symlink():
                raise StoreError(
                    f"{entry.path}: is a link, which a run folder must not hold; put what it names in its place"
                )
        folders = [entry.path for entry in held if entry.is_dir(follow_symlinks=False)]
        held = [entry for path in folders for entry in os.scandir(path)]


def recorded_models(provenance: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the fingerprint of every role's model, from the content of ``provenance.json``.

    Raises:
        StoreError: they are damaged.
    """
    models = Fields(PROVENANCE, provenance).mappings("models")
    for role, fingerprint in models.items():
        Fields(f"{PROVENANCE}.models.{role}", fingerprint).mapping(SERVER_SAYS)
    return models


def differences(earlier: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Return where two fingerprints differ; what a server says of itself may be said at one time and not at another."""
    said, says = (fingerprint.get(SERVER_SAYS) or {} for fingerprint in (earlier, current))
    for key in sorted((set(earlier) | set(current)) - {SERVER_SAYS}):
        if earlier.get(key) != current.get(key):
            yield key, earlier.get(key), current.get(key)
    for key in sorted(set(said) & set(says)):
        if said[key] != says[key]:
            yield f"what its server says of itself, {key},", said[key], says[key]


def json_text(content: Mapping[str, Any]) -> str:
    """Return the text of a JSON file of a run folder."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises:
        StoreError: the file is missing, is not a JSON object, or holds half characters, which no file can hold.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, parse_constant=_refuse_constant)
        if _ESCAPED_SURROGATE in text.lower():
            json.dumps(content, ensure_ascii=False).encode()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); is this a run folder?") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(
            f"{path}: is not valid JSON ({error}); put it back as it was, or delete it and continue the run"
        ) from error
    if not isinstance(content, dict):
        raise StoreError(f"{path}: is not a JSON object")
    return content


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
