"""The table of a leaderboard: a row for each model, a column for each figure, ranked where figures compare."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.results.aggregates import MEAN
from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import Aggregate, MetricResult, TaskResult
from reports.leaderboard.collect import DatedRun
from reports.tables.cells import aggregate_cell, metric_cell
from reports.tables.model import Cell, Column, Footnote, Row, RowGroup, Table
from reports.tables.remarks import AVERAGED, INCOMPLETE, OTHER_RECIPE, Remark, footnotes, marks_of, recipes, remarks_on

NAME = "leaderboard"
_UNRANKED = "–"
_Source = TaskResult | Aggregate

Recipe = tuple[tuple[str, str], ...]
"""What must be equal for two figures to be ranked together."""


@dataclass(frozen=True, slots=True)
class BoardColumn:
    """One figure of every model.

    Attributes:
        name: key of the task or the average.
        title: what people call it.
        metric: of the first run that has it.
        recipe: that of most runs (``recipe_of``), under which figures are ranked.
    """

    name: str
    title: str
    metric: MetricResult
    recipe: Recipe

    @property
    def heading(self) -> str:
        """The metric with its unit and direction."""
        unit = f" ({self.metric.unit})" if self.metric.unit else ""
        return f"{self.metric.name}{unit} {'↑' if self.metric.higher_is_better else '↓'}"

    def ranked(self, cell: Cell) -> bool:
        """Tell whether a figure may be ranked in this column."""
        return cell.value is not None and not {INCOMPLETE, OTHER_RECIPE} & set(cell.marks)

    def cell(self, run: RunResult) -> Cell:
        """Return what stands in the column for a run; a figure of another recipe is marked."""
        source = source_of(run, self.name)
        if source is None:
            return Cell()
        metric = source.metric
        other = OTHER_RECIPE if metric.value is not None and recipe_of(run, source) != self.recipe else ""
        if isinstance(source, Aggregate):
            cell = aggregate_cell(source, decimals=metric.decimals)
            return replace(cell, marks=cell.marks + other, source=run.name)
        marks = marks_of(remarks_on(source, None)) + other
        return metric_cell(source, source.headline, marks, metric.decimals, source=run.name)


def columns_of(runs: Sequence[DatedRun], tasks: Sequence[str]) -> list[BoardColumn]:
    """Return the columns for the tasks and averages that are named, or for all that the runs have.

    Raises:
        ConfigurationError: no run has one that is named.
    """
    known: dict[str, list[tuple[RunResult, _Source]]] = {}
    for kind in ("tasks", "aggregates"):
        for each in runs:
            for name, source in getattr(each.run, kind).items():
                if not isinstance(source, TaskResult) or source.not_applicable is None:
                    known.setdefault(name, []).append((each.run, source))
    for name in tasks:
        if name not in known:
            raise ConfigurationError(f"no run has '{name}'{hint(name, known)} (there are {', '.join(known) or 'none'})")
    return [_column(name, known[name]) for name in (dict.fromkeys(tasks) if tasks else known)]


def source_of(run: RunResult, name: str) -> _Source | None:
    """Return the task or the average of a run, None if it has none of that name or could not be asked."""
    task = run.tasks.get(name)
    if task is None:
        return run.aggregates.get(name)
    return task if task.not_applicable is None else None


def board(runs: Sequence[DatedRun], columns: Sequence[BoardColumn], sort: str | None) -> Table:
    """Return the table, the best model first.

    Args:
        runs: one for each model.
        columns: its figures.
        sort: name of the column that ranks the models; None for the average that ranks the most of them, or the task
            where no average ranks any, the first of equals.

    Raises:
        ConfigurationError: there is no such column.
    """
    cells = [[column.cell(each.run) for column in columns] for each in runs]
    by = _sorting_column(columns, cells, sort)
    order = sorted(range(len(runs)), key=lambda index: _rank_key(columns[by], cells[index][by]))
    best = [_best(column, [row[position] for row in cells]) for position, column in enumerate(columns)]
    rows = []
    ranked: list[Decimal] = []
    for index in order:
        value = cells[index][by].value
        rank = _UNRANKED
        if value is not None and columns[by].ranked(cells[index][by]):
            ranked.append(value)
            rank = str(ranked.index(value) + 1)
        row = [
            replace(cell, bold=column.ranked(cell) and cell.value == top)
            for cell, column, top in zip(cells[index], columns, best, strict=True)
        ]
        each = runs[index]
        rows.append(Row((rank, each.run.model, each.run.name, each.when), tuple(row)))
    return Table(
        name=NAME,
        title="The newest run of each model",
        stub=("Rank", "Model", "Run", "When"),
        columns=tuple(Column(column.title, column.heading) for column in columns),
        groups=(RowGroup("", tuple(rows)),) if rows else (),
        footnotes=_footnotes(runs, columns, columns[by]),
        recipes=recipes(_recipes(runs, columns)),
        group_stub=None,
        across=("Metric", "Test set"),
    )


def recipe_of(run: RunResult, source: _Source) -> Recipe:
    """Return what a figure's comparability depends on: its recipe, and of an average those of its members too."""
    recipe = list(source.metric.recipe.items())
    if isinstance(source, Aggregate):
        members = {name: run.tasks[name] for name in source.members if name in run.tasks}
        recipe += [
            (f"{name} {key}", text) for name, task in members.items() for key, text in task.metric.recipe.items()
        ]
    return tuple(sorted(recipe))


def _column(name: str, found: Sequence[tuple[RunResult, _Source]]) -> BoardColumn:
    counts = Counter(recipe_of(run, source) for run, source in found if source.metric.value is not None)
    newest = found[-1][1]
    return BoardColumn(name, newest.title, newest.metric, counts.most_common(1)[0][0] if counts else ())


def _sorting_column(columns: Sequence[BoardColumn], cells: Sequence[Sequence[Cell]], sort: str | None) -> int:
    names = [column.name for column in columns]
    if sort is None:
        ranked = [sum(column.ranked(row[at]) for row in cells) for at, column in enumerate(columns)]
        averages = [column.metric.function == MEAN for column in columns]
        return max(range(len(columns)), key=lambda at: (averages[at] and ranked[at] > 0, ranked[at]), default=0)
    if sort not in names:
        raise ConfigurationError(f"no column '{sort}' to rank by{hint(sort, names)} (there are {', '.join(names)})")
    return names.index(sort)


def _rank_key(column: BoardColumn, cell: Cell) -> tuple[bool, bool, Decimal]:
    value = Decimal(0) if cell.value is None else cell.value
    return not column.ranked(cell), cell.value is None, -value if column.metric.higher_is_better else value


def _best(column: BoardColumn, cells: Sequence[Cell]) -> Decimal | None:
    values = [cell.value for cell in cells if cell.value is not None and column.ranked(cell)]
    if len(values) < 2:
        return None
    return max(values) if column.metric.higher_is_better else min(values)


def _footnotes(runs: Sequence[DatedRun], columns: Sequence[BoardColumn], by: BoardColumn) -> tuple[Footnote, ...]:
    levels = sorted({column.metric.level for column in columns})
    percentages = " or ".join(f"{100 * level:g} %" for level in levels)
    notes = [
        Footnote("", f"Ranked by {by.title}, {by.heading}. The newest run of each model; blank: not run."),
        Footnote(
            "",
            f"Value [{percentages} confidence interval] n=number of samples. A better rank is no finding: "
            "`evalkit compare` tests whether two runs differ.",
        ),
    ]
    said: list[tuple[str, Remark]] = []
    for each in runs:
        for column in columns:
            source = source_of(each.run, column.name)
            if source is not None:
                said += [(each.run.model, remark) for remark in _remarks(source)]
            if OTHER_RECIPE in column.cell(each.run).marks:
                said.append((each.run.model, Remark(OTHER_RECIPE, column.title)))
    return (*notes, *footnotes(said))


def _remarks(source: _Source) -> list[Remark]:
    if isinstance(source, TaskResult):
        return remarks_on(source, None)
    without = f", without {', '.join(source.missing)}" if source.missing else " over partial test sets"
    incomplete = [Remark(INCOMPLETE, f"{source.title}{without}")] if source.partial else []
    return [Remark(AVERAGED), *incomplete]


def _recipes(runs: Sequence[DatedRun], columns: Sequence[BoardColumn]) -> list[tuple[str, str, str]]:
    return [
        (cell.recipe, each.run.model, column.title)
        for each in runs
        for column in columns
        if (cell := column.cell(each.run)).recipe
    ]
