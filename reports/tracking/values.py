"""A run as trackers take it: numbers by name, settings by name, and a table of all figures."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from evalkit.results.metrics_file import RunResult
from reports.figures import Figure, figures_of

_SHOWN = tuple(each.name for each in fields(Figure) if each.name not in ("evalkit", "model_name"))


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a tracker is told of a run.

    Attributes:
        name: of the run.
        numbers: each figure under ``TASK/METRIC``, of a part of a task under ``TASK/GROUP/LABEL/METRIC``, of an average
            under ``average/NAME``; the ends of its interval are named so with ``_low`` and ``_high`` behind it.
        settings: what the figures depend on: the model, evalkit's version, and the recipe of each headline.
        columns: headings of the table of figures.
        rows: the table of figures.
        files: what is kept with it: the results as they are, and the report if there is one.
    """

    name: str
    numbers: Mapping[str, float]
    settings: Mapping[str, str]
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    files: tuple[Path, ...]


def tracked(run: RunResult, report: Path | None = None) -> Tracked:
    """Return what a tracker is told of a run.

    Args:
        run: as read from its folder.
        report: the folder of its report, to be kept with it.
    """
    figures = list(figures_of(run))
    numbers: dict[str, float] = {}
    for figure in figures:
        if figure.value is not None:
            name = _name(figure)
            numbers[name] = figure.value
            if figure.low is not None and figure.high is not None:
                numbers |= {f"{name}_low": figure.low, f"{name}_high": figure.high}
    recipes = {f"recipe/{each.name}": each.recipe for each in figures if each.kind == "task" and each.headline}
    files = [] if run.folder is None else [run.folder / "metrics.json"]
    return Tracked(
        name=run.name,
        numbers=numbers,
        settings={"model": run.model, "model_name": run.model_name, "evalkit": run.evalkit, **recipes},
        columns=_SHOWN,
        rows=tuple(tuple(getattr(each, name) for name in _SHOWN) for each in figures),
        files=(*files, *([report] if report else [])),
    )


def _name(figure: Figure) -> str:
    parts = ["average", figure.name] if figure.kind == "average" else [figure.name, figure.group, figure.label]
    parts += [] if figure.kind == "average" else [figure.metric]
    # Of what trackers take in names; a slash would part what belongs together.
    return "/".join(re.sub(r"[^\w. -]+", "_", part) for part in parts if part)
