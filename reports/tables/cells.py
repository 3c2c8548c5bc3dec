"""From results to table cells: rounding, intervals and marks."""

from dataclasses import replace
from decimal import Decimal

from evalkit.metrics.metric import rounded
from evalkit.results.task_result import Aggregate, GroupResult, MetricResult, TaskResult
from reports.tables.model import NOT_APPLICABLE, Cell
from reports.tables.remarks import AVERAGED, INCOMPLETE, remarks_on


def measured_cell(result: TaskResult, published_metric: str | None, decimals: int = 2) -> Cell:
    """Make the cell of a task's headline metric, with the marks of all that has to be said about it."""
    marks = dict.fromkeys(remark.mark for remark in remarks_on(result, published_metric))
    return metric_cell(result, result.headline, "".join(marks), decimals)


def metric_cell(result: TaskResult, key: str, marks: str = "", decimals: int = 2, *, source: str = "") -> Cell:
    """Make the cell of one metric of a task."""
    cell = _cell_of(result, result.metrics.get(key), result.samples.counted, marks, decimals)
    recipe = result.recipe_line(key) if cell.value is not None else ""
    return replace(cell, samples=result.samples, source=source, recipe=recipe)


def part_cell(
    result: TaskResult, part: GroupResult | None, key: str | None, marks: str = "", decimals: int = 2
) -> Cell:
    """Make the cell of one metric of a part of a task; blank if the run has no sample of it."""
    if part is None and result.not_applicable is None:
        return Cell()
    metrics, n = (part.metrics, part.samples) if part else ({}, 0)
    cell = _cell_of(result, metrics.get(key or ""), n, marks, decimals)
    return cell if cell.value is None else replace(cell, recipe=result.recipe_line(key or "", with_counts=False))


def aggregate_cell(aggregate: Aggregate, *, incomplete: bool = False, decimals: int = 2) -> Cell:
    """Make the cell of an average.

    Args:
        aggregate: the average.
        incomplete: whether a member is of other data or another metric than published; known besides is whether one is
            partial or missing.
        decimals: with how many it is printed.
    """
    metric = aggregate.metric
    return replace(
        _cell(metric, aggregate.samples.counted, decimals),
        marks=AVERAGED + (INCOMPLETE if incomplete or aggregate.partial else ""),
        samples=aggregate.samples,
        partial=aggregate.partial,
        recipe=aggregate.recipe_line,
    )


def _cell_of(result: TaskResult, metric: MetricResult | None, n: int, marks: str, decimals: int) -> Cell:
    if result.not_applicable is not None:
        return Cell(text=NOT_APPLICABLE, marks=marks, n=n, partial=result.partial)
    if metric is None or metric.value is None:
        return Cell(marks=marks, n=n, partial=result.partial)
    return replace(_cell(metric, n, decimals), marks=marks, partial=result.partial)


def _cell(metric: MetricResult, n: int, decimals: int) -> Cell:
    """Make the cell of a metric that has a value."""
    value, interval, bounds = metric.value or 0.0, None, []
    if metric.interval is not None:
        low, high = metric.interval
        interval = (_exact(low), _exact(high))
        bounds = [f"[{rounded(low, decimals)}, {rounded(high, decimals)}]"]
    return Cell(
        text=rounded(value, decimals),
        detail=" ".join([*bounds, f"n={n:,}"]),
        value=_exact(value),
        interval=interval,
        metric=metric.name,
        n=n,
    )


def _exact(value: float) -> Decimal:
    """Return the shortest decimal that names the float, not its binary expansion."""
    return Decimal(str(value))
