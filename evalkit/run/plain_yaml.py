"""Configurations as YAML, read and written as the plain values that they are; nothing in them is interpolated.

LibYAML does it where PyYAML was built with it: ten times as fast.
"""

from collections.abc import Mapping
from typing import Any

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # which of the two, mypy cannot tell
    """Puts texts into quotes that any reader of YAML might take for something else, and repeats what occurs twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the library's signature
        """Have everything written out."""
        return True


def _quoted_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    whole = text.encode("utf-8", "replace").decode("utf-8")  # no file can hold half a character
    quotes = "'" if _is_ambiguous(text) else None
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:str", whole, style=quotes)
    return node


def _is_ambiguous(text: str) -> bool:
    """Tell whether a text is a number, or a truth value, to some reader of YAML."""
    if text.lower() in ("y", "n"):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


_Dumper.add_representer(str, _quoted_text)


def read_yaml(text: str) -> Any:
    """Return the plain values of a YAML text.

    Raises:
        yaml.YAMLError: it is not YAML, or names something else than plain values.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - both are safe loaders


def yaml_text(config: Mapping[str, Any]) -> str:
    """Return a configuration of plain values as YAML, its keys in their order."""
    text: str = yaml.dump(dict(config), Dumper=_Dumper, allow_unicode=True, sort_keys=False)
    return text
