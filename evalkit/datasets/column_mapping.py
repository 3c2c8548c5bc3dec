"""From the rows of a table, whatever file they come from, to samples."""

import math
import os
import reprlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn

from evalkit.audio import Audio
from evalkit.datasets.languages import language_code
from evalkit.datasets.row_filter import RowFilter, as_text
from evalkit.datasets.tables import Row
from evalkit.errors import ConfigurationError, DataError
from evalkit.hints import hint
from evalkit.types import Sample

# The usual names, of which a row's first is taken: ours; NeMo's; those of the hub's folders and tables.
_DEFAULT_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id",),
    "audio": ("audio", "audio_filepath", "file_name"),
    "text": ("text", "transcription", "sentence"),
    "language": ("language", "lang"),
    "duration": ("duration",),
    "offset": ("offset",),
}
_DEFAULT_CLUSTER = ("speaker",)
_ALWAYS_REQUIRED = ("audio", "text")


class ColumnMapping:
    """Which columns become which parts of a sample, and which rows are wanted.

    Args:
        columns: for ``id``, ``audio``, ``text`` (the reference), ``language``, ``duration`` and ``offset`` (seconds),
            the column that holds it, or None for a part that samples shall go without. Audio and text are
            required unless set to None, the others only if a column is named here. By default ``id``; ``audio``,
            ``audio_filepath`` or ``file_name``; ``text``, ``transcription`` or ``sentence``; ``language`` or ``lang``;
            ``duration``; ``offset``. An offset makes the sample the part of its recording that begins there and is as
            long as the duration says.
        groups: columns that become ``Sample.groups``; or a mapping from group to column.
        metadata: columns that become ``Sample.metadata``; or a mapping from key to column.
        where: for a column, the value or values that wanted rows have there; compared as text.
        language: of rows that name none; a row may name a code (``zh``) or a language in English (``Mandarin``).
        cluster: columns that become ``Sample.clusters``, in each of which every row must say something; or a mapping
            from field to column. By default the column ``speaker``, where there is one, of the rows that name theirs;
            an empty list for none.

    Raises:
        ConfigurationError: ``columns`` names a part that samples do not have, or a cluster is called ``sample``.
    """

    def __init__(
        self,
        columns: Mapping[str, str | None] | None = None,
        groups: Mapping[str, str] | Sequence[str] = (),
        metadata: Mapping[str, str] | Sequence[str] = (),
        where: Mapping[str, Any] | None = None,
        language: str | None = None,
        cluster: Mapping[str, str] | Sequence[str] | None = None,
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
        self._cluster = by_name(_DEFAULT_CLUSTER if cluster is None else cluster)
        self._cluster_required = cluster is not None
        if "sample" in self._cluster:
            raise ConfigurationError(
                "dataset cluster: 'sample' stands for samples drawn singly; "
                "give the field another name, as in cluster={recording: sample}"
            )

    @property
    def audio_column(self) -> str | None:
        """The column that holds the audio."""
        return next(iter(self._candidates["audio"]), None)

    @property
    def names(self) -> set[str]:
        """All columns that may be looked at, but for the audio's."""
        parts = {name for part, names in self._candidates.items() if part != "audio" for name in names}
        return parts | {*self._named, *self._cluster.values()}

    @property
    def _named(self) -> list[str]:
        """The columns that are asked for beside the parts of a sample."""
        clusters = self._cluster.values() if self._cluster_required else ()
        return [*self._groups.values(), *self._metadata.values(), *clusters, *self._where]

    def check(self, available: Collection[str], place: str) -> None:
        """Refuse a table that lacks a column, before its rows are read.

        Raises:
            DataError: the message begins with ``place`` and suggests a column of similar name.
        """
        for part in sorted(self._required):
            if not any(column in available for column in self._candidates[part]):
                self._refuse_without(part, available, place)
        for column in self._named:
            if column not in available:
                _refuse_missing(column, available, place)

    def row_filter(self) -> RowFilter:
        """Return the judge of which rows are wanted, for one pass over them."""
        return RowFilter(self._where)

    def audio_path(self, row: Row, place: str) -> str | None:
        """Return the path in the audio column, or None if samples go without audio."""
        if not self._candidates["audio"]:
            return None
        path = self._value("audio", row, place)
        if not isinstance(path, str) or not path:
            raise DataError(f"{place}: the audio path is {path!r}, not the name of a file")
        return path

    def id(self, row: Row, place: str, audio_path: str | None, otherwise: str | None = None) -> str:
        """Return the row's own id; else the name of its audio file without folder and extension; else ``otherwise``.

        The name of a file of which the row is a part is followed by where that begins.
        """
        value = self._value("id", row, place)
        if value is None:
            value = os.path.splitext(os.path.basename(audio_path))[0] if audio_path else otherwise
            if value and (span := self.span(row, place)) and span[0]:
                value = f"{value}-{span[0]:.3f}"
        return checked_id(value, place)

    def duration(self, row: Row, place: str) -> float | None:
        """Return the seconds of audio, or None where the row does not say."""
        return self._seconds("duration", row, place)

    def span(self, row: Row, place: str) -> tuple[float, float] | None:
        """Return where a part of a longer recording begins and ends, in seconds; None where the row is a whole one."""
        start = self._seconds("offset", row, place)
        if start is None:
            return None
        length = self.duration(row, place)
        if length is None:
            raise DataError(f"{place}: the offset is {start:g}, but there is no duration to tell where the part ends")
        return start, start + length

    def _seconds(self, part: str, row: Row, place: str) -> float | None:
        value = self._value(part, row, place)
        if value is None or value == "":
            return None
        try:
            seconds = float(value)
        except (TypeError, ValueError, OverflowError):
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            raise DataError(f"{place}: the {part} is {_shown(value)}, not a number of seconds")
        return seconds

    def sample(self, row: Row, place: str, sample_id: str, audio: tuple[Audio, ...]) -> Sample:
        """Return the sample that a row describes.

        Raises:
            DataError: a part is missing or of the wrong kind.
        """
        return Sample(
            sample_id,
            audio,
            self._references(row, place),
            self._language_of(row, place),
            {
                group: as_text(value)
                for group, column in self._groups.items()
                if (value := _required(column, row, place)) is not None
            },
            {key: _required(column, row, place) for key, column in self._metadata.items()},
            self._clusters(row, place),
        )

    def _clusters(self, row: Row, place: str) -> dict[str, str]:
        labels = {}
        for field, column in self._cluster.items():
            value = _required(column, row, place) if self._cluster_required else row.get(column)
            if not self._cluster_required and not isinstance(value, str | int | float):
                continue  # whatever the column holds, nobody said that it names one speaker
            label = "" if value is None else as_text(value)
            if label.strip():
                labels[field] = label
            elif self._cluster_required:
                raise DataError(
                    f"{place}: the column {column!r} says nothing, and cluster= takes from it which {field} the sample "
                    "is of; fill it in, or name a column that every row has"
                )
        return labels

    def _language_of(self, row: Row, place: str) -> str | None:
        value = self._value("language", row, place)
        if value is None or value == "":
            return self._language
        code = language_code(value) if isinstance(value, str) else None
        if code is None:
            raise DataError(
                f"{place}: the language is {_shown(value)}, neither a code such as 'en' nor a language's English name; "
                "columns={language: null} leaves that column aside"
            )
        return code

    def _references(self, row: Row, place: str) -> tuple[str, ...]:
        if not self._candidates["text"]:
            return ()
        text = self._value("text", row, place)
        if not isinstance(text, str):
            raise DataError(f'{place}: the reference is {_shown(text)}, not a text; an empty one is written ""')
        return (text,)

    def _value(self, part: str, row: Row, place: str) -> Any:
        candidates = self._candidates[part]
        for column in candidates:
            if column in row:
                return row[column]
        if part in self._required:
            self._refuse_without(part, row, place)
        return None

    def _refuse_without(self, part: str, available: Collection[str], place: str) -> NoReturn:
        remedy = " (columns={audio: null} reads texts without recordings)" if part == "audio" else ""
        _refuse_missing(self._candidates[part][0], available, place, remedy)


def checked_id(value: Any, place: str) -> str:
    """Return a value as the id of a sample.

    Raises:
        DataError: it is neither a text nor a whole number, or empty.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return str(value)
        except ValueError:  # of more digits than Python writes
            value = "a number of too many digits"
    elif isinstance(value, str) and value:
        return value
    raise DataError(f"{place}: the id is {_shown(value)}; it must be a text or a whole number")


def by_name(names: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """Return a mapping as it is; a list of names as each by its own name; one name as a list of one."""
    if isinstance(names, Mapping):
        return dict(names)
    return {name: name for name in ([names] if isinstance(names, str) else names)}


def _required(column: str, row: Row, place: str) -> Any:
    if column not in row:
        _refuse_missing(column, row, place)
    return row[column]


def _refuse_missing(column: str, available: Collection[str], place: str, remedy: str = "") -> NoReturn:
    raise DataError(
        f"{place}: no column {column!r}{hint(column, available)} (there are {', '.join(available)}; "
        f"the data set's columns= says which to use){remedy}"
    )


def _shown(value: Any) -> str:
    try:
        return reprlib.repr(value)
    except (ValueError, RecursionError):
        return "beyond what can be shown"
