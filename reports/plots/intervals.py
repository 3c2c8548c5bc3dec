"""Labelled rows of values with their intervals: one row below the other, a mark for each series."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from reports.plots.labels import wrapped
from reports.plots.style import PALE, LineStyle, line_styles

_INCHES_A_ROW, _INCHES_BESIDE = 0.34, 1.1
_WIDTH = 7.2
_BETWEEN_SERIES = 0.5


@dataclass(frozen=True, slots=True)
class Point:
    """A value with its interval.

    Attributes:
        value: where its mark stands.
        low: the lower end of the interval; None where none can be given.
        high: its upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """One line of the plot.

    Attributes:
        label: what it is of.
        points: one for each series; None where it has no value.
        heading: stands above the first of the rows that share it; empty for none.
    """

    label: str
    points: tuple[Point | None, ...]
    heading: str = ""


@dataclass(frozen=True, slots=True)
class IntervalPanel:
    """Rows that share a scale.

    Attributes:
        rows: from the top down.
        x_label: what the scale is of.
    """

    rows: tuple[IntervalRow, ...]
    x_label: str


def point(value: float | None, interval: tuple[float, float] | None) -> Point | None:
    """Return a value as a point, None if it is none."""
    return None if value is None else Point(value, *(interval or (None, None)))


def size_of(panels: Sequence[IntervalPanel]) -> tuple[float, float]:
    """Return the size of a plot that has room for the panels, in inches."""
    return _WIDTH, sum(map(_inches, panels))


def draw_panels(figure: Figure, panels: Sequence[IntervalPanel], series: Sequence[str]) -> None:
    """Draw panels of rows from the top down, with a legend if there are several series."""
    figure.set_layout_engine("constrained")
    plots = figure.subplots(len(panels), squeeze=False, height_ratios=list(map(_inches, panels)))[:, 0]
    styles = line_styles(len(series))
    for plot, panel in zip(plots, panels, strict=True):
        _draw_panel(plot, panel, styles)
    if len(series) > 1:
        add_legend(figure, plots[0], series, styles)


def _draw_panel(plot: Any, panel: IntervalPanel, styles: Sequence[LineStyle]) -> None:
    top, heading = 0.0, ""
    ticks: list[tuple[float, str, bool]] = []
    for row in panel.rows:
        if row.heading and row.heading != heading:
            ticks.append((top, wrapped(row.heading), True))
            top += 1
        heading = row.heading
        middle = top + (_height(row) - 1) / 2
        ticks.append((middle, wrapped(row.label), False))
        for index, (each, style) in enumerate(zip(row.points, styles, strict=True)):
            if each is not None:
                draw_point(plot, each, middle + (index - (len(row.points) - 1) / 2) * _BETWEEN_SERIES, style)
        top += _height(row)
        plot.axhline(top - 0.5, color=PALE, linewidth=0.6)
    plot.set_ylim(top - 0.5, -0.6)
    label_rows(plot, ticks)
    plot.set_xlabel(panel.x_label)


def label_rows(plot: Any, ticks: Sequence[tuple[float, str, bool]]) -> None:
    """Write labels at heights of the plot; the third of each is whether it is a heading."""
    plot.set_yticks([height for height, _, _ in ticks], [label for _, label, _ in ticks])
    for text, (_, _, strong) in zip(plot.get_yticklabels(), ticks, strict=True):
        text.set_fontweight("bold" if strong else "normal")
    plot.tick_params(axis="y", length=0)
    plot.grid(axis="x")


def draw_point(plot: Any, each: Point, height: float, style: LineStyle, *, hollow: bool = False) -> None:
    """Draw a value and its interval at a height of the plot."""
    if each.low is not None and each.high is not None:
        plot.plot([each.low, each.high], [height, height], color=style.colour, linewidth=1.8, zorder=3)
    plot.plot(
        [each.value],
        [height],
        marker=style.marker,
        color=style.colour,
        markerfacecolor="white" if hollow else style.colour,
        markersize=7,
        linestyle="",
        zorder=4,
    )


def add_legend(figure: Figure, plot: Any, series: Sequence[str], styles: Sequence[LineStyle]) -> None:
    """Name the series below the plot."""
    handles = [
        plot.plot([], [], color=style.colour, marker=style.marker, linestyle=style.dashes, label=wrapped(title))[0]
        for title, style in zip(series, styles, strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(series), 3), handlelength=3)


def _inches(panel: IntervalPanel) -> float:
    headings = len({row.heading for row in panel.rows if row.heading})
    return _INCHES_A_ROW * (sum(map(_height, panel.rows)) + headings) + _INCHES_BESIDE


def _height(row: IntervalRow) -> float:
    return max(1.0, _BETWEEN_SERIES * len(row.points) + 0.4)


def add_bars_legend(figure: Figure, kinds: Sequence[tuple[str, str, str]]) -> None:
    """Name the parts of bars, each with its colour and hatching, below the plot."""
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=colour, hatch=hatch, edgecolor="black", linewidth=0.6, label=name)
        for name, colour, hatch in kinds
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(kinds), handlelength=3, handleheight=1.2)
