"""How much of a value is the normalisation: the same answers under each scheme."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from evalkit.errors import ConfigurationError
from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import MetricResult
from reports.plots.intervals import IntervalPanel, IntervalRow, draw_panels, point, size_of
from reports.plots.style import Drawing
from reports.tables.by_normaliser import normalisers_of
from reports.tables.layout import run_titles


def schemes(runs: Sequence[RunResult], tasks: Sequence[str]) -> Drawing:
    """Return the values of every task that was scored under several schemes.

    Raises:
        ConfigurationError: there is no such task.
    """
    found = dict.fromkeys(
        (name, key)
        for name in tasks
        for run in runs
        if name in run.tasks and len(set((known := normalisers_of(run.tasks[name])).values())) > 1
        for key in known
    )
    if not found:
        raise ConfigurationError(
            "no task was scored under several schemes; score the runs again with `evalkit score RUN schemes=all`"
        )
    # What is in different units has a scale of its own.
    by_unit: dict[tuple[str, float], list[tuple[MetricResult, IntervalRow]]] = {}
    for name, key in found:
        metric, row = _row(runs, name, key)
        by_unit.setdefault((metric.unit, metric.level), []).append((metric, row))
    panels = [
        IntervalPanel(tuple(row for _, row in rows), _label([each for each, _ in rows])) for rows in by_unit.values()
    ]

    def compose(figure: Figure) -> None:
        draw_panels(figure, panels, run_titles(runs))

    return Drawing("schemes", "The same answers under each text normalisation", size_of(panels), compose)


def _label(metrics: Sequence[MetricResult]) -> str:
    names, first = ", ".join(dict.fromkeys(metric.name for metric in metrics)), metrics[0]
    return f"{names}{f' in {first.unit}' if first.unit else ''}, with {100 * first.level:g} % interval"


def _row(runs: Sequence[RunResult], name: str, key: str) -> tuple[MetricResult, IntervalRow]:
    """Return the values of a metric in all runs, and the metric as the first run that has it says it."""
    tasks = [run.tasks.get(name) for run in runs]
    metrics = [None if task is None else task.metrics.get(key) for task in tasks]
    points = tuple(None if metric is None else point(metric.value, metric.interval) for metric in metrics)
    metric = next(each for each in metrics if each is not None)
    heading = next(task.title for task in tasks if task is not None)
    return metric, IntervalRow(metric.recipe["normaliser"], points, heading)
