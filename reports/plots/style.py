"""One style for all plots, and files that are alike whenever and wherever they are drawn.

Series differ in colour, line and marker at once, so that they are told apart in colour, in grey and by those who see no
red and green alike.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from reports.plots.fonts import font_advice, further_fonts, installed_fonts, missing_characters

FORMATS = ("png", "svg", "pdf")
GREY = "#595959"
PALE = "#D0D0D0"
# Okabe and Ito's palette, its pale colours darkened for print.
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
# Without what would differ from one drawing to the next.
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "ModDate": None, "Producer": None, "Creator": None},
}


class LineStyle(NamedTuple):
    """How a series looks.

    Attributes:
        colour: of its line and markers.
        dashes: of its line, as matplotlib takes them.
        marker: at its points.
    """

    colour: str
    dashes: Any
    marker: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A plot that is ready to be drawn.

    Attributes:
        name: short, also that of its files.
        title: what it shows, in words, for whoever cannot see it too.
        size: in inches.
        compose: puts everything into an empty figure.
        notes: what has to be said beside it.
    """

    name: str
    title: str
    size: tuple[float, float]
    compose: Callable[[Figure], None]
    notes: tuple[str, ...] = ()


def line_styles(count: int) -> list[LineStyle]:
    """Return as many styles as there are series; they repeat after 42."""
    styles = zip(cycle(_COLOURS), cycle(_DASHES), cycle(_MARKERS), strict=False)
    return [LineStyle(*each) for each in islice(styles, count)]


def write_drawing(drawing: Drawing, files: Sequence[Path]) -> list[str]:
    """Draw a plot into files, whose endings (one of ``FORMATS``) say in what form; bitmaps have 200 dots an inch.

    Returns:
        What has to be said about them: which font to install, where characters are missing.
    """
    with _quiet():
        fonts = installed_fonts()
        figure = _composed(drawing, fonts)
        missing = missing_characters(_text_of(figure), fonts)
        if missing and (further := further_fonts(missing)):
            fonts = [*fonts, *further]
            figure = _composed(drawing, fonts)
            missing = missing_characters(missing, fonts)
        with mpl.rc_context(_settings(fonts, missing)):
            for file in files:
                kind = file.suffix.lower().lstrip(".")
                figure.savefig(
                    file,
                    format=kind,
                    dpi=200,
                    metadata=_METADATA[kind],
                    bbox_inches="tight",
                    pad_inches=0.12,
                    facecolor="white",
                )
    return [font_advice(missing)] if missing else []


def _composed(drawing: Drawing, fonts: Sequence[str]) -> Figure:
    with mpl.rc_context(_settings(fonts)):
        figure = Figure(figsize=drawing.size)
        FigureCanvasAgg(figure)
        drawing.compose(figure)
        figure.draw_without_rendering()  # ticks have no texts before
    return figure


@contextmanager
def _quiet() -> Iterator[None]:
    """Have matplotlib say nothing of what we say ourselves, nor of a font that has no bold."""
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")
            yield
    finally:
        log.setLevel(level)


def _text_of(figure: Figure) -> str:
    return "".join(each.get_text() for each in figure.findobj(Text) if each.get_visible())


def _settings(fonts: Sequence[str], missing: str = "") -> Any:
    return {
        "font.family": list(fonts),
        "font.size": 10.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": GREY,
        "axes.axisbelow": True,
        "grid.color": "#E4E4E4",
        "xtick.color": GREY,
        "ytick.color": GREY,
        "xtick.labelcolor": "black",
        "ytick.labelcolor": "black",
        "legend.frameon": False,
        "hatch.linewidth": 0.8,
        # A fixed salt: identifiers in the SVG would otherwise differ from one drawing to the next.
        "svg.hashsalt": "evalkit",
        # Shapes look alike everywhere; but where we lack a character, the reader's machine may have it.
        "svg.fonttype": "none" if missing else "path",
        "pdf.fonttype": 42,
        # Titles are not formulas.
        "text.parse_math": False,
        # A minus that every font has.
        "axes.unicode_minus": False,
    }
