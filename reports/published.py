"""Published results: figures that others printed, with the release that printed them."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files

from evalkit.errors import ConfigurationError
from evalkit.hints import hint


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
    return tuple(
        PublishedFigure(
            release=row["release"],
            table=row["table"],
            group=row["group"],
            benchmark=row["benchmark"],
            metric=row["metric"],
            model=row["model"],
            value=Decimal(row["value"]) if row["value"] else None,
            is_best=row["is_best"] == "1",
            note=row["note"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def select_published(names: Iterable[str], table: str) -> list[PublishedModel]:
    """Return the models that the names ask for in one table, in the order asked; a model of other tables is left out.

    Args:
        names: each ``MODEL`` (its latest release with this table), ``MODEL@RELEASE`` or ``@RELEASE`` (all
            models of that release's table, in printed order); a release is named by its beginning, such as
            ``2025-07-23``.
        table: the table to select from, such as ``asr``.

    Raises:
        ConfigurationError: a model or release that is in no table.
    """
    models: list[PublishedModel] = []
    for name in names:
        models += [model for model in _select(name, table) if model not in models]
    return models


def _select(name: str, table: str) -> list[PublishedModel]:
    model, _, release = name.partition("@")
    candidates = [figure for figure in load_published() if model in ("", figure.model)]
    if not candidates:
        raise ConfigurationError(_unknown_model(model))
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


def _unknown_model(model: str) -> str:
    known = hint(model, dict.fromkeys(figure.model for figure in load_published()))
    return f"no published results of a model {model!r}{known or '; `evalkit list published` names all'}"
