"""Where published tables show a task: the key by which a result finds its cell."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from evalkit.errors import ConfigurationError
from evalkit.hints import hint


@dataclass(frozen=True, slots=True)
class TablePlace:
    """A task's place in the published tables; whatever does not apply is empty.

    Attributes:
        table: which table, such as ``asr``; empty if no published table shows the task.
        group: the block of rows, such as a language.
        benchmark: the row, as the table calls it.
        dimension: the group of samples that the columns of the table break the result down by.
        set: names data of another kind, such as a demo's, which has a table of its own beside the published one.
    """

    table: str = ""
    group: str = ""
    benchmark: str = ""
    dimension: str = ""
    set: str = ""

    @classmethod
    def from_mapping(cls, where: str, mapping: Mapping[str, Any] | None) -> "TablePlace":
        """Read a place from a configuration or a results file.

        Args:
            where: what the mapping belongs to, for messages.
            mapping: texts by the names of the attributes; None or empty for no place.

        Raises:
            ConfigurationError: it is no mapping, or a key is not known.
        """
        known = [field.name for field in fields(cls)]
        if not isinstance(mapping, Mapping | None):
            raise ConfigurationError(f"{where}: {mapping!r} is not a mapping of {', '.join(known)}")
        for key in mapping or {}:
            if key not in known:
                raise ConfigurationError(
                    f"{where}: unknown key '{key}'{hint(key, known)} (there are {', '.join(known)})"
                )
        return cls(**{key: str(value) for key, value in (mapping or {}).items()})

    def to_json(self) -> dict[str, str]:
        """Return what is not empty."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name))}
