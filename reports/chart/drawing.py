"""How the radar chart looks: matplotlib, and nothing that decides what is shown."""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, HPacker, TextArea, VPacker

from evalkit.metrics.metric import rounded
from reports.chart.axes import BEST, RIM, WORST, Axis, Radar, radii, scale_in_words
from reports.plots.style import GREY, PALE, Drawing, line_styles, write_drawing
from reports.tables.remarks import INCOMPLETE

_MOST_MODELS_WITH_VALUES = 3
_UP, _DOWN = "↑↓"


def radar_drawing(radar: Radar) -> Drawing:
    """Return the chart, ready to be drawn."""

    def compose(figure: Figure) -> None:
        _compose(figure, radar.models, radar.axes)

    return Drawing("radar", "Radar chart of the models", (5.7, 5.7), compose, radar.notes)


def draw_radar(radar: Radar, *files: Path) -> list[str]:
    """Write the chart into files, as ``write_drawing`` does, and return what has to be said about them."""
    return write_drawing(radar_drawing(radar), files)


def _compose(figure: Figure, models: Sequence[str], axes: Sequence[Axis]) -> None:
    plot = figure.add_axes((0.0, 0.0, 1.0, 1.0), aspect="equal", frameon=False)
    plot.set_axis_off()
    plot.set_xlim(-RIM, RIM)
    plot.set_ylim(-RIM, RIM)
    angles = [math.pi / 2 - 2 * math.pi * position / len(axes) for position in range(len(axes))]
    _draw_grid(plot, angles)
    distances = radii(axes)
    styles = line_styles(len(models))
    handles = []
    for index, (colour, dashes, marker) in enumerate(styles):
        across, up = _ring([spoke[index] for spoke in distances], angles)
        handles += plot.plot(
            across,
            up,
            color=colour,
            linestyle=dashes,
            linewidth=2.2,
            marker=marker,
            markersize=7.5,
            markeredgecolor="white",
            markeredgewidth=0.6,
            zorder=len(models) - index + 10,  # the first on top: the measured ones
            clip_on=False,
        )
        if len(models) <= _MOST_MODELS_WITH_VALUES and not any(map(math.isnan, across)):
            plot.fill(across, up, color=colour, alpha=0.07, linewidth=0, zorder=3)
    width = 16 if len(axes) <= 12 else 12
    labels = [
        _draw_label(plot, axis, angle, width, [colour for colour, _, _ in styles])
        for axis, angle in zip(axes, angles, strict=True)
    ]
    below = min(label.get_window_extent().y0 for label in labels) - 20
    legend = plot.legend(
        handles=handles,
        labels=[textwrap.fill(model, 28) for model in models],
        loc="upper center",
        bbox_to_anchor=(0.5, plot.transAxes.inverted().transform((0, below))[1]),
        borderaxespad=0,
        ncols=min(len(models), 3),
        frameon=False,
        fontsize=12.5,
        handlelength=3.4,
        columnspacing=1.6,
    )
    below = legend.get_window_extent().y0 - 12
    plot.text(
        0.5,
        plot.transAxes.inverted().transform((0, below))[1],
        textwrap.fill(_explained(models, axes), 66),
        transform=plot.transAxes,
        horizontalalignment="center",
        verticalalignment="top",
        fontsize=11,
        color=GREY,
    )


def _explained(models: Sequence[str], axes: Sequence[Axis]) -> str:
    """Say how to read the chart."""
    few = len(models) <= _MOST_MODELS_WITH_VALUES
    shown = "the values in the order of the legend" if few else "best – worst value"
    sentences = [
        f"Beside each axis: {shown}, as in the table; {_UP} higher is better, {_DOWN} lower is better.",
        f"Further out is better. {scale_in_words(axes)}.",
        "A gap in a line: no value.",
    ]
    if any(axis.partial for axis in axes):
        sentences.append(f"{INCOMPLETE}: not measured on the complete data set.")
    return " ".join(sentences)


def _ring(distances: Sequence[float | None], angles: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the corners of a closed polygon, nan where there is no distance: a line has a gap there."""
    corners = [(math.nan if r is None else r, angle) for r, angle in zip(distances, angles, strict=True)]
    closed = [*corners, corners[0]]
    return [r * math.cos(angle) for r, angle in closed], [r * math.sin(angle) for r, angle in closed]


def _draw_grid(plot: Any, angles: Sequence[float]) -> None:
    for radius in (WORST, (WORST + BEST) / 2, BEST):
        across, up = _ring([radius] * len(angles), angles)
        plot.plot(across, up, color=PALE, linewidth=1.0, zorder=1)
    for angle in angles:
        plot.plot([0, RIM * math.cos(angle)], [0, RIM * math.sin(angle)], color=PALE, linewidth=1.0, zorder=1)


def _draw_label(plot: Any, axis: Axis, angle: float, width: int, colours: Sequence[str]) -> AnnotationBbox:
    """Draw the name of the axis and its values: one per model in its colour, or best and worst of many."""
    title = f"{_wrapped(axis.label, width)} {_UP if axis.higher_is_better else _DOWN}"
    title += f" {INCOMPLETE}" if axis.partial else ""
    name = TextArea(title, textprops={"fontsize": 12.5, "multialignment": "center"})
    if len(axis.values) <= _MOST_MODELS_WITH_VALUES:
        texts = ["–" if value is None else rounded(value, axis.decimals) for value in axis.values]
        values: Any = HPacker(
            children=[
                TextArea(text, textprops={"fontsize": 12, "color": colour, "fontweight": "bold"})
                for text, colour in zip(texts, colours, strict=True)
            ],
            pad=0,
            sep=7,
        )
    else:
        known = sorted((value for value in axis.values if value is not None), reverse=axis.higher_is_better)
        ends = dict.fromkeys(rounded(value, axis.decimals) for value in (known[0], known[-1]))
        values = TextArea(" – ".join(ends), textprops={"fontsize": 11.5, "color": GREY})
    label = AnnotationBbox(
        VPacker(children=[name, values], align="center", pad=0, sep=3),
        (1.05 * math.cos(angle), 1.05 * math.sin(angle)),
        box_alignment=((1 - math.cos(angle)) / 2, (1 - math.sin(angle)) / 2),
        frameon=False,
        pad=0,
        annotation_clip=False,
    )
    plot.add_artist(label)
    return label


def _wrapped(text: str, width: int) -> str:
    """Break a text into lines at spaces, and at hyphens only where a word is too long for a line."""
    lines = textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
    return "\n".join(part for line in lines for part in textwrap.wrap(line, width))
