"""Which rows of a table are wanted."""

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.errors import DataError

_SHOWN_VALUES = 20


class RowFilter:
    """One pass over rows of which some are wanted.

    Args:
        where: for a column, the value or values that wanted rows have there; compared as text.
    """

    def __init__(self, where: Mapping[str, Any]) -> None:
        self._wanted = {column: _texts(values) for column, values in where.items()}
        self._others: dict[str, set[str]] = {column: set() for column in where}
        self._empty = bool(where)

    def wants(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row is wanted; one that lacks a column is not."""
        if all(column in row and as_text(row[column]) in wanted for column, wanted in self._wanted.items()):
            self._empty = False
            return True
        if self._empty:
            for column, values in self._others.items():
                if column in row and len(values) < _SHOWN_VALUES:
                    values.add(as_text(row[column]))
        return False

    def check(self, source: str) -> None:
        """Refuse, after the last row, a filter that passed none.

        Raises:
            DataError: the message begins with ``source`` and names the values that there are instead.
        """
        if self._empty:
            wanted = "; ".join(f"{column}: {', '.join(sorted(v))}" for column, v in self._wanted.items())
            there = "; ".join(f"{column}: {', '.join(sorted(v)) or 'absent'}" for column, v in self._others.items())
            raise DataError(f"{source}: no row has what where= asks for ({wanted}); rows have {there}")


def as_text(value: Any) -> str:
    """Return a value as JSON and YAML write it, so that 1 in one file equals "1" in another; a list as its values."""
    if isinstance(value, list):
        return ", ".join(map(as_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _texts(values: Any) -> set[str]:
    several = isinstance(values, Sequence) and not isinstance(values, str)
    return {as_text(value) for value in (values if several else [values])}
