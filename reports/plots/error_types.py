"""Substitutions, deletions and insertions by group: what kind of errors, and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.metrics.error_rate import STATISTICS
from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import MetricResult, TaskResult
from reports.plots.intervals import add_bars_legend, label_rows
from reports.plots.labels import wrapped
from reports.plots.style import PALE, Drawing
from reports.tables.layout import run_titles

# Each kind has a colour and a hatching of its own.
_KINDS = (("substitutions", "#0072B2", ""), ("deletions", "#F0B27A", "///"), ("insertions", "#FFFFFF", "xx"))
_MOST_LABELS = 30
_INCHES_A_BAR, _INCHES_AROUND = 0.3, 1.3


@dataclass(frozen=True, slots=True)
class ErrorShares:
    """The errors of one part of a task.

    Attributes:
        label: of the part and the run.
        shares: substitutions, deletions and insertions in per cent of the reference's units.
        units: of the reference.
    """

    label: str
    shares: tuple[float, float, float]
    units: int


def error_types(runs: Sequence[RunResult], task: str, by: str | None) -> Drawing:
    """Return the kinds of errors of a task, as a whole and by the labels of one of its groups.

    Args:
        runs: one bar each.
        task: its name.
        by: the group; None for the first that the task has.

    Raises:
        ConfigurationError: the task counts no such errors, or has no such group.
    """
    bars = [bar for run, title in zip(runs, run_titles(runs), strict=True) for bar in _bars(run, title, task, by)]
    if not bars:
        raise ConfigurationError(f"{task}: no run has counts of substitutions, deletions and insertions of it")
    # All runs of one part stand together.
    parts = list(dict.fromkeys(part for part, _ in bars))
    lines = [bar for part in parts for name, bar in bars if name == part]
    left_out = max(len(parts) - 1 - _MOST_LABELS, 0)
    if left_out:
        kept = set(parts[: _MOST_LABELS + 1])
        lines = [bar for part in parts for name, bar in bars if name == part and part in kept]
    title = next(run.tasks[task].title for run in runs if task in run.tasks)

    def compose(figure: Figure) -> None:
        _draw(figure, lines, title)

    notes = (f"Error types of {title}: the {_MOST_LABELS} largest groups; {left_out} more are not shown.",)
    size = 7.2, _INCHES_A_BAR * len(lines) + _INCHES_AROUND
    return Drawing("error_types", f"Kinds of errors, {title}", size, compose, notes if left_out else ())


def _bars(run: RunResult, title: str, task: str, by: str | None) -> list[tuple[str, ErrorShares]]:
    result = run.tasks.get(task)
    if result is None or result.not_applicable is not None:
        return []
    group = _group(result, by)
    parts = {"All": result.metrics[result.headline]}
    by_size = sorted(result.groups.get(group, {}).items(), key=lambda each: (-each[1].samples, each[0]))
    parts |= {label: part.metrics[result.headline] for label, part in by_size if result.headline in part.metrics}
    return [(label, shares) for label, metric in parts.items() if (shares := _shares(f"{label}, {title}", metric))]


def _group(result: TaskResult, by: str | None) -> str:
    if by is None:
        return next(iter(result.groups), "")
    if by not in result.groups:
        known = ", ".join(result.groups) or "none"
        raise ConfigurationError(f"{result.name}: has no group '{by}'{hint(by, result.groups)} (there are {known})")
    return by


def _shares(label: str, metric: MetricResult) -> ErrorShares | None:
    statistics: Mapping[str, float] = metric.statistics
    if not all(name in statistics for name in STATISTICS) or not statistics["reference_length"]:
        return None
    length = statistics["reference_length"]
    substitutions, deletions, insertions = (100 * statistics[name] / length for name in STATISTICS[:3])
    return ErrorShares(label, (substitutions, deletions, insertions), round(length))


def _draw(figure: Figure, lines: Sequence[ErrorShares], title: str) -> None:
    figure.set_layout_engine("constrained")
    plot = figure.add_subplot()
    for height, line in enumerate(lines):
        left = 0.0
        for (_, colour, hatch), share in zip(_KINDS, line.shares, strict=True):
            plot.barh(
                height, share, left=left, height=0.66, color=colour, hatch=hatch, edgecolor="black", linewidth=0.6
            )
            left += share
        plot.text(left, height, f"  {left:.1f}", va="center", fontsize=9.5)
        plot.axhline(height + 0.5, color=PALE, linewidth=0.6)
    plot.set_ylim(len(lines) - 0.5, -0.5)
    plot.margins(x=0.12)
    label_rows(
        plot, [(height, f"{wrapped(line.label, 38)} ({line.units:,})", False) for height, line in enumerate(lines)]
    )
    plot.set_xlabel(f"{wrapped(title, 60)}: errors in % of the reference's units, whose number is in parentheses")
    add_bars_legend(figure, _KINDS)
