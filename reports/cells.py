"""From measured results to table cells: rounding, intervals, marks and averages."""

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from statistics import NormalDist

from reports.measured import Figure, Part, Result
from reports.remarks import AVERAGED, INCOMPLETE, remarks_on
from reports.table import NOT_APPLICABLE, Cell, Samples, per_cent, rounded


def measured_cell(result: Result, published_metric: str | None, decimals: int = 2) -> Cell:
    """The cell of a task's headline figure, with the marks of all that has to be said about it."""
    marks = dict.fromkeys(remark.mark for remark in remarks_on(result, published_metric))
    return figure_cell(result, result.figure, "".join(marks), decimals)


def figure_cell(result: Result, figure: Figure | None, marks: str = "", decimals: int = 2, *, source: str = "") -> Cell:
    """The cell of one figure of a task."""
    cell = _figure_cell(result, figure, result.samples.counted, marks, decimals)
    return replace(cell, samples=result.samples, source=source)


def part_cell(result: Result, part: Part | None, metric: str | None, marks: str = "", decimals: int = 2) -> Cell:
    """The cell of one metric of a part of a task; blank if the run has no sample of it."""
    if part is None and result.not_applicable is None:
        return Cell()
    figures, n = (part.figures, part.samples) if part else ({}, 0)
    return _figure_cell(result, figures.get(metric or ""), n, marks, decimals)


def _figure_cell(result: Result, figure: Figure | None, n: int, marks: str, decimals: int) -> Cell:
    if result.not_applicable is not None:
        return Cell(text=NOT_APPLICABLE, marks=marks, n=n, partial=result.partial)
    if figure is None or figure.value is None:
        return Cell(marks=marks, n=n, partial=result.partial)
    interval = (per_cent(figure.interval[0]), per_cent(figure.interval[1])) if figure.interval else None
    cell = _cell(per_cent(figure.value), interval, n, decimals)
    return replace(cell, marks=marks, metric=figure.name, partial=result.partial, recipe=figure.recipe)


def mean_cell(
    parts: Sequence[tuple[Result, Cell]],
    of: str = "test sets",
    *,
    incomplete: bool = False,
    most: Decimal | None = None,
) -> Cell:
    """The unweighted mean of headline figures that all have a value.

    With independent data sets the standard error of a mean of k figures is the root of the sum of their
    squared standard errors, divided by k; the interval is the normal one, cut at zero.

    Args:
        parts: at least one task with its cell.
        of: what they are, for the recipe.
        incomplete: whether parts are missing; a part that is incomplete makes the mean so too.
        most: the highest possible value, where the interval is cut too.
    """
    values = [cell.value for _, cell in parts if cell.value is not None]
    figures = [result.figure for result, _ in parts if result.figure is not None]
    value = sum(values, Decimal(0)) / len(values)
    errors = [figure.standard_error for figure in figures if figure.standard_error is not None]
    interval = None
    if len(errors) == len(values):
        quantile = NormalDist().inv_cdf((1 + figures[0].level) / 2)
        margin = per_cent(quantile * math.hypot(*errors) / len(errors))
        high = value + margin
        interval = (max(value - margin, Decimal(0)), high if most is None else min(high, most))
    incomplete = incomplete or any(INCOMPLETE in cell.marks for _, cell in parts)
    samples = _total([result.samples for result, _ in parts])
    return replace(
        _cell(value, interval, samples.counted, 2),
        marks=AVERAGED + (INCOMPLETE if incomplete else ""),
        metric=figures[0].name,
        samples=samples,
        partial=any(result.partial for result, _ in parts),
        recipe=f"averaging:unweighted mean of {len(values)} {of}",
    )


def _cell(value: Decimal, interval: tuple[Decimal, Decimal] | None, n: int, decimals: int) -> Cell:
    bounds = [f"[{rounded(interval[0], decimals)}, {rounded(interval[1], decimals)}]"] if interval else []
    detail = " ".join([*bounds, f"n={n:,}"])
    return Cell(text=rounded(value, decimals), detail=detail, value=value, interval=interval, n=n)


def _total(parts: Sequence[Samples]) -> Samples:
    expected = [part.expected for part in parts if part.expected is not None]
    return Samples(
        expected=sum(expected) if len(expected) == len(parts) else None,
        total=sum(part.total for part in parts),
        scored=sum(part.scored for part in parts),
        failed=sum(part.failed for part in parts),
        skipped=sum(part.skipped for part in parts),
        empty=sum(part.empty for part in parts),
    )
