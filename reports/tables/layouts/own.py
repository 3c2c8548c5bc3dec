"""A table that a user has laid out: which figures, in which order, under which names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import Aggregate, MetricResult, TaskResult
from reports.tables.cells import aggregate_cell, metric_cell, part_cell
from reports.tables.entries import Entry, Place, measured_entry
from reports.tables.layout import Layout, models_across, models_down
from reports.tables.model import Cell, Column, Table
from reports.tables.remarks import Remark, marks_of, remarks_on


@dataclass(frozen=True, slots=True)
class OwnFigure:
    """One figure of a layout of one's own.

    Attributes:
        where: the place in the file that asks for it, for messages.
        title: what it is called.
        heading: of the block of figures that it stands in; may be empty.
        task: whose figure it is; empty for an average.
        metric: key of the task's metric; empty for the headline.
        part: the group and the label of a part of the task; None for the whole of it.
        average: key of an average; empty for a task's figure.
    """

    where: str
    title: str
    heading: str = ""
    task: str = ""
    metric: str = ""
    part: tuple[str, str] | None = None
    average: str = ""

    @property
    def place(self) -> Place:
        """Where it stands in its table."""
        return self.heading, self.title

    def source(self, run: RunResult) -> TaskResult | Aggregate | None:
        """Return what the figure is taken from, None if the run lacks it."""
        return run.aggregates.get(self.average) if self.average else run.tasks.get(self.task)

    def key(self, result: TaskResult) -> str:
        """Return the key of the metric.

        Raises:
            ConfigurationError: the task has no such metric.
        """
        key = self.metric or result.headline
        if key not in result.metrics:
            wrong = f"{self.where}.metric: {result.name} has no metric '{key}'{hint(key, result.metrics)}"
            raise ConfigurationError(f"{wrong} (there are {', '.join(result.metrics)})")
        return key

    def measured(self, run: RunResult) -> MetricResult | None:
        """Return the metric of a run, None if the run lacks it; of a part, that of the whole task."""
        source = self.source(run)
        if isinstance(source, TaskResult):
            return source.metrics[self.key(source)]
        return None if source is None else source.metric

    def cell(self, run: RunResult, decimals: int | None) -> Cell:
        """Return what stands in the table for a run."""
        source, metric = self.source(run), self.measured(run)
        if source is None or metric is None:
            return Cell()
        decimals = metric.decimals if decimals is None else decimals
        if isinstance(source, Aggregate):
            return aggregate_cell(source, decimals=decimals)
        marks = marks_of(remarks_on(source, None))
        if self.part is None:
            return metric_cell(source, self.key(source), marks, decimals)
        group, label = self.part
        return part_cell(source, source.groups.get(group, {}).get(label), self.key(source), marks, decimals)


@dataclass(frozen=True, kw_only=True)
class OwnLayout(Layout):
    """The table of a layout of one's own.

    Attributes:
        figures: in the order of the table.
        across: whether models are columns and figures rows; if not, the other way round.
        decimals: with how many values are printed; None for those of each metric.
    """

    figures: tuple[OwnFigure, ...] = ()
    across: bool = True
    decimals: int | None = None

    def entry(self, run: RunResult, title: str) -> Entry:
        """Make the entry of a run."""
        cells = {figure.place: figure.cell(run, self.decimals) for figure in self.figures}
        remarks: dict[str, list[Remark]] = {}
        metrics = []
        for figure in self.figures:
            source = figure.source(run)
            if isinstance(source, TaskResult):
                remarks[source.name] = remarks_on(source, None)
                metrics.append((source, figure.key(source), figure.title))
        return measured_entry(run, title, cells, [each for several in remarks.values() for each in several], metrics)

    def lay_out(self, entries: Sequence[Entry]) -> Table:
        """Make a column per model, or a row."""
        if self.across:
            table = models_across(self, entries, ("Group", "Test set"))
            if any(group.title for group in table.groups):
                return table
            return replace(table, stub=table.stub[1:], group_stub=None)
        columns: Mapping[Place, Column] = {each.place: Column(each.title, each.heading) for each in self.figures}
        headed = any(figure.heading for figure in self.figures)
        return models_down(self, entries, columns, ("Group" if headed else "", "Test set"))
