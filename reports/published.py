"""Published results: figures that others printed, with the release that printed them."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from pathlib import Path

from evalkit.errors import ConfigurationError, DataError
from evalkit.hints import hint

_NEEDED = ("table", "benchmark", "model", "value")
_SHOWN = 8
_OPTIONAL = ("release", "group", "metric", "is_best", "note")


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """One printed cell.

    Attributes:
        release: date and name of the document that printed it; releases sort by date.
        table: short name of the table it stands in.
        group: heading that it shares with others, such as the language; may be empty.
        benchmark: the test set, or ``Average``.
        metric: what it measures.
        model: the column or row heading it stands under.
        value: as printed, or None where ``N/A`` is printed.
        is_best: whether it is printed in bold.
        note: anything else the source says.
    """

    release: str
    table: str
    group: str
    benchmark: str
    metric: str
    model: str
    value: Decimal | None
    is_best: bool
    note: str


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """What one release printed for one model in one table.

    Attributes:
        model: the heading it stands under.
        release: date and name of the document.
        figures: in printed order.
    """

    model: str
    release: str
    figures: tuple[PublishedFigure, ...]


@cache
def load_published() -> tuple[PublishedFigure, ...]:
    """Return every published figure that evalkit knows, in the order of the sources."""
    text = (files("reports") / "published_results.csv").read_text(encoding="utf-8")
    return tuple(_figure(row) for row in csv.DictReader(text.splitlines()))


def read_published(path: Path) -> tuple[PublishedFigure, ...]:
    """Read a table of somebody's own, in the columns of ``published_results.csv``.

    Raises:
        DataError: the file cannot be read, lacks a column, or a row says what cannot be; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    figures: dict[tuple[str, ...], PublishedFigure] = {}
    for place, row in _placed_rows(path, text):
        figure = _checked_figure({**row, "release": row.get("release") or path.name}, place)
        key = (figure.release, figure.table, figure.group, figure.benchmark, figure.metric, figure.model)
        if figures.setdefault(key, figure) is not figure:
            raise DataError(f"{place}: an earlier row gives this figure already; leave one of them out")
    if not figures:
        raise DataError(f"{path}: holds no figure")
    return tuple(figures.values())


def _placed_rows(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    reader = csv.DictReader(text.splitlines(), strict=True)
    try:
        columns = list(reader.fieldnames or ())
        if lacking := [column for column in _NEEDED if column not in columns]:
            raise DataError(
                f"{path}: has no column {', '.join(lacking)}; a table of published figures has the columns "
                f"{', '.join(_NEEDED)}, and may have {', '.join(_OPTIONAL)}"
            )
        for row in reader:
            place = f"{path} line {reader.line_num}"
            if None in row or None in row.values():
                raise DataError(f"{place}: does not have the {len(columns)} fields that the heading names")
            yield place, {key: value.strip() for key, value in row.items()}
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: is not CSV ({error})") from error


def _checked_figure(row: Mapping[str, str], place: str) -> PublishedFigure:
    for column in ("table", "benchmark", "model"):
        if not row[column]:
            raise DataError(f"{place}: {column} is empty")
    try:
        figure = _figure(row)
    except InvalidOperation:
        figure = None
    if figure is None or (figure.value is not None and not figure.value.is_finite()):
        raise DataError(f"{place}: value is {row['value']!r}; it must be a number as printed, or empty for N/A")
    return figure


def _figure(row: Mapping[str, str]) -> PublishedFigure:
    return PublishedFigure(
        release=row.get("release", ""),
        table=row["table"],
        group=row.get("group", ""),
        benchmark=row["benchmark"],
        metric=row.get("metric", ""),
        model=row["model"],
        value=Decimal(row["value"]) if row["value"] else None,
        is_best=row.get("is_best") == "1",
        note=row.get("note", ""),
    )


def select_published(
    names: Iterable[str], table: str, figures: Sequence[PublishedFigure] | None = None
) -> list[PublishedModel]:
    """Return the models that the names ask for in one table, in the order asked; a model of other tables is left out.

    Args:
        names: each ``MODEL`` (its latest release with this table), ``MODEL@RELEASE`` or ``@RELEASE`` (all
            models of that release's table, in printed order); a release is named by its beginning, such as
            ``2025-07-23``.
        table: the table to select from, such as ``asr``.
        figures: among which to select; those that evalkit knows if there are none given.

    Raises:
        ConfigurationError: a model or release that is in no table.
    """
    known = load_published() if figures is None else figures
    models: list[PublishedModel] = []
    for name in names:
        models += [model for model in _select(name, table, known) if model not in models]
    return models


def _select(name: str, table: str, figures: Sequence[PublishedFigure]) -> list[PublishedModel]:
    model, _, release = name.partition("@")
    candidates = [figure for figure in figures if model in ("", figure.model)]
    if not candidates:
        raise ConfigurationError(_unknown_model(model, figures))
    of_release = [figure for figure in candidates if figure.release.startswith(release)]
    if not of_release:
        known = ", ".join(sorted({figure.release for figure in candidates}))
        whose = repr(model) if model else "any model"
        raise ConfigurationError(f"no release {release!r} with figures of {whose}; there are: {known}")
    in_table = [figure for figure in of_release if figure.table == table]
    latest = max((figure.release for figure in in_table), default="")
    printed = [figure for figure in in_table if figure.release == latest]
    return [
        PublishedModel(title, latest, tuple(figure for figure in printed if figure.model == title))
        for title in dict.fromkeys(figure.model for figure in printed)
    ]


def _unknown_model(model: str, figures: Sequence[PublishedFigure]) -> str:
    known = list(dict.fromkeys(figure.model for figure in figures))
    there_are = "`evalkit list published` names all" if len(known) > _SHOWN else f"there are: {', '.join(known)}"
    return f"no published results of a model {model!r}{hint(model, known) or f'; {there_are}'}"
