"""The radar chart: one axis per test set, one polygon per model, better always further out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from reports.tables.entries import Entry, Place
from reports.tables.layout import FilledTable
from reports.tables.remarks import INCOMPLETE

CORNERS = 3
# Radii: the centre is kept free, so that the worst value of an axis is not taken for none.
WORST, BEST, RIM = 0.3, 0.95, 1.0
_LEAST_SPAN = 2.0
_RECOGNITION = "asr"
_Model = tuple[str, bool]  # title, and whether it is published


class AxisSource(NamedTuple):
    """Where the values of an axis are found.

    Attributes:
        label: name of the axis.
        table: name of the table.
        place: in that table.
        higher_is_better: the direction of improvement.
    """

    label: str
    table: str
    place: Place
    higher_is_better: bool


README_AXES = (
    AxisSource("AISHELL-2", _RECOGNITION, ("Chinese", "AISHELL-2"), False),
    AxisSource("LibriSpeech test-clean", _RECOGNITION, ("English", "LibriSpeech clean"), False),
    AxisSource("MMAU speech", "mmau", ("", "Speech"), True),
    AxisSource("MMAU sound", "mmau", ("", "Sound"), True),
    AxisSource("MMAU music", "mmau", ("", "Music"), True),
    AxisSource("StepEval-Audio-Paralinguistic", "paralinguistic", ("", "Avg."), True),
    AxisSource("CoVoST 2", "covost2", ("", "Avg."), True),
    AxisSource("CVSS", "cvss", ("", "Avg."), True),
    AxisSource("URO-Bench Basic-zh", "uro_bench", ("Chinese Basic", "Avg."), True),
    AxisSource("URO-Bench Basic-en", "uro_bench", ("English Basic", "Avg."), True),
)
"""The chart of Step-Audio 2's README, clockwise from the top."""


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
    """What a chart shows.

    Attributes:
        models: their titles, for the legend.
        axes: the spokes, clockwise from the top; without any there is no chart.
        notes: what has to be said under it.
    """

    models: tuple[str, ...]
    axes: tuple[Axis, ...]
    notes: tuple[str, ...]


def tables_radar(tables: Sequence[FilledTable], wanted: Sequence[AxisSource] = ()) -> Radar:
    """Return the chart of a report: the axes of the README's chart, or else the rows of the speech recognition table.

    Axes are those on which a run has a value, or all if there are only published models. The README's are taken if
    there are enough of them for a polygon.

    Args:
        tables: where the values stand.
        wanted: axes that take the place of both.
    """
    by_name = {filled.table.name: filled.entries for filled in tables}
    entries = [entry for filled in tables for entry in filled.entries]
    models = list(dict.fromkeys((e.title, e.published) for e in sorted(entries, key=lambda e: e.published)))
    axes = _axes(wanted or README_AXES, by_name, models)
    if len(axes) < CORNERS and not wanted:
        recognition = {place: None for entry in by_name.get(_RECOGNITION, ()) for place in entry.cells}
        rows = [AxisSource(place[1], _RECOGNITION, place, False) for place in recognition if place[1] != "Average"]
        axes = _axes(rows, by_name, models)
    return radar(_labels(models), axes)


def radar(models: Sequence[str], axes: Sequence[Axis]) -> Radar:
    """Choose what can be drawn: a model must have at least three values, and values on half of the axes.

    Args:
        models: names for the legend.
        axes: the possible spokes.
    """
    least = max(CORNERS, (len(axes) + 1) // 2)
    shown = [index for index in range(len(models)) if sum(axis.values[index] is not None for axis in axes) >= least]
    if not shown:
        return Radar((), (), (f"No radar chart: no model has values on {least} test sets or more.",))
    left_out = [model for index, model in enumerate(models) if index not in shown]
    notes = [f"Not in the chart, having values on fewer than {least} axes: {', '.join(left_out)}."] if left_out else []
    chosen = [replace(axis, values=tuple(axis.values[index] for index in shown)) for axis in axes]
    chosen = [axis for axis in chosen if any(value is not None for value in axis.values)]
    return Radar(tuple(models[index] for index in shown), tuple(chosen), tuple(notes))


def radii(axes: Sequence[Axis]) -> list[list[float | None]]:
    """Return for every axis how far out each model's value is drawn, 1 being the rim; None where it has no value.

    Better is further out; an error rate is drawn as 100 minus the rate. The best value of an axis lies near
    the rim. The worst lies on the inner ring if at least three models are shown: every axis then has its own
    scale, spanning at least 2 points. Between two models such scales would show nothing but the winner, so
    the widest of them serves all axes. For a single model every axis runs from 0 to 100.
    """
    return [
        [None if score is None else _radius(score, *span) for score in _scores(axis)]
        for axis, span in zip(axes, _spans(axes), strict=True)
    ]


def scale_in_words(axes: Sequence[Axis]) -> str:
    """Return what the rings of the chart stand for, as ``radii`` draws them."""
    models = len(axes[0].values)
    if models == 1:
        return "The inner ring is 0, or an error rate of 100; the outer one is 100, or an error rate of 0"
    if models == 2:
        best, worst = _spans(axes)[0]
        return (
            f"On every axis it is {best - worst:.4g} points from the best value, on the outer ring, to the inner ring"
        )
    return "Each axis has a scale of its own: its worst value on the inner ring, its best on the outer one"


def _axes(wanted: Sequence[AxisSource], tables: Mapping[str, Sequence[Entry]], models: Sequence[_Model]) -> list[Axis]:
    """Return the axes that the runs, or the published models if there are no runs, have values on."""
    drivers = [model for model in models if not model[1]] or list(models)
    axes = []
    for label, table, place, higher_is_better in wanted:
        cells = {(entry.title, entry.published): entry.cell(place) for entry in tables.get(table, ())}
        if any(model in cells and cells[model].value is not None for model in drivers):
            printed = [cell for cell in cells.values() if cell.value is not None]
            axes.append(
                Axis(
                    label,
                    tuple(cells[model].value if model in cells else None for model in models),
                    higher_is_better,
                    any(INCOMPLETE in cell.marks for cell in printed),
                    max(len(cell.text.partition(".")[2]) for cell in printed),
                )
            )
    return axes


def _labels(models: Sequence[_Model]) -> list[str]:
    """Return names for the legend: a published model says so where a run has the same title."""
    measured = {title for title, published in models if not published}
    return [f"{title} (published)" if published and title in measured else title for title, published in models]


def _spans(axes: Sequence[Axis]) -> list[tuple[float, float]]:
    """Return the scores that the outer and the inner ring stand for on each axis."""
    spans = [_span(axis) for axis in axes]
    if axes and len(axes[0].values) == 2:
        widest = max((high - low for high, low in spans), default=_LEAST_SPAN)
        spans = [(high, high - widest) for high, _ in spans]
    return spans


def _span(axis: Axis) -> tuple[float, float]:
    """Return the best and the worst score of an axis, at least so far apart that chance does not fill the chart."""
    if len(axis.values) == 1:
        return 100.0, 0.0
    known = [score for score in _scores(axis) if score is not None]
    best = max(known, default=100.0)
    return best, min([*known, best - _LEAST_SPAN])


def _scores(axis: Axis) -> list[float | None]:
    """Return the values as drawn, higher being better."""
    return [None if value is None else float(value if axis.higher_is_better else 100 - value) for value in axis.values]


def _radius(score: float, best: float, worst: float) -> float:
    share = (score - worst) / (best - worst)
    return WORST + (BEST - WORST) * min(max(share, 0.0), 1.0)
