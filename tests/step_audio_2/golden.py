"""Arrays and settings recorded from the published code, run on tiny models: what our own code must give."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT.parent / "shared" / "reference" / "golden", ROOT / "tests" / "golden_vectors")
"""All vectors, which lie beside some checkouts; and the part of them that is small enough to be kept here."""


def golden(name: str) -> Mapping[str, npt.NDArray[Any]]:
    """The arrays of ``<name>.npz``; the test that asks is skipped where that file is not at hand."""
    return _arrays(_path(f"{name}.npz"))


def golden_json(name: str) -> Any:
    """What ``<name>.json`` holds; the test that asks is skipped where that file is not at hand."""
    return json.loads(_path(f"{name}.json").read_text(encoding="utf-8"))


def golden_state_dict(name: str) -> dict[str, torch.Tensor]:
    """The tensors of ``<name>_state_dict.npz``, copies of its arrays."""
    return {key: torch.tensor(array) for key, array in golden(f"{name}_state_dict").items()}


def _path(file_name: str) -> Path:
    for folder in FOLDERS:
        if (folder / file_name).is_file():
            return folder / file_name
    pytest.skip(f"no recorded vectors {file_name} in {' or '.join(map(str, FOLDERS))}")


class _Arrays(dict[str, npt.NDArray[Any]]):
    """Arrays by name; the test that asks for one that is only in the whole file is skipped."""

    def __missing__(self, name: str) -> npt.NDArray[Any]:
        pytest.skip(f"{name} is not among the recorded vectors at hand")


@cache
def _arrays(path: Path) -> Mapping[str, npt.NDArray[Any]]:
    with np.load(path) as archive:
        return _Arrays(archive)
