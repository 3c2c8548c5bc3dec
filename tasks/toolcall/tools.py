"""The tools that StepEval-Audio-Toolcall offers to a model; data in ``schemas.yaml``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from evalkit.types import ToolCall


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call.

    Attributes:
        key: how the data set's files name it.
        title: how published tables name it.
        names: under which a call of it is known, the one of its schema among them.
        schema: what a model is offered, ``{"type": "function", "function": {name, description, parameters}}``.
    """

    key: str
    title: str
    names: frozenset[str]
    schema: Mapping[str, Any]

    @property
    def has_parameters(self) -> bool:
        """Whether a call of it has parameters that could be right or wrong."""
        return bool(self.schema["function"]["parameters"]["properties"])

    def first_call(self, calls: Iterable[ToolCall]) -> ToolCall | None:
        """Return the first of some calls that is of this tool, or None."""
        return next((call for call in calls if call.name in self.names), None)


@cache
def load_tools() -> Mapping[str, Tool]:
    """Return the four tools by key, in the order in which the official scorer lists them."""
    import yaml

    content = yaml.safe_load(Path(__file__).with_name("schemas.yaml").read_text(encoding="utf-8"))
    return {
        key: Tool(key, entry["title"], frozenset(entry["names"]), entry["schema"]) for key, entry in content.items()
    }
