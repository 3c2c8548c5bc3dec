"""How much of a value is the normalisation: the same answers under each scheme."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from evalkit.errors import ConfigurationError
from evalkit.results.metrics_file import RunResult
from reports.plots.intervals import IntervalRow, draw_rows, point, size_of
from reports.plots.style import Drawing
from reports.tables.by_normaliser import normalisers_of
from reports.tables.layout import run_titles


def schemes(runs: Sequence[RunResult], tasks: Sequence[str]) -> Drawing:
    """Return the values of every task that was scored under several schemes.

    Raises:
        ConfigurationError: there is no such task.
    """
    rows: dict[tuple[str, str], list[int]] = {}
    for name in tasks:
        for index, run in enumerate(runs):
            known = normalisers_of(run.tasks[name]) if name in run.tasks else {}
            if len(set(known.values())) > 1:
                for key in known:
                    rows.setdefault((name, key), []).append(index)
    if not rows:
        raise ConfigurationError(
            "no task was scored under several schemes; score the runs again with `evalkit score RUN schemes=all`"
        )
    lines = [_row(runs, name, key, indices[0]) for (name, key), indices in rows.items()]
    first = runs[next(iter(rows.values()))[0]].tasks[next(iter(rows))[0]].metric
    label = f"{first.name}{f' in {first.unit}' if first.unit else ''}, with {100 * first.level:g} % interval"

    def compose(figure: Figure) -> None:
        draw_rows(figure, lines, run_titles(runs), label)

    return Drawing("schemes", "The same answers under each text normalisation", size_of(lines), compose)


def _row(runs: Sequence[RunResult], name: str, key: str, first: int) -> IntervalRow:
    points = []
    for run in runs:
        metric = run.tasks[name].metrics.get(key) if name in run.tasks else None
        points.append(None if metric is None else point(metric.value, metric.interval))
    task = runs[first].tasks[name]
    return IntervalRow(task.metrics[key].recipe["normaliser"], tuple(points), heading=task.title)
