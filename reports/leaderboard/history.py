"""How a figure changed over the runs of a model: over the steps of its training, or from date to date."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from reports.leaderboard.board import BoardColumn, source_of
from reports.leaderboard.collect import DatedRun
from reports.plots.curves import SIZE, Curve, Frame, draw_curves
from reports.plots.intervals import point
from reports.plots.style import Drawing
from reports.tables.model import Column, Row, RowGroup, Table
from reports.tables.remarks import OTHER_RECIPE, Remark, footnotes

_MOST_DATES = 12


def history_table(runs: Sequence[DatedRun], columns: Sequence[BoardColumn]) -> Table:
    """Return every figure of every run, by test set and model, the oldest first."""
    groups, other = [], []
    ordered = sorted(runs, key=lambda each: (each.series, each.age))
    for column in columns:
        rows = []
        for each in ordered:
            cell = column.cell(each.run)
            if cell.filled:
                rows.append(Row((each.series, each.run.name, each.when), (cell,)))
            if OTHER_RECIPE in cell.marks:
                other.append((each.run.name, Remark(OTHER_RECIPE, column.title)))
        groups.append(RowGroup(f"{column.title}, {column.heading}", tuple(rows)))
    return Table(
        name="history",
        title="History",
        stub=("Test set", "Model", "Run", "When"),
        columns=(Column("Value"),),
        groups=tuple(group for group in groups if group.rows),
        footnotes=tuple(footnotes(other)),
        across=("", "Figure"),
    )


def learning_curve(runs: Sequence[DatedRun], column: BoardColumn) -> Drawing | None:
    """Return the figure of every model that has several runs over its runs, None if no model has.

    Values of another recipe than that of most runs are not drawn, as a line would compare them.
    """
    comparable = [each for each in runs if _comparable(each, column)]
    series: dict[str, list[DatedRun]] = {}
    for each in comparable:
        series.setdefault(each.series, []).append(each)
    series = {title: members for title, members in series.items() if len(members) > 1}
    if not series:
        return None
    with_steps = any(each.step is not None for members in series.values() for each in members)
    moments = sorted({_moment(each) for members in series.values() for each in members})
    # Steps stand where they are; dates one behind the other.
    curves = [_curve(title, members, column, None if with_steps else moments) for title, members in series.items()]
    shown = moments[:: len(moments) // _MOST_DATES + 1]
    names = tuple((float(moments.index(each)), each[1]) for each in shown)
    metric = column.metric
    label = f"{metric.name}{f' in {metric.unit}' if metric.unit else ''}, with {100 * metric.level:g} % interval"
    frame = Frame("Training step" if with_steps else "Date of the run", label, names=() if with_steps else names)

    def compose(figure: Figure) -> None:
        draw_curves(figure, curves, frame)

    return Drawing(f"history-{column.name}", f"History of {metric.name}, {column.title}", SIZE, compose)


def _comparable(each: DatedRun, column: BoardColumn) -> bool:
    source = source_of(each.run, column.name)
    return source is not None and source.metric.value is not None and OTHER_RECIPE not in column.cell(each.run).marks


def _moment(each: DatedRun) -> tuple[float, str]:
    """Return by what dates are put in order, and how they read."""
    return (0.0 if each.started is None else each.started.timestamp()), each.when or "?"


def _curve(
    title: str,
    members: Sequence[DatedRun],
    column: BoardColumn,
    moments: Sequence[tuple[float, str]] | None,
) -> Curve:
    across, points = [], []
    for each in members:
        source = source_of(each.run, column.name)
        value = None if source is None else point(source.metric.value, source.metric.interval)
        if value is not None:
            across.append(float(each.step or 0) if moments is None else float(moments.index(_moment(each))))
            points.append(value)
    return Curve(title, tuple(across), tuple(points))
