"""URO-Bench: a row per model and language, and for each track its average and its three dimensions.

A dimension is the unweighted mean of its subsets, and a track's average that of all its subsets, as the benchmark's
own script has it; so dimensions do not weigh alike. The subsets have a table of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from evalkit.metrics.metric import comparability
from reports.cells import mean_cell, measured_cell
from reports.entries import Entry, Place, measured_entry, results_by_place, results_of
from reports.layout import Layout, models_across
from reports.measured import Figure, Result, Run
from reports.published import load_published
from reports.remarks import INCOMPLETE, UNKNOWN, Remark, remarks_on
from reports.table import NOT_APPLICABLE, Cell, Column, Row, RowGroup, Table

_NAME = "uro_bench"
_BY_SUBSET = "uro_bench_detail_table7"
_LANGUAGES = ("Chinese", "English")
_TRACKS = ("Basic", "Pro")
_WHOLE = "Avg."
_DIMENSIONS = {"U": "Understanding", "R": "Reasoning", "O": "Oral conversation"}
# What the rebuilt Chinese Basic has besides the subsets of the first data, and how recipes name those data.
_ADDED = {"HSK5-zh": "U", "SQuAD-zh": "R", "APE-zh": "R", "Wildchat-zh": "O"}
_REBUILT, _REBUILT_DATA = "Chinese Basic", "v2"


def _track_and_subset(result: Result) -> Place:
    return result.place["group"], result.benchmark


def _dimension(result: Result) -> str:
    return result.place["dimension"][:1].upper()


def _results(run: Run) -> dict[Place, Result]:
    return results_by_place(run, results_of(run, _NAME), _track_and_subset)


def _subsets(group: str, measured: Mapping[str, Result]) -> dict[str, str]:
    """The subsets that a track has in the data that was measured, with their dimensions."""
    first = {
        figure.benchmark: figure.group.removeprefix(f"{group} ")[:1]
        for figure in load_published()
        if figure.table == _BY_SUBSET and figure.group.startswith(f"{group} ")
    }
    figures = [result.figure for result in measured.values() if result.figure]
    of_rebuilt_data = any(figure.recipe_field("data") == _REBUILT_DATA for figure in figures)
    return first | _ADDED if group == _REBUILT and (of_rebuilt_data or _ADDED.keys() & measured.keys()) else first


def _measure(runs: Sequence[Run], titles: Sequence[str]) -> list[Entry]:
    entries = []
    for run, title in zip(runs, titles, strict=True):
        results = _results(run)
        cells: dict[Place, Cell] = {}
        remarks = [remark for result in results.values() for remark in remarks_on(result, None)]
        for group in dict.fromkeys(group for group, _ in results):
            of_group = {benchmark: result for (track, benchmark), result in results.items() if track == group}
            expected = _subsets(group, of_group)
            cells |= _aggregates(group, of_group, expected)
            missing = [each for each in expected if not _has_value(of_group.get(each))]
            if missing and len(missing) < len(expected):
                remarks.append(Remark(INCOMPLETE, f"{group}, without {', '.join(missing)}"))
        entries.append(measured_entry(run, title, cells, remarks, _figures(results)))
    return entries


def _figures(results: Mapping[Place, Result]) -> list[tuple[Figure, str]]:
    """The figures with their recipes; without counts, which would make each of many subsets a recipe of its own."""
    return [
        (replace(result.figure, recipe=comparability(result.figure.recipe)), result.benchmark)
        for result in results.values()
        if result.figure
    ]


def _aggregates(group: str, results: Mapping[str, Result], expected: Mapping[str, str]) -> dict[Place, Cell]:
    """The cells of a track: its average and its dimensions."""
    dimensions = {**expected} | {benchmark: _dimension(result) for benchmark, result in results.items()}
    cells = {}
    for column in (_WHOLE, *_DIMENSIONS):
        wanted = [each for each in dimensions if column in (_WHOLE, dimensions[each])]
        measured = [results[each] for each in wanted if each in results]
        parts = [(each, measured_cell(each, None)) for each in measured]
        known = [(each, cell) for each, cell in parts if cell.value is not None]
        place = (group, column if column == _WHOLE else f"{column}.")
        if known:
            incomplete = len(known) < len(wanted)
            cells[place] = mean_cell(known, "subsets", incomplete=incomplete, most=Decimal(100))
        elif parts:
            text = NOT_APPLICABLE if all(cell.text for _, cell in parts) else ""
            cells[place] = Cell(text=text, marks=UNKNOWN, n=0)
    return cells


def _has_value(result: Result | None) -> bool:
    return result is not None and result.figure is not None and result.figure.value is not None


def _lay_out(layout: Layout, entries: Sequence[Entry]) -> Table:
    headings = (_WHOLE, *(f"{dimension}." for dimension in _DIMENSIONS))
    groups = []
    for language in _LANGUAGES:
        places = [(f"{language} {track}", heading) for track in _TRACKS for heading in headings]
        rows = [
            Row((entry.title,), tuple(entry.cell(place) for place in places), strong=True, marks=entry.marks)
            for entry in entries
        ]
        if any(cell.filled for row in rows for cell in row.cells):
            groups.append(RowGroup(language, tuple(rows)))
    return Table(
        name=layout.name,
        title=layout.title,
        stub=("Model", "Language"),
        columns=tuple(Column(heading, track) for track in _TRACKS for heading in headings),
        groups=tuple(groups),
        group_stub=1,
        across=("Track", "Dimension"),
    )


def _measure_subsets(runs: Sequence[Run], titles: Sequence[str]) -> list[Entry]:
    entries = []
    for run, title in zip(runs, titles, strict=True):
        results = {
            (f"{group} {_DIMENSIONS[_dimension(result)]}", benchmark): result
            for (group, benchmark), result in _results(run).items()
        }
        cells = {place: measured_cell(result, None) for place, result in results.items()}
        remarks = [remark for result in results.values() for remark in remarks_on(result, None)]
        entries.append(measured_entry(run, title, cells, remarks, _figures(results)))
    return entries


def _lay_out_subsets(layout: Layout, entries: Sequence[Entry]) -> Table:
    return models_across(layout, entries, ("Track and dimension", "Subset"))


URO_BENCH = Layout(
    name=_NAME,
    published=_NAME,
    title="Speech-to-speech conversation (URO-Bench)",
    notes=(
        "Scores from 0 to 100; higher is better. U., R., O.: understanding, reasoning, oral conversation, each the "
        "mean of its subsets; Avg.: of all subsets of a track. Chinese Basic has 6 subsets in the data of February "
        "2025, which the first release used, and 10, with other questions, in those of August 2025: figures of the "
        "two do not compare.",
    ),
    measure=_measure,
    lay_out=_lay_out,
)

URO_BENCH_SUBSETS = Layout(
    name="uro_bench_subsets",
    published=_BY_SUBSET,
    title="URO-Bench by subset",
    notes=("Scores from 0 to 100; higher is better. Published ones are of the data of February 2025.",),
    measure=_measure_subsets,
    lay_out=_lay_out_subsets,
    row_per_place=True,
    with_runs_only=True,
)
