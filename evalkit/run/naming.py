"""What a run and its folder are called."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.cascade import STAGES
from evalkit.errors import ConfigurationError
from evalkit.object_store import copy_of, is_address

# Of the name in UTF-8: file systems take 255, and files are written beside it under longer names.
_LONGEST_NAME = 200
_LONGEST_DEFAULT = 120
# What no file name may be on systems where the folder may be copied to.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\..*)?", re.IGNORECASE)
# Controls, half characters, and marks that turn the direction of writing.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def run_name(name: str | None, choices: Mapping[str, Any], swept: str = "") -> str:
    """Return the name of a run: the one given, or one of the model, of what it is asked, and of what a sweep varies.

    A cascade is named by its stages too.

    Args:
        name: as configured; None for the default.
        choices: which option was chosen in each config group.
        swept: settings that tell this run of a sweep apart from the others, as ``limit=1,seed=2``.

    Raises:
        ConfigurationError: the name cannot be that of a folder inside ``runs``.
    """
    if name is None:
        what = _choice(choices, "suite") or _choice(choices, "task") or "run"
        stages = "+".join(stage for role in STAGES if (stage := _choice(choices, f"model@{role}")))
        parts = (str(choices.get("model")), stages, what, _plain(swept))
        return _short("-".join(part for part in parts if part))
    reason = _refusal(name)
    if reason:
        raise ConfigurationError(f"name: '{name}' {reason}; runs= says where the folder goes")
    return name


def _refusal(name: str) -> str:
    if not name.strip() or name in (".", "..") or "/" in name or "\\" in name:
        return "must be a plain folder name"
    if _UNSEEN.search(name):
        return "holds characters that nobody sees"
    if len(name.encode("utf-8")) > _LONGEST_NAME:
        return f"is longer than {_LONGEST_NAME} bytes"
    if _DEVICES.fullmatch(name) or name != name.strip() or name.endswith("."):
        return "is no name for a folder on every system"
    return ""


def _choice(choices: Mapping[str, Any], group: str) -> str | None:
    """Return what was chosen in a group, as a word fit for a folder name; Hydra gives a list of options as its text."""
    chosen = choices.get(group)
    if chosen in (None, "null"):
        return None
    return "+".join(part.strip(" '\"") for part in str(chosen).strip("[]").split(","))


def _plain(text: str) -> str:
    """Replace what a file name cannot hold, so that different texts stay different."""
    plain = re.sub(r"[^\w.,=+@-]+", "_", unicodedata.normalize("NFC", text)).strip("_.")
    return plain if plain == text else f"{plain}-{_digest(text)}"


def _short(name: str) -> str:
    if len(name.encode("utf-8")) <= _LONGEST_DEFAULT:
        return name
    head = name.encode("utf-8")[: _LONGEST_DEFAULT - 9].decode("utf-8", errors="ignore")
    return f"{head}-{_digest(name)}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", errors="surrogatepass"), digest_size=4).hexdigest()


def run_folder(runs: str, name: str) -> Path:
    """Return the folder of a run; of one on an object store, the copy on this machine.

    Raises:
        ConfigurationError: ``runs`` is an address that cannot be copied.
    """
    return copy_of(f"{runs}/{name}") if is_address(runs) else Path(runs).expanduser() / name
