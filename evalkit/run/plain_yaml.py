"""Configurations as YAML, read and written as the plain values that they are; nothing in them is interpolated.

LibYAML does it where PyYAML was built with it: ten times as fast.
"""

from collections.abc import Mapping
from typing import Any

import yaml

_DEEPEST = 100
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


def read_yaml(text: str, *, aliases: bool = True) -> Any:
    """Return the plain values of a YAML text.

    Args:
        text: of anybody's.
        aliases: whether something may stand for what was said before, and so for more than a memory holds.

    Raises:
        yaml.YAMLError: it is not YAML, is nested too deeply, or names something else than plain values.
    """
    depth = 0
    # LibYAML composes by recursion in C, where nothing but this keeps a text from ending the process.
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent) and not aliases:
            place = f"line {event.start_mark.line + 1}: *{event.anchor}"
            raise yaml.YAMLError(f"{place} stands for something said before; write it out there")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise yaml.YAMLError(f"line {event.start_mark.line + 1}: is nested in more than {_DEEPEST} others")
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - both are safe loaders


def yaml_text(config: Mapping[str, Any]) -> str:
    """Return a configuration of plain values as YAML, its keys in their order."""
    text: str = yaml.dump(dict(config), Dumper=_Dumper, allow_unicode=True, sort_keys=False)
    return text
