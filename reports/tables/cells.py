"""From results to table cells: rounding, intervals and marks."""

from collections.abc import Iterable
from decimal import Decimal

from evalkit.metrics.metric import rounded
from evalkit.results.task_result import Aggregate, GroupResult, MetricResult, SampleCounts, TaskResult
from reports.tables.model import NOT_APPLICABLE, Cell
from reports.tables.remarks import AVERAGED, INCOMPLETE, Remark, marks_of


def measured_cell(result: TaskResult, remarks: Iterable[Remark], decimals: int = 2) -> Cell:
    """Make the cell of a task's headline metric, with the marks of all that has to be said about it."""
    return metric_cell(result, result.headline, marks_of(remarks), decimals)


def metric_cell(result: TaskResult, key: str, marks: str = "", decimals: int = 2, *, source: str = "") -> Cell:
    """Make the cell of one metric of a task."""
    metric, samples = result.metrics.get(key), result.samples
    value = None if metric is None or result.not_applicable is not None else metric.value
    if metric is None or value is None:
        text = "" if result.not_applicable is None else NOT_APPLICABLE
        return Cell(text, marks=marks, n=samples.counted, samples=samples, partial=result.partial, source=source)
    recipe = result.recipe_line(key)
    return _cell(metric, value, samples.counted, decimals, marks, recipe, result.partial, samples, source)


def part_cell(
    result: TaskResult,
    part: GroupResult | None,
    key: str,
    marks: str = "",
    decimals: int = 2,
    *,
    undefined: str = "",
) -> Cell:
    """Make the cell of one metric of a part of a task; blank if the run has no sample of it.

    Args:
        result: the task.
        part: of it; None if no sample is of it.
        key: of the metric.
        marks: footnote marks.
        decimals: with how many the value is printed.
        undefined: what is printed where there are samples and no value.
    """
    if result.not_applicable is not None:
        return Cell(NOT_APPLICABLE, marks=marks, n=part.samples if part else 0, partial=result.partial)
    if part is None:
        return Cell()
    metric = part.metrics.get(key)
    if metric is None or metric.value is None:
        return Cell(undefined if part.samples else "", marks=marks, n=part.samples, partial=result.partial)
    recipe = result.recipe_line(key, with_counts=False)
    return _cell(metric, metric.value, part.samples, decimals, marks, recipe, result.partial)


def aggregate_cell(aggregate: Aggregate, *, incomplete: bool = False, decimals: int = 2) -> Cell:
    """Make the cell of an average.

    Args:
        aggregate: the average.
        incomplete: whether a member is of other data or another metric than published; known besides is whether one is
            partial or missing.
        decimals: with how many it is printed.
    """
    marks = AVERAGED + (INCOMPLETE if incomplete or aggregate.partial else "")
    metric, samples, partial = aggregate.metric, aggregate.samples, aggregate.partial
    if metric.value is None:
        return Cell(marks=marks, n=samples.counted, samples=samples, partial=partial)
    return _cell(metric, metric.value, samples.counted, decimals, marks, aggregate.recipe_line, partial, samples)


def _cell(
    metric: MetricResult,
    value: float,
    n: int,
    decimals: int,
    marks: str,
    recipe: str,
    partial: bool,
    samples: SampleCounts | None = None,
    source: str = "",
) -> Cell:
    """Make the cell of a metric that has a value."""
    interval, bounds = None, []
    if metric.interval is not None:
        low, high = metric.interval
        interval = (_exact(low), _exact(high))
        bounds = [f"[{rounded(low, decimals)}, {rounded(high, decimals)}]"]
    return Cell(
        text=rounded(value, decimals),
        detail=" ".join([*bounds, f"n={n:,}", *([f"({metric.spread_text})"] if metric.spread else [])]),
        marks=marks,
        value=_exact(value),
        interval=interval,
        metric=metric.name,
        source=source,
        n=n,
        samples=samples,
        partial=partial,
        recipe=recipe,
    )


def _exact(value: float) -> Decimal:
    """Return the shortest decimal that names the float, not its binary expansion."""
    return Decimal(str(value))
