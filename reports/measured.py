"""Measured results: what a run folder's ``metrics.json`` says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import StoreError
from evalkit.metrics.metric import comparability
from reports.table import AVERAGES, Samples

PUBLISHED_SET = ""
"""Names the data of the published figures, which is what a task is on unless its place says otherwise."""


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
class Part:
    """The figures, by metric key, of those samples of a task that share a group label, and how many they are."""

    samples: int
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Result:
    """One task of a run.

    Attributes:
        task: its key, also its folder's name.
        title: its name for people.
        place: where published tables show it: ``table``, ``group``, ``benchmark``; may be empty. With a ``set`` too,
            it is of other data than the published figures, and stands in a table of that set alone.
        samples: the counts.
        partial: whether fewer samples than the complete data set were run.
        not_applicable: why the model could not be asked at all, or None.
        headline: the key of the metric that the table shows, or None if nothing was computed.
        figures: by metric key.
        groups: its parts, by name of the group and label.
    """

    task: str
    title: str
    place: Mapping[str, str]
    samples: Samples
    partial: bool
    not_applicable: str | None
    headline: str | None
    figures: Mapping[str, Figure]
    groups: Mapping[str, Mapping[str, Part]]

    @property
    def benchmark(self) -> str:
        """What published tables call it, or else its title; that too where it stands under a mere ``Avg.``."""
        name = self.place.get("benchmark", self.title)
        return self.title if name in AVERAGES else name

    @property
    def set_name(self) -> str:
        """The set of data of its own that it belongs to, or ``PUBLISHED_SET``."""
        return self.place.get("set", PUBLISHED_SET)

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
    metrics = fields["metrics"]
    return Result(
        task=task,
        title=fields["title"],
        place=fields["table"],
        samples=Samples(**{name: samples[name] for name in Samples.__dataclass_fields__}),
        partial=fields["partial"],
        not_applicable=fields["not_applicable"],
        headline=fields["headline"],
        figures={key: _figure(metric) for key, metric in metrics.items()},
        groups={
            name: {label: _part(part, metrics) for label, part in parts.items()}
            for name, parts in fields["groups"].items()
        },
    )


def _part(part: Mapping[str, Any], metrics: Mapping[str, Any]) -> Part:
    # A part is scored as its task is, but has counts of its own.
    inherited = {
        key: {"level": each["level"], "recipe": comparability(each["recipe"])} for key, each in metrics.items()
    }
    return Part(part["samples"], {key: _figure(inherited[key] | each) for key, each in part["metrics"].items()})


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
