"""The radar chart: one axis per test set, one polygon per model, better always further out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from reports.remarks import INCOMPLETE
from reports.table import Table

CORNERS = 3
# Radii: the centre is kept for what has no value, so that the worst value of an axis is not taken for none.
WORST, BEST, RIM = 0.3, 0.95, 1.0
_LEAST_SPAN = 2.0


@dataclass(frozen=True, slots=True)
class Axis:
    """One spoke.

    Attributes:
        label: its name.
        values: one per model, as the table prints them; None where there is none.
        higher_is_better: if not, ``100 - value`` is drawn.
        partial: whether a value was not measured on the complete data set.
        decimals: with how many decimals values are printed.
    """

    label: str
    values: tuple[Decimal | None, ...]
    higher_is_better: bool
    partial: bool = False
    decimals: int = 2


@dataclass(frozen=True, slots=True)
class Radar:
    """What a chart shows: models, spokes clockwise from the top (none: no chart), and what has to be said."""

    models: tuple[str, ...]
    axes: tuple[Axis, ...]
    notes: tuple[str, ...]


def table_axes(table: Table, *, higher_is_better: bool) -> list[Axis]:
    """The rows of a table as axes: those with a measured value, or all if no column is measured."""
    published_only = all(column.published for column in table.columns)
    return [
        Axis(
            row.title,
            tuple(cell.value for cell in row.cells),
            higher_is_better,
            partial=any(INCOMPLETE in cell.marks for cell in row.cells),
        )
        for group in table.groups
        for row in group.rows
        if not row.average
        and any(
            cell.value is not None and (published_only or not column.published)
            for cell, column in zip(row.cells, table.columns, strict=True)
        )
    ]


def radar(models: Sequence[str], axes: Sequence[Axis]) -> Radar:
    """Choose what can be drawn: a polygon has at least three corners, and so has a model to have values.

    Args:
        models: names for the legend.
        axes: the possible spokes.
    """
    shown = [index for index in range(len(models)) if sum(axis.values[index] is not None for axis in axes) >= CORNERS]
    notes = []
    left_out = [model for index, model in enumerate(models) if index not in shown]
    if not shown:
        return Radar((), (), (f"No radar chart: no model has values on {CORNERS} test sets or more.",))
    if left_out:
        notes.append(f"Not in the chart, having values on fewer than {CORNERS} axes: {', '.join(left_out)}.")
    chosen = [replace(axis, values=tuple(axis.values[index] for index in shown)) for axis in axes]
    chosen = [axis for axis in chosen if any(value is not None for value in axis.values)]
    return Radar(tuple(models[index] for index in shown), tuple(chosen), tuple(notes))


def radii(axes: Sequence[Axis]) -> list[list[float]]:
    """For every axis, how far out each model's value is drawn: 0 the centre (no value), 1 the rim.

    Better is further out; an error rate is drawn as 100 minus the rate. The best value of an axis lies near
    the rim. The worst lies on the inner ring if at least three models are shown: every axis then has its own
    scale, spanning at least 2 points. Between two models such scales would show nothing but the winner, so
    the widest of them serves all axes. For a single model every axis runs from 0 to 100.
    """
    spans = [_span(axis) for axis in axes]
    if axes and len(axes[0].values) == 2:
        widest = max((high - low for high, low in spans), default=_LEAST_SPAN)
        spans = [(high, high - widest) for high, _ in spans]
    return [
        [0.0 if score is None else _radius(score, *span) for score in _scores(axis)]
        for axis, span in zip(axes, spans, strict=True)
    ]


def _span(axis: Axis) -> tuple[float, float]:
    """The best and the worst score of an axis, at least so far apart that chance does not fill the chart."""
    if len(axis.values) == 1:
        return 100.0, 0.0
    known = [score for score in _scores(axis) if score is not None]
    best = max(known, default=100.0)
    return best, min([*known, best - _LEAST_SPAN])


def _scores(axis: Axis) -> list[float | None]:
    """The values as drawn, higher being better."""
    return [None if value is None else float(value if axis.higher_is_better else 100 - value) for value in axis.values]


def _radius(score: float, best: float, worst: float) -> float:
    share = (score - worst) / (best - worst)
    return WORST + (BEST - WORST) * min(max(share, 0.0), 1.0)
