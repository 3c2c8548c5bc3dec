"""A checkpoint folder: found, fetched, and compared with what the model needs before a single weight is read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from step_audio_2.errors import CheckpointError, first_line, named

_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
TOKEN2WAV = "token2wav"
"""The folder of a checkpoint that holds what makes its codes into speech."""
DEFAULT_VOICE = "assets/default_female.wav"
"""The recording whose voice it speaks in unless another is given."""
_FETCHED = ("*.json", "*.txt", "*.safetensors", f"{TOKEN2WAV}/*", "assets/default_*.wav")


def checkpoint_folder(name_or_path: str, **options: Any) -> Path:
    """Return the folder itself, or the local copy of a repository on the hub, fetched without its code.

    Raises:
        CheckpointError: there is no such folder and it cannot be fetched.
    """
    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or str(name_or_path).count("/") != 1:
        raise CheckpointError(f"{name_or_path}: no such folder")
    import huggingface_hub

    try:
        return Path(huggingface_hub.snapshot_download(str(name_or_path), allow_patterns=list(_FETCHED), **options))
    except (OSError, ValueError) as error:  # what the hub's client raises derives from these
        raise CheckpointError(
            f"{name_or_path}: no such folder, and not to be had from the hub ({first_line(error)})"
        ) from error


def default_voice(checkpoint: Path) -> Path | None:
    """Find the recording of the default voice, in the checkpoint or where users of the original have it.

    Its authors keep it in the repository of their code, into which their README has the weights downloaded. Their
    examples are started there: so it is looked for beside the checkpoint's folder and in the working folder too.
    """
    for folder in (checkpoint, checkpoint.absolute().parent, Path()):
        if (folder / DEFAULT_VOICE).is_file():
            return folder / DEFAULT_VOICE
    return None


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of a checkpoint folder.

    Raises:
        CheckpointError: the file is missing or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: must hold a JSON object")
    return content


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def check_weights(folder: Path, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Compare the headers of a folder's safetensors files with the tensors that a model has.

    Args:
        folder: with ``model.safetensors``, or its parts and their index.
        expected: shapes by name.

    Raises:
        CheckpointError: a file or tensor is missing, cut short, or of another shape; the message names it. Of tensors
            that the model does not have, the library that loads the others warns.
    """
    found: dict[str, tuple[int, ...]] = {}
    for file in _weight_files(folder):
        found |= _shapes(file)
    if missing := sorted(expected.keys() - found.keys()):
        raise CheckpointError(f"{folder}: lacks {named(missing)}")
    for name, shape in expected.items():
        if found[name] != shape:
            raise CheckpointError(
                f"{folder}: tensor {name} has the shape {[*found[name]]}; config.json makes it {[*shape]}"
            )


def _weight_files(folder: Path) -> list[Path]:
    index = folder / _INDEX
    if not index.is_file():
        if not (folder / _SINGLE).is_file():
            raise CheckpointError(f"{folder}: holds neither {_SINGLE} nor {_INDEX}")
        return [folder / _SINGLE]
    parts = read_json(index).get("weight_map")
    if not isinstance(parts, dict) or not parts:
        raise CheckpointError(f"{index}: has no weight_map")
    names = sorted({str(name) for name in parts.values()})
    for name in names:
        if Path(name).name != name:
            raise CheckpointError(f"{index}: names a file outside its folder, {name}")
        if not (folder / name).is_file():
            tensor = next(tensor for tensor, file in parts.items() if file == name)
            raise CheckpointError(f"{folder / name}: no such file; {tensor} and others should be in it")
    return [folder / name for name in names]


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read shapes by name from the header alone: the library for such files cannot say which tensor is cut short."""
    with path.open("rb") as file:
        size = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise CheckpointError(f"{path}: is cut short within its header, or no safetensors file")
        try:
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
            ends = {name: 8 + length + entry["data_offsets"][1] for name, entry in header.items()}
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{path}: has no readable safetensors header ({error})") from error
    for name, end in sorted(ends.items(), key=lambda item: item[1]):
        if end > size:
            whole = max(ends.values())
            raise CheckpointError(f"{path}: is cut short, {size} bytes of {whole}; tensor {name} is incomplete")
    return shapes
