"""How much of a number is the normaliser: every task that is scored under several schemes, side by side."""

from collections.abc import Sequence

from reports.cells import figure_cell
from reports.measured import Run
from reports.remarks import recipes
from reports.table import Cell, Column, Footnote, Row, RowGroup, Table


def by_normaliser_table(runs: Sequence[Run], titles: Sequence[str]) -> Table | None:
    """One row per test set and scheme, one column per run; None if no task was scored under several schemes.

    Args:
        runs: the measured columns.
        titles: what each column is called.
    """
    rows: dict[str, dict[str, list[Cell]]] = {}
    figures: list[tuple[str, str, str]] = []
    for index, (run, title) in enumerate(zip(runs, titles, strict=True)):
        for result in run.results:
            if len(result.figures) < 2 or result.not_applicable is not None:
                continue
            schemes = rows.setdefault(result.title, {})
            for figure in result.figures.values():
                scheme = f"{figure.name}, {figure.recipe_field('normaliser')}"
                cells = schemes.setdefault(scheme, [Cell() for _ in runs])
                cells[index] = figure_cell(result, figure)
                figures.append((figure.recipe, title, result.title))
    if not rows:
        return None
    return Table(
        name="by_normaliser",
        title="The same answers under each text normalisation",
        stub=("Test set", "Metric and normaliser"),
        columns=tuple(map(Column, titles, [run.name for run in runs], [False] * len(runs))),
        groups=tuple(
            RowGroup(test_set, tuple(Row(scheme, tuple(cells)) for scheme, cells in schemes.items()))
            for test_set, schemes in rows.items()
        ),
        footnotes=(Footnote("", "Error rates in per cent; the first of a test set is that of the main table."),),
        recipes=recipes(figures),
    )
