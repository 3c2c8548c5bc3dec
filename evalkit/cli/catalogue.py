"""What the configuration tree offers, read as plain YAML so that listing costs no imports."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from evalkit.cli.names import CONFIG_MODULE

# LibYAML's loader where PyYAML was built with it: ten times faster over the whole tree.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Entry:
    """One option of a config group: its name, its first comment line, and its content, unresolved."""

    name: str
    description: str
    content: Mapping[str, Any]


def entries(group: str) -> Iterator[Entry]:
    """The options of a config group, by name."""
    folder = files(CONFIG_MODULE) / group
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            text = file.read_text(encoding="utf-8")
            comments = [line[1:].strip() for line in text.splitlines() if line.startswith("#")]
            description = next((comment for comment in comments if not comment.startswith("@")), "")
            yield Entry(file.name.removesuffix(".yaml"), description, _content(group, text))


def _content(group: str, text: str) -> dict[str, Any]:
    """An option's content over that of the options of its own group which it builds on."""
    own: dict[str, Any] = yaml.load(text, Loader=_Loader) or {}  # noqa: S506 - both are safe loaders
    content: dict[str, Any] = {}
    for default in own.get("defaults", ()):
        if isinstance(default, str) and default != "_self_":
            content |= _content(group, (files(CONFIG_MODULE) / group / f"{default}.yaml").read_text(encoding="utf-8"))
    return content | own
