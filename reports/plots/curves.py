"""Curves with their intervals: a value against a number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from reports.plots.intervals import Point, add_legend
from reports.plots.style import LineStyle, line_styles

SIZE = (7.2, 4.4)
_BAND = 0.16


@dataclass(frozen=True, slots=True)
class Curve:
    """A series of values.

    Attributes:
        title: what it is of.
        x: where its points stand, in order.
        points: one for each of them.
    """

    title: str
    x: tuple[float, ...]
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around curves.

    Attributes:
        x_label: what they are drawn against.
        y_label: what they are of.
        band: whether intervals are drawn as a band, rather than a bar at each point.
        logarithmic: whether the scale across is.
        names: what the places across are called, where they are not numbers: dates, for instance.
    """

    x_label: str
    y_label: str
    band: bool = False
    logarithmic: bool = False
    names: tuple[tuple[float, str], ...] = ()


def draw_curves(figure: Figure, curves: Sequence[Curve], frame: Frame) -> None:
    """Draw curves into one field, with a legend if there are several."""
    figure.set_layout_engine("constrained")
    plot = figure.add_subplot()
    styles = line_styles(len(curves))
    for curve, style in zip(curves, styles, strict=True):
        _draw(plot, curve, style, band=frame.band)
    if frame.logarithmic:
        plot.set_xscale("log")
        plot.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        plot.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        plot.xaxis.set_minor_formatter(NullFormatter())
    if frame.names:
        plot.set_xticks([x for x, _ in frame.names], [name for _, name in frame.names], rotation=30, ha="right")
    plot.grid()
    plot.set_xlabel(frame.x_label)
    plot.set_ylabel(frame.y_label)
    if len(curves) > 1:
        add_legend(figure, plot, [curve.title for curve in curves], styles)


def _draw(plot: Any, curve: Curve, style: LineStyle, *, band: bool) -> None:
    known = [(x, each) for x, each in zip(curve.x, curve.points, strict=True)]
    ends = [(x, each.low, each.high) for x, each in known if each.low is not None and each.high is not None]
    if band and ends:
        across, low, high = zip(*ends, strict=True)
        plot.fill_between(across, low, high, color=style.colour, alpha=_BAND, linewidth=0)
        for edge in (low, high):  # without colour the band alone would hardly be seen
            plot.plot(across, edge, color=style.colour, linewidth=0.7, linestyle=style.dashes)
    elif ends:
        for x, low_end, high_end in ends:
            plot.plot([x, x], [low_end, high_end], color=style.colour, linewidth=1.5)
    plot.plot(
        [x for x, _ in known],
        [each.value for _, each in known],
        color=style.colour,
        linestyle=style.dashes,
        linewidth=1.8,
        marker=style.marker,
        markersize=5 if band else 6.5,
        markeredgecolor="white",
        markeredgewidth=0.5,
        zorder=3,
    )
