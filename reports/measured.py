"""Measured results: what a run folder's ``metrics.json`` says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import StoreError
from reports.table import Samples


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of one task: fractions throughout, each None where it could not be computed."""

    name: str
    value: float | None
    interval: tuple[float, float] | None
    level: float
    standard_error: float | None
    recipe: str

    def recipe_field(self, name: str) -> str:
        """One field of the recipe, such as its ``unit``; empty if it has none of this name."""
        return dict(field.partition(":")[::2] for field in self.recipe.split("|")).get(name, "")


@dataclass(frozen=True, slots=True)
class Result:
    """One task of a run.

    Attributes:
        task: its key, also its folder's name.
        title: its name for people.
        place: where published tables show it: ``table``, ``group``, ``benchmark``; may be empty.
        samples: the counts.
        partial: whether fewer samples than the complete data set were run.
        not_applicable: why the model could not be asked at all, or None.
        headline: the key of the metric that the table shows, or None if nothing was computed.
        figures: by metric key.
    """

    task: str
    title: str
    place: Mapping[str, str]
    samples: Samples
    partial: bool
    not_applicable: str | None
    headline: str | None
    figures: Mapping[str, Figure]

    @property
    def figure(self) -> Figure | None:
        """The headline figure."""
        return self.figures.get(self.headline) if self.headline is not None else None


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder, read."""

    folder: Path
    name: str
    model: str
    results: tuple[Result, ...]


def read_run(folder: Path) -> Run:
    """Read a run folder's metrics.

    Raises:
        StoreError: there is no ``metrics.json``, or it is not one of ours.
    """
    path = folder / "metrics.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Run(
            folder=folder,
            name=record["name"],
            model=record["model"]["title"],
            results=tuple(_result(task, fields) for task, fields in record["tasks"].items()),
        )
    except FileNotFoundError as error:
        raise StoreError(f"{path}: no such file; is this a run folder, and is the run complete?") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from error
    except KeyError as error:
        hint = f"write it anew with `evalkit score {folder}`"
        raise StoreError(f"{path}: the key {error} is missing; {hint}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"{path}: not a metrics file ({error})") from error


def _result(task: str, fields: Mapping[str, Any]) -> Result:
    samples = fields["samples"]
    return Result(
        task=task,
        title=fields["title"],
        place=fields["table"],
        samples=Samples(**{name: samples[name] for name in Samples.__dataclass_fields__}),
        partial=fields["partial"],
        not_applicable=fields["not_applicable"],
        headline=fields["headline"],
        figures={key: _figure(metric) for key, metric in fields["metrics"].items()},
    )


def _figure(metric: Mapping[str, Any]) -> Figure:
    interval = metric["interval"]
    return Figure(
        name=metric["name"],
        value=metric["value"],
        interval=(interval[0], interval[1]) if interval and None not in interval else None,
        level=metric["level"],
        standard_error=metric["standard_error"],
        recipe=metric["recipe"],
    )
