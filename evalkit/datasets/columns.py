"""From the rows of a table, whatever file they come from, to samples."""

import math
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn

from evalkit.audio import Audio
from evalkit.datasets.selection import Selection, as_text
from evalkit.errors import ConfigurationError, DataError
from evalkit.hints import hint
from evalkit.types import Sample

Row = Mapping[str, Any]

_DEFAULT_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id",),
    "audio": ("audio",),
    "text": ("text",),
    "language": ("language", "lang"),
    "duration": ("duration",),
}
_ALWAYS_REQUIRED = ("audio", "text")


class Columns:
    """Which columns become which parts of a sample, and which rows are wanted.

    Args:
        columns: for ``id``, ``audio``, ``text`` (the reference), ``language`` and ``duration`` (seconds), the
            column that holds it, or None for a part that samples shall go without. Audio and text are
            required unless set to None, the others only if a column is named here.
        groups: columns that become ``Sample.groups``; or a mapping from group to column.
        metadata: columns that become ``Sample.metadata``; or a mapping from key to column.
        where: see ``Selection``.
        language: of rows that name none.

    Raises:
        ConfigurationError: ``columns`` names a part that samples do not have.
    """

    def __init__(
        self,
        columns: Mapping[str, str | None] | None = None,
        groups: Mapping[str, str] | Sequence[str] = (),
        metadata: Mapping[str, str] | Sequence[str] = (),
        where: Mapping[str, Any] | None = None,
        language: str | None = None,
    ) -> None:
        named = dict(columns or {})
        for part in named:
            if part not in _DEFAULT_COLUMNS:
                raise ConfigurationError(
                    f"dataset columns: samples have no {part!r}{hint(part, _DEFAULT_COLUMNS)} "
                    f"(there are {', '.join(_DEFAULT_COLUMNS)})"
                )
        self._candidates = dict(_DEFAULT_COLUMNS)
        self._candidates.update({part: (name,) if name else () for part, name in named.items()})
        self._required = {part for part in {*_ALWAYS_REQUIRED, *named} if self._candidates[part]}
        self._groups = by_name(groups)
        self._metadata = by_name(metadata)
        self._where = dict(where or {})
        self._language = language

    @property
    def audio_column(self) -> str | None:
        """The column that holds the audio."""
        return next(iter(self._candidates["audio"]), None)

    @property
    def names(self) -> set[str]:
        """All columns that may be looked at, but for the audio's."""
        parts = {name for part, names in self._candidates.items() if part != "audio" for name in names}
        return parts | {*self._groups.values(), *self._metadata.values(), *self._where}

    def check(self, available: Collection[str], place: str) -> None:
        """Refuse a table that lacks a column, before its rows are read.

        Raises:
            DataError: the message begins with ``place`` and suggests a column of similar name.
        """
        for part in sorted(self._required):
            if not any(column in available for column in self._candidates[part]):
                _refuse_missing(self._candidates[part][0], available, place)
        for column in (*self._groups.values(), *self._metadata.values(), *self._where):
            if column not in available:
                _refuse_missing(column, available, place)

    def selection(self) -> Selection:
        """The judge of which rows are wanted, for one pass over them."""
        return Selection(self._where)

    def audio_path(self, row: Row, place: str) -> str | None:
        """The path in the audio column, or None if samples go without audio."""
        if not self._candidates["audio"]:
            return None
        path = self._value("audio", row, place)
        if not isinstance(path, str) or not path:
            raise DataError(f"{place}: the audio path is {path!r}, not the name of a file")
        return path

    def id(self, row: Row, place: str, audio_path: str | None, otherwise: str | None = None) -> str:
        """The row's own id; else the name of its audio file without folder and extension; else ``otherwise``."""
        value = self._value("id", row, place)
        if value is None:
            value = os.path.splitext(os.path.basename(audio_path))[0] if audio_path else otherwise
        if isinstance(value, int):
            return str(value)
        if not isinstance(value, str) or not value:
            raise DataError(f"{place}: the id is {value!r}; it must be a text or a whole number")
        return value

    def duration(self, row: Row, place: str) -> float | None:
        """Seconds, or None where the row does not say."""
        value = self._value("duration", row, place)
        if value is None or value == "":
            return None
        try:
            seconds = float(value)
        except (TypeError, ValueError):
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            raise DataError(f"{place}: the duration is {value!r}, not a number of seconds")
        return seconds

    def sample(self, row: Row, place: str, sample_id: str, audio: tuple[Audio, ...]) -> Sample:
        """The sample that a row describes.

        Raises:
            DataError: a part is missing or of the wrong kind.
        """
        return Sample(
            sample_id,
            audio,
            self._references(row, place),
            self._value("language", row, place) or self._language,
            {
                group: as_text(value)
                for group, column in self._groups.items()
                if (value := _required(column, row, place)) is not None
            },
            {key: _required(column, row, place) for key, column in self._metadata.items()},
        )

    def _references(self, row: Row, place: str) -> tuple[str, ...]:
        if not self._candidates["text"]:
            return ()
        text = self._value("text", row, place)
        if not isinstance(text, str):
            raise DataError(f'{place}: the reference is {text!r}, not a text; an empty one is written ""')
        return (text,)

    def _value(self, part: str, row: Row, place: str) -> Any:
        candidates = self._candidates[part]
        for column in candidates:
            if column in row:
                return row[column]
        if part in self._required:
            _refuse_missing(candidates[0], row, place)
        return None


def by_name(names: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """A mapping as it is; a list of names as each by its own name; one name as a list of one."""
    if isinstance(names, Mapping):
        return dict(names)
    return {name: name for name in ([names] if isinstance(names, str) else names)}


def _required(column: str, row: Row, place: str) -> Any:
    if column not in row:
        _refuse_missing(column, row, place)
    return row[column]


def _refuse_missing(column: str, available: Collection[str], place: str) -> NoReturn:
    raise DataError(
        f"{place}: no column {column!r}{hint(column, available)} (there are {', '.join(available)}; "
        "the data set's columns= says which to use)"
    )
