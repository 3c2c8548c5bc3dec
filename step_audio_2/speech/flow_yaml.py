"""Reading ``flow.yaml``, which names the classes to build, without building or importing anything it names."""

from pathlib import Path
from typing import Any

import yaml

from step_audio_2.errors import CheckpointError

# Which class stands at which place in the published file (section 6.3 of the technical description).
_CLASSES = {
    "flow": "CausalMaskedDiffWithXvec",
    "flow.encoder": "UpsampleConformerEncoderV2",
    "flow.decoder": "CausalConditionalCFM",
    "flow.decoder.estimator": "DiT",
}
# Tags that tell another reader to call something, and to look something up.
_NEW = "!new:"
_REFERENCE = "!ref"


def read_flow_yaml(path: Path) -> dict[str, Any]:
    """Read the fields of ``flow``, as ``FlowConfig.from_dict`` takes them.

    Raises:
        CheckpointError: the file is missing or no YAML, has another tag, or has other classes than the published one.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
        entries = _entries("the file", root)
        if "flow" not in entries:
            raise CheckpointError("there is no key flow")
        return _object("flow", entries["flow"], entries)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CheckpointError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error


def _object(name: str, node: Any, entries: dict[str, Any]) -> dict[str, Any]:
    """Read the fields of an object whose class must be the one that belongs in its place."""
    wanted = _CLASSES[name]
    if not node.tag.startswith(_NEW) or node.tag.rpartition(".")[2] != wanted:
        raise CheckpointError(f"{name} must be {_NEW}...{wanted}, not {_shown(node)}")
    fields = {}
    for field, value in _entries(name, node).items():
        path = f"{name}.{field}"
        fields[field] = _object(path, value, entries) if path in _CLASSES else _value(path, value, entries)
    return fields


def _value(name: str, node: Any, entries: dict[str, Any]) -> Any:
    """Read a plain value, or one that the file states under a key of its own."""
    if node.tag == _REFERENCE:
        key = str(node.value).removeprefix("<").removesuffix(">")
        if key not in entries or entries[key].tag == _REFERENCE:
            raise CheckpointError(f"{name} refers to {node.value}, which is not a plain value of the file")
        node = entries[key]
    if node.tag.startswith("!"):
        raise CheckpointError(f"{name} must be a plain value, not {_shown(node)}")
    return yaml.constructor.SafeConstructor().construct_document(node)


def _entries(name: str, node: Any) -> dict[str, Any]:
    """Return the nodes of a mapping by their keys."""
    if not isinstance(node, yaml.MappingNode):
        raise CheckpointError(f"{name} must hold keys and values")
    entries = {str(key.value): value for key, value in node.value}
    if len(entries) < len(node.value):
        raise CheckpointError(f"{name} states a key twice")
    return entries


def _shown(node: Any) -> str:
    return str(node.tag) if node.tag.startswith("!") else "a plain value"
