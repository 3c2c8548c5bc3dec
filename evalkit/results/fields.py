"""Reading the fields of stored JSON objects with their types checked: run folders may be damaged or made by others."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from evalkit.errors import StoreError

_T = TypeVar("_T")


class Fields:
    """One JSON object of a stored file.

    Args:
        where: the file and the place in it, for messages.
        content: the object.

    Raises:
        StoreError: it is not an object; likewise from each method where a field is missing or of another type.
    """

    def __init__(self, where: str, content: Any) -> None:
        if not isinstance(content, dict):
            raise StoreError(f"{where}: must be an object, not {_kind(content)}")
        self.where = where
        self._content: dict[str, Any] = content

    def __contains__(self, key: str) -> bool:
        """Tell whether there is such a field, null or not."""
        return key in self._content

    def text(self, key: str) -> str:
        """Return a text."""
        return self._checked(key, str, "a text")

    def flag(self, key: str) -> bool:
        """Return true or false."""
        return self._checked(key, bool, "true or false")

    def count(self, key: str, most: int | None = None) -> int:
        """Return a whole number of at least 0, and of no more than ``most``."""
        value = self._checked(key, int, "a whole number")
        if isinstance(value, bool) or value < 0 or (most is not None and value > most):
            wanted = "a whole number of at least 0" if most is None else f"a whole number from 0 to {most}"
            raise self.wrong(key, wanted, value)
        return value

    def number(self, key: str) -> float:
        """Return a finite number."""
        return self._finite(key, self._get(key))

    def interval(self, key: str) -> tuple[float, float]:
        """Return a pair of finite numbers."""
        ends = self._checked(key, list, "a pair of numbers")
        if len(ends) != 2:
            raise self.wrong(key, "a pair of numbers", ends)
        return self._finite(key, ends[0]), self._finite(key, ends[1])

    def object(self, key: str) -> "Fields":
        """Return an object."""
        return Fields(f"{self.where}.{key}", self._get(key))

    def objects(self, key: str) -> Iterator[tuple[str, "Fields"]]:
        """Return the objects that an object holds, with their keys."""
        inner = self.object(key)
        return ((name, inner.object(name)) for name in inner._content)

    def listed(self, key: str) -> Sequence["Fields"]:
        """Return a list of objects."""
        items = self._checked(key, list, "a list")
        return [Fields(f"{self.where}.{key}[{index}]", item) for index, item in enumerate(items)]

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        items = self._checked(key, list, "a list of texts")
        if not all(isinstance(item, str) for item in items):
            raise self.wrong(key, "a list of texts", items)
        return tuple(items)

    def text_mapping(self, key: str) -> dict[str, str]:
        """Return an object whose values are texts."""
        inner = self.object(key)
        return {name: inner.text(name) for name in inner._content}

    def number_mapping(self, key: str) -> dict[str, float]:
        """Return an object whose values are numbers."""
        inner = self.object(key)
        return {name: inner.number(name) for name in inner._content}

    def mapping(self, key: str) -> dict[str, Any]:
        """Return an object of any content; an empty one if it is missing."""
        return self.object(key)._content if key in self._content else {}

    def mappings(self, key: str) -> dict[str, dict[str, Any]]:
        """Return an object whose values are objects of any content; an empty one if it is missing."""
        inner = Fields(f"{self.where}.{key}", self.mapping(key))
        return {name: inner.mapping(name) for name in inner._content}

    def optional(self, key: str, read: Callable[[str], _T]) -> _T | None:
        """Read a field that may be null but not missing."""
        return None if self._get(key) is None else read(key)

    def wrong(self, key: str, wanted: str, value: Any) -> StoreError:
        """Return the error of a field that is not what it must be."""
        return StoreError(f"{self.where}.{key}: must be {wanted}, not {_kind(value)}")

    def _get(self, key: str) -> Any:
        if key not in self._content:
            raise StoreError(f"{self.where}: the key '{key}' is missing")
        return self._content[key]

    def _checked(self, key: str, kind: type[_T], wanted: str) -> _T:
        value = self._get(key)
        if not isinstance(value, kind):
            raise self.wrong(key, wanted, value)
        return value

    def _finite(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(key, "a number", value)
        try:
            finite = math.isfinite(value)
        except OverflowError:  # a whole number beyond what a float holds
            finite = False
        if not finite:
            raise self.wrong(key, "a finite number", value)
        return value


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "an object"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
