"""The speech recognition table, laid out as Step-Audio 2's README prints it.

Rows and their order come from the published figures; test sets and groups that only a run knows follow. An
average is the unweighted mean of its group, as published; blank unless every test set has a value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Literal

from evalkit.errors import ConfigurationError
from reports.cells import average_cell, measured_cell
from reports.measured import Figure, Result, Run
from reports.published import PublishedModel, load_published
from reports.remarks import AVERAGED, INCOMPLETE, PUBLISHED, Remark, footnotes, recipes, remarks_on
from reports.table import NOT_APPLICABLE, Cell, Column, Footnote, Row, RowGroup, Table

AVERAGE = "Average"
Rows = Literal["all", "measured"]
_Place = tuple[str, str]  # group and test set


def asr_table(runs: Sequence[Run], published: Sequence[PublishedModel], rows: Rows = "all") -> Table:
    """Lay out the table: measured columns first, then published ones.

    The best value of a row is bold if there are at least two to choose from; a value that was not measured on
    the complete data set is not among them. A row that holds exactly what one release printed keeps that
    release's bold, which is not always on the best value.

    Args:
        runs: the measured columns.
        published: the published columns.
        rows: ``all`` keeps every published row as soon as there is a published column; ``measured`` keeps
            only the rows in which a run has something to say.

    Raises:
        ConfigurationError: two tasks of a run would fill the same cell.
    """
    blocks = _blocks(runs)
    columns = _columns(runs, published)
    filled = [_measured_cells(run, blocks) for run in runs] + [_published_cells(model) for model in published]
    groups = []
    for group, benchmarks in blocks.items():
        lines = []
        for benchmark in benchmarks:
            place = (group, benchmark)
            cells = [cells_of_model.get(place, Cell()) for cells_of_model in filled]
            if _is_shown(cells, columns, place, rows):
                lines.append(Row(benchmark, _with_bold(cells, columns, place), average=benchmark == AVERAGE))
        if lines:
            groups.append(RowGroup(group, tuple(lines)))
    return Table(
        name="asr",
        title="Automatic speech recognition",
        stub=("Category", "Test set"),
        columns=columns,
        groups=tuple(groups),
        footnotes=(*_printed_bold(groups), *_footnotes(runs, columns, filled)),
        recipes=recipes(
            (figure.recipe, column.title, result.place["benchmark"])
            for run, column in zip(runs, columns, strict=False)
            for result, figure in _figures(run)
        ),
    )


@cache
def _published_metrics() -> Mapping[_Place, str]:
    """What every published row measures, in printed order."""
    return {(each.group, each.benchmark): each.metric for each in load_published() if each.table == "asr"}


def _blocks(runs: Sequence[Run]) -> dict[str, list[str]]:
    """The rows of every group, in order."""
    blocks: dict[str, list[str]] = {}
    for group, benchmark in _published_metrics():
        blocks.setdefault(group, []).append(benchmark)
    published_groups = set(blocks)
    for result in (result for run in runs for result in _results(run)):
        # After the average of a published group, which must stay the mean of the published test sets.
        rows = blocks.setdefault(result.place["group"], [])
        if result.place["benchmark"] not in rows:
            rows.append(result.place["benchmark"])
    for group, rows in blocks.items():
        if group not in published_groups and len(rows) > 1:
            rows.append(AVERAGE)
    return blocks


def _results(run: Run) -> list[Result]:
    return [result for result in run.results if result.place.get("table") == "asr"]


def _place(result: Result) -> _Place:
    return result.place["group"], result.place["benchmark"]


def _figures(run: Run) -> list[tuple[Result, Figure]]:
    """The headline figures that have a value."""
    headlines = [(result, result.figure) for result in _results(run) if result.not_applicable is None]
    return [(result, figure) for result, figure in headlines if figure is not None and figure.value is not None]


def _columns(runs: Sequence[Run], published: Sequence[PublishedModel]) -> tuple[Column, ...]:
    measured_titles = [run.model for run in runs]
    published_titles = [model.model for model in published]
    mixed = bool(runs and published)
    columns = []
    for run in runs:
        title = f"{run.model} ({run.name})" if measured_titles.count(run.model) > 1 else run.model
        columns.append(Column(title, run.name, published=False, group="Measured" if mixed else ""))
    for model in published:
        date = model.release.partition(" ")[0]
        title = f"{model.model} ({date})" if published_titles.count(model.model) > 1 else model.model
        group = "Published" if mixed else ""
        columns.append(Column(title, model.release, published=True, group=group, marks=PUBLISHED))
    return tuple(columns)


def _published_cells(model: PublishedModel) -> dict[_Place, Cell]:
    return {
        (figure.group, figure.benchmark): Cell(
            text=NOT_APPLICABLE if figure.value is None else str(figure.value),
            value=figure.value,
            bold=figure.is_best,
        )
        for figure in model.figures
    }


def _measured_cells(run: Run, blocks: Mapping[str, Sequence[str]]) -> dict[_Place, Cell]:
    results: dict[_Place, Result] = {}
    for result in _results(run):
        place = _place(result)
        first = results.setdefault(place, result)
        if first is not result:
            raise ConfigurationError(
                f"{run.folder}: the tasks {first.task} and {result.task} both fill {' / '.join(place)}; "
                "give one of them another `table` entry"
            )
    cells = {place: measured_cell(each, _published_metrics().get(place)) for place, each in results.items()}
    parts = {place: (result, cells[place]) for place, result in results.items()}
    for group, benchmarks in blocks.items():
        if AVERAGE in benchmarks:
            averaged = benchmarks[: benchmarks.index(AVERAGE)]
            cells[group, AVERAGE] = average_cell([parts.get((group, benchmark)) for benchmark in averaged])
    return cells


def _is_shown(cells: Sequence[Cell], columns: Sequence[Column], place: _Place, rows: Rows) -> bool:
    measured = [cell for cell, column in zip(cells, columns, strict=True) if not column.published]
    if any(cell.text or cell.marks for cell in measured):
        return True
    return rows == "all" and len(measured) < len(columns) and place in _published_metrics()


def _with_bold(cells: Sequence[Cell], columns: Sequence[Column], place: _Place) -> tuple[Cell, ...]:
    """The cells with the best of them in bold, as printed or else recomputed."""
    shown = [column for cell, column in zip(cells, columns, strict=True) if cell.text]
    releases = {column.source for column in shown if column.published}
    if len(releases) == 1 and all(column.published for column in shown):
        printed = [figure for figure in load_published() if (figure.group, figure.benchmark) == place]
        if len(shown) == sum(figure.release in releases and figure.table == "asr" for figure in printed):
            return tuple(cells)
    rivals = _rivals(cells)
    best = min(rivals) if len(rivals) > 1 else None
    return tuple(
        replace(
            cell,
            bold=cell.value is not None and INCOMPLETE not in cell.marks and Decimal(cell.text) == best,
        )
        for cell in cells
    )


def _rivals(cells: Sequence[Cell]) -> list[Decimal]:
    """The values, as printed, among which the best is looked for."""
    return [Decimal(cell.text) for cell in cells if cell.value is not None and INCOMPLETE not in cell.marks]


def _printed_bold(groups: Sequence[RowGroup]) -> list[Footnote]:
    rows = [row for group in groups for row in group.rows if any(cell.bold for cell in row.cells)]
    not_best = [row.title for row in rows if min(_rivals(row.cells)) < max(_rivals([c for c in row.cells if c.bold]))]
    return [Footnote("", f"Bold as published, though not the lowest: {', '.join(not_best)}.")] if not_best else []


def _footnotes(
    runs: Sequence[Run], columns: Sequence[Column], filled: Sequence[Mapping[_Place, Cell]]
) -> tuple[Footnote, ...]:
    notes = [
        Footnote(
            "",
            "Error rates in per cent (of words in English and Arabic, of characters in Chinese, Cantonese "
            "and Japanese); lower is better. Blank: not run.",
        )
    ]
    levels = {figure.level for run in runs for _, figure in _figures(run)}
    if levels:
        percentages = " or ".join(f"{100 * level:g} %" for level in sorted(levels))
        text = f"Measured: value [{percentages} confidence interval] n=number of samples."
        notes.append(Footnote("", text))
    remarks: list[tuple[str, Remark]] = []
    for run, column, cells in zip(runs, columns, filled, strict=False):
        for result in _results(run):
            published_metric = _published_metrics().get(_place(result))
            remarks += [(column.title, remark) for remark in remarks_on(result, published_metric)]
        if any(AVERAGED in cell.marks for cell in cells.values()):
            remarks.append((column.title, Remark(AVERAGED)))
    remarks += [(column.title, Remark(PUBLISHED, column.source)) for column in columns if column.published]
    elsewhere = dict.fromkeys(r.title for run in runs for r in run.results if r.place.get("table") != "asr")
    if elsewhere:
        notes.append(Footnote("", f"Measured, but not part of this table: {', '.join(elsewhere)}."))
    return (*notes, *footnotes(remarks))
