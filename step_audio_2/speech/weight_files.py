"""Weights from files, compared with what a module has before any of them is taken over."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from step_audio_2.errors import CheckpointError, first_line, first_of, named


def read_torch_file(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """Read the tensors of a file that ``torch.save`` wrote, without running anything that it holds.

    Args:
        path: the file.
        prefix: taken off the names that begin with it.

    Raises:
        CheckpointError: the file is missing, cut short, or holds anything else.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path}: is damaged, or holds more than weights, which is not read") from error
    except (EOFError, OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path}: is cut short or damaged ({first_line(error)})") from error
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(f"{path}: must hold tensors by name and nothing else")
    return {str(name).removeprefix(prefix): tensor for name, tensor in content.items()}


def read_safetensors_file(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a safetensors file: the settings under ``config`` in its header, as JSON, and its tensors.

    Raises:
        CheckpointError: the file is cut short or damaged, or states no settings.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads((file.metadata() or {}).get("config", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: is cut short or damaged ({first_line(error)})") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: states no settings under config in its header")
    return config, tensors


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Give a module its weights.

    Args:
        module: whose names and shapes decide.
        weights: by name.
        path: where they are from, for messages.

    Raises:
        CheckpointError: a tensor is missing, unknown or of another shape; the message names it.
    """
    expected = module.state_dict()
    if missing := sorted(expected.keys() - weights.keys()):
        raise CheckpointError(f"{path}: lacks {named(missing)}")
    if unknown := sorted(weights.keys() - expected.keys()):
        raise CheckpointError(f"{path}: holds {named(unknown)}, which the model does not have")
    shapes = [
        f"{name} has the shape {[*weights[name].shape]} where the model has {[*tensor.shape]}"
        for name, tensor in expected.items()
        if weights[name].shape != tensor.shape
    ]
    if shapes:
        raise CheckpointError(f"{path}: {first_of(shapes)}")
    module.load_state_dict(weights)
