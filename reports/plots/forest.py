"""A comparison as a forest plot: each difference with its interval, and what it is worth."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from evalkit.errors import ConfigurationError
from evalkit.metrics.metric import rounded
from evalkit.results.compared import ComparedMetric, Comparison
from reports.plots.intervals import Point, draw_point, label_rows
from reports.plots.labels import wrapped
from reports.plots.style import GREY, PALE, Drawing, line_styles

_BLUE, _ORANGE, _GREEN = line_styles(3)
# A verdict has a colour, a mark and a filling of its own.
_LOOKS: Mapping[str, tuple[Any, bool]] = {
    "better": (_BLUE, False),
    "worse": (_ORANGE, False),
    "equivalent": (_GREEN, False),
    "no evidence": (_BLUE._replace(colour=GREY, marker="D"), True),
}
_INCHES_A_ROW, _INCHES_A_PANEL, _INCHES_AROUND = 0.36, 0.75, 0.5
_Direction = tuple[str, bool]


def forest(comparison: Comparison) -> Drawing:
    """Return the forest plot of a comparison.

    Figures of one unit and one direction share a panel, so that better is always on one side of a panel.

    Raises:
        ConfigurationError: nothing could be compared.
    """
    panels: dict[_Direction, list[ComparedMetric]] = {}
    for each in comparison.metrics:
        if each.compared and each.difference is not None:
            panels.setdefault((each.unit, each.higher_is_better), []).append(each)
    if not panels:
        raise ConfigurationError(
            f"{comparison.base} and {', '.join(comparison.runs)}: nothing could be compared; `evalkit compare` says why"
        )
    heights = [_INCHES_A_PANEL + _INCHES_A_ROW * len(rows) for rows in panels.values()]

    def compose(figure: Figure) -> None:
        figure.set_layout_engine("constrained")
        plots = figure.subplots(len(panels), squeeze=False, height_ratios=heights)[:, 0]
        for plot, (direction, rows) in zip(plots, panels.items(), strict=True):
            _draw_panel(plot, direction, rows, comparison)
        figure.suptitle(wrapped(f"{judged} against {comparison.base}", 90), fontsize=11.5, fontweight="bold")

    judged = ", ".join(comparison.runs)
    title = f"Differences of {judged} from {comparison.base} with their intervals"
    return Drawing("forest", title, (8.6, sum(heights) + _INCHES_AROUND), compose)


def _draw_panel(plot: Any, direction: _Direction, rows: Sequence[ComparedMetric], comparison: Comparison) -> None:
    unit, higher_is_better = direction
    plot.axvline(0, color=GREY, linewidth=1.2, zorder=2)
    if comparison.minimum is not None:  # what lies within is equivalent
        plot.axvspan(-comparison.minimum, comparison.minimum, color=PALE, alpha=0.5, linewidth=0)
    for height, each in enumerate(rows):
        style, hollow = _LOOKS[each.verdict]
        draw_point(plot, Point(each.difference or 0.0, *(each.interval or (None, None))), height, style, hollow=hollow)
        plot.text(1.02, height, _in_words(each), transform=plot.get_yaxis_transform(), va="center", fontsize=9.5)
        plot.axhline(height + 0.5, color=PALE, linewidth=0.6)
    plot.set_ylim(len(rows) - 0.5, -0.5)
    several = len(comparison.runs) > 1
    label_rows(plot, [(height, _label(each, with_run=several), False) for height, each in enumerate(rows)])
    better = "higher is better →" if higher_is_better else "← lower is better"
    level = f"{100 * comparison.level:g} %"
    plot.set_xlabel(f"Difference{f' in {unit}' if unit else ''}, new minus base, with {level} interval; {better}")
    reach = max(abs(end) for end in plot.get_xlim())
    plot.set_xlim(-reach, reach)


def _label(each: ComparedMetric, *, with_run: bool) -> str:
    title = wrapped(each.title)
    below = wrapped(f"{each.metric}, {each.run}" if with_run else each.metric)
    return title if "\n" in title and not with_run else f"{title}\n{below}"


def _in_words(each: ComparedMetric) -> str:
    texts = [_signed(each.difference or 0.0, each.decimals)]
    if each.interval is not None:
        texts.append(f"[{', '.join(_signed(end, each.decimals) for end in each.interval)}]")
    return f"{' '.join(texts)}  {each.verdict}"


def _signed(value: float, decimals: int) -> str:
    text = rounded(value, decimals)
    return text if text.startswith("-") else f"+{text}"
