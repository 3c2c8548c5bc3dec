"""How the radar chart looks: matplotlib, and nothing that decides what is shown."""

import math
import textwrap
import warnings
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, HPacker, TextArea, VPacker

from evalkit.metrics.metric import rounded
from reports.chart.axes import BEST, RIM, WORST, Axis, Radar, radii
from reports.tables.remarks import INCOMPLETE

# Okabe and Ito's palette, its pale colours darkened for print; every colour has its own line and marker, so
# that the chart survives greyscale.
_COLOURS = ("#0072B2", "#D55E00", "#00795A", "#AA4A8A", "#000000", "#C98500", "#3E9BD0")
_DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.2, 1.1)),
    (0, (7, 1.5, 1.2, 1.5)),
    (0, (10, 2)),
    (0, (3, 1)),
)
_MARKERS = "os^DvPX"
# Tried in order for every character; those that are not installed are passed over.
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Noto Sans Arabic",
    "Arial Unicode MS",
)
_GREY = "#595959"
_MOST_MODELS_WITH_VALUES = 3


def draw_radar(radar: Radar, png: Path, svg: Path) -> list[str]:
    """Write the chart as a bitmap of 200 dots per inch and as a vector graphic.

    Returns:
        What has to be said about it: characters that no installed font has.
    """
    installed = set(font_manager.fontManager.get_font_names())
    fonts = [font for font in _FONTS if font in installed]
    missing = _missing_characters("".join([*radar.models, *(axis.label for axis in radar.axes)]), fonts)
    settings: Any = {
        "font.family": fonts,
        # A fixed salt: identifiers in the SVG would otherwise differ from one drawing to the next.
        "svg.hashsalt": "evalkit",
        # Shapes look alike everywhere; but where we lack a character, the reader's machine may have it.
        "svg.fonttype": "none" if missing else "path",
        # Model titles are not formulas.
        "text.parse_math": False,
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(figsize=(5.7, 5.7))
        FigureCanvasAgg(figure)
        _compose(figure, radar.models, radar.axes)
        layout: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.12, "facecolor": "white"}
        figure.savefig(png, dpi=200, metadata={"Software": None}, **layout)
        figure.savefig(svg, metadata={"Date": None}, **layout)
    if not missing:
        return []
    return [f"No installed font has {missing}: boxes in radar.png, left to the reader's fonts in radar.svg."]


def _missing_characters(text: str, fonts: Sequence[str]) -> str:
    """Return the characters of the text that none of the fonts has."""
    faces = [font_manager.get_font(font_manager.findfont(font)) for font in fonts]
    return "".join(
        character
        for character in dict.fromkeys(text)
        if not character.isspace() and not any(face.get_char_index(ord(character)) for face in faces)
    )


def _compose(figure: Figure, models: Sequence[str], axes: Sequence[Axis]) -> None:
    plot = figure.add_axes((0.0, 0.0, 1.0, 1.0), aspect="equal", frameon=False)
    plot.set_axis_off()
    plot.set_xlim(-RIM, RIM)
    plot.set_ylim(-RIM, RIM)
    angles = [math.pi / 2 - 2 * math.pi * position / len(axes) for position in range(len(axes))]
    _draw_grid(plot, angles)
    distances = radii(axes)
    styles = list(islice(zip(cycle(_COLOURS), cycle(_DASHES), cycle(_MARKERS), strict=False), len(models)))
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
    shown = "values of the models" if len(models) <= _MOST_MODELS_WITH_VALUES else "best – worst value"
    plot.text(
        0.5,
        plot.transAxes.inverted().transform((0, below))[1],
        f"Beside each axis: {shown}, as in the table. Further out is better;\n"
        "error rates are drawn as 100 − rate. A gap in a line: no value."
        + (f"\n{INCOMPLETE} not measured on the complete data set" if any(axis.partial for axis in axes) else ""),
        transform=plot.transAxes,
        horizontalalignment="center",
        verticalalignment="top",
        fontsize=11,
        color=_GREY,
    )


def _ring(distances: Sequence[float | None], angles: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the corners of a closed polygon, nan where there is no distance: a line has a gap there."""
    corners = [(math.nan if r is None else r, angle) for r, angle in zip(distances, angles, strict=True)]
    closed = [*corners, corners[0]]
    return [r * math.cos(angle) for r, angle in closed], [r * math.sin(angle) for r, angle in closed]


def _draw_grid(plot: Any, angles: Sequence[float]) -> None:
    for radius in (WORST, (WORST + BEST) / 2, BEST):
        across, up = _ring([radius] * len(angles), angles)
        plot.plot(across, up, color="#D0D0D0", linewidth=1.0, zorder=1)
    for angle in angles:
        plot.plot([0, RIM * math.cos(angle)], [0, RIM * math.sin(angle)], color="#D0D0D0", linewidth=1.0, zorder=1)


def _draw_label(plot: Any, axis: Axis, angle: float, width: int, colours: Sequence[str]) -> AnnotationBbox:
    """Draw the name of the axis and its values: one per model in its colour, or best and worst of many."""
    title = _wrapped(axis.label, width) + (f" {INCOMPLETE}" if axis.partial else "")
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
        values = TextArea(" – ".join(ends), textprops={"fontsize": 11.5, "color": _GREY})
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
