"""The golden scores: what the original scorers gave for each text, entry by entry."""

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "golden_scores"


def load(name: str) -> Any:
    """A golden file as JSON."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def parameters(name: str) -> list[Any]:
    """The cases of a golden file, as pytest parameters named by their id."""
    return [pytest.param(case, id=case["id"]) for case in load(name)["cases"]]
