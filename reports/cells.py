"""From measured results to table cells: rounding, intervals, marks and averages."""

import math
from collections.abc import Sequence
from decimal import Decimal
from statistics import NormalDist

from reports.measured import Figure, Result
from reports.remarks import AVERAGED, INCOMPLETE, remarks_on
from reports.table import NOT_APPLICABLE, Cell, Samples, per_cent, rounded


def measured_cell(result: Result, published_metric: str | None) -> Cell:
    """The cell of a task's headline figure, with the marks of all that has to be said about it."""
    marks = dict.fromkeys(remark.mark for remark in remarks_on(result, published_metric))
    return figure_cell(result, result.figure, "".join(marks))


def figure_cell(result: Result, figure: Figure | None, marks: str = "") -> Cell:
    """The cell of one figure of a task."""
    if result.not_applicable is not None:
        return Cell(text=NOT_APPLICABLE, marks=marks, samples=result.samples, partial=result.partial)
    if figure is None or figure.value is None:
        return Cell(marks=marks, samples=result.samples, partial=result.partial)
    interval = (per_cent(figure.interval[0]), per_cent(figure.interval[1])) if figure.interval else None
    return _cell(per_cent(figure.value), interval, marks, result.samples, result.partial, figure.recipe)


def average_cell(parts: Sequence[tuple[Result, Cell] | None]) -> Cell:
    """The unweighted mean of a group's headline figures; blank if one of them is missing.

    With independent data sets the standard error of a mean of k figures is the root of the sum of their
    squared standard errors, divided by k; the interval is the normal one, cut at zero.
    """
    measured = [part for part in parts if part is not None]
    figures = [result.figure for result, _ in measured if result.figure is not None]
    values = [cell.value for _, cell in measured if cell.value is not None]
    if not parts or len(values) < len(parts):
        return Cell()
    value = sum(values, Decimal(0)) / len(values)
    errors = [figure.standard_error for figure in figures if figure.standard_error is not None]
    interval = None
    if len(errors) == len(values):
        quantile = NormalDist().inv_cdf((1 + figures[0].level) / 2)
        margin = per_cent(quantile * math.hypot(*errors) / len(errors))
        interval = (max(value - margin, Decimal(0)), value + margin)
    incomplete = any(INCOMPLETE in cell.marks for _, cell in measured)
    return _cell(
        value,
        interval,
        AVERAGED + (INCOMPLETE if incomplete else ""),
        _total([result.samples for result, _ in measured]),
        any(result.partial for result, _ in measured),
        f"averaging:unweighted mean of {len(values)} test sets",
    )


def _cell(
    value: Decimal,
    interval: tuple[Decimal, Decimal] | None,
    marks: str,
    samples: Samples,
    partial: bool,
    recipe: str,
) -> Cell:
    bounds = [f"[{rounded(interval[0])}, {rounded(interval[1])}]"] if interval else []
    return Cell(
        text=rounded(value),
        detail=" ".join([*bounds, f"n={samples.counted:,}"]),
        marks=marks,
        value=value,
        interval=interval,
        samples=samples,
        partial=partial,
        recipe=recipe,
    )


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
