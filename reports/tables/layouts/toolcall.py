"""StepEval-Audio-Toolcall: per model three rows, for triggering, tool type and parameters, and a column per tool."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import TaskResult
from reports.published import PublishedFigure, load_published
from reports.tables.cells import part_cell
from reports.tables.entries import Entry, Place, measured_entry, results_by_place, results_of
from reports.tables.layout import Layout
from reports.tables.model import NOT_APPLICABLE, Cell, Column, Row, RowGroup, Table
from reports.tables.remarks import UNKNOWN, Remark, benchmark_of, marks_of, remarks_on

_NAME = "toolcall"
_TITLE = "Tool calling (StepEval-Audio-Toolcall)"
# Objective and metric of each row, with what stands in its cells: objective and metric as published, metric key.
_ROWS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("Trigger", "Precision / Recall"): {
        "Trigger precision": "trigger_precision",
        "Trigger recall": "trigger_recall",
    },
    ("Type", "Accuracy"): {"Type accuracy": "type_accuracy"},
    ("Parameter", "Accuracy"): {"Parameter accuracy": "parameter_accuracy"},
}
_KEYS = {place: key for keys in _ROWS.values() for place, key in keys.items()}
_TOOLS_BY_GROUP = "tool"
_UNDEFINED = "–"


@dataclass(frozen=True, kw_only=True)
class ToolcallLayout(Layout):
    """The table of tool calls."""

    def place_of(self, figure: PublishedFigure) -> Place:
        """Return the place of a published figure."""
        return _place_of(figure)

    def entry(self, run: RunResult, title: str) -> Entry:
        """Make the entry of a run."""
        results = list(results_by_place(run, results_of(run, _NAME), lambda _: ("", _TITLE)).values())
        remarks = {result.name: _remarks(result) for result in results}
        cells = {place: cell for each in results for place, cell in _cells(each, remarks[each.name]).items()}
        metrics = [
            (result, key, f"{benchmark_of(result)} ({result.metrics[key].name.lower()})")
            for result in results
            for key in _KEYS.values()
            if key in result.metrics
        ]
        return measured_entry(run, title, cells, chain.from_iterable(remarks.values()), metrics)

    def lay_out(self, entries: Sequence[Entry]) -> Table:
        """Make three rows per model."""
        columns = _columns()
        groups = [
            RowGroup(
                entry.title,
                tuple(
                    Row(titles, tuple(_cell(entry, places, tool) for tool in columns), strong=True)
                    for titles, places in _ROWS.items()
                ),
                entry.marks,
            )
            for entry in entries
        ]
        return Table(
            name=self.name,
            title=self.title,
            stub=("Model", "Objective", "Metric"),
            columns=tuple(columns.values()),
            groups=tuple(groups),
            across=("", "Tool"),
        )


def _place_of(figure: PublishedFigure) -> Place:
    return f"{figure.group} {figure.metric}", figure.benchmark


def _columns() -> dict[str, Column]:
    tools = dict.fromkeys(figure.benchmark for figure in load_published() if figure.table == _NAME)
    return {tool: Column(tool) for tool in tools}


def _cells(result: TaskResult, remarks: Iterable[Remark]) -> dict[Place, Cell]:
    # No cell is of the whole task, so what has to be said about it is marked on each.
    marks = marks_of(remarks)
    parts = result.groups.get(_TOOLS_BY_GROUP, {})
    without_meaning = _without_meaning()
    cells = {}
    for row, key in _KEYS.items():
        for tool in _columns():
            undefined = NOT_APPLICABLE if (row, tool) in without_meaning else _UNDEFINED
            cells[row, tool] = part_cell(result, parts.get(tool), key, marks, decimals=1, undefined=undefined)
    return cells


def _remarks(result: TaskResult) -> list[Remark]:
    """Return what has to be said about a task; that its first metric is undefined says nothing of the others."""
    remarks = remarks_on(result, None)
    return remarks if result.not_applicable is not None else [each for each in remarks if each.mark != UNKNOWN]


def _without_meaning() -> set[Place]:
    """Return where every release prints N/A: the parameters of a tool that has none."""
    figures = [figure for figure in load_published() if figure.table == _NAME]
    return {_place_of(figure) for figure in figures} - {_place_of(each) for each in figures if each.value is not None}


def _cell(entry: Entry, places: Mapping[str, str], tool: str) -> Cell:
    """Return one value, or precision with recall beside it; one blank cell where there is neither."""
    cells = [entry.cell((place, tool)) for place in places]
    if len(cells) == 1 or not any(cell.filled for cell in cells):
        return cells[0]
    first, second = cells
    return replace(first, beside=second)


TOOLCALL = ToolcallLayout(
    name=_NAME,
    published=_NAME,
    title=_TITLE,
    notes=(
        "In per cent; higher is better. Trigger: of the conversations that a tool was called in, those that needed it, "
        "and of those that needed it, those that one was called in; type: the right tool, of the latter; parameter: "
        "accepted by a judge, of these. n counts all conversations of a tool. N/A: the tool has no parameters. "
        "–: there were none to take a share of.",
    ),
    best=None,
)
