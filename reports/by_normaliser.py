"""How much of a number is the normaliser: every task that is scored under several of them, side by side."""

from collections.abc import Sequence

from reports.cells import figure_cell
from reports.layout import run_titles
from reports.measured import Figure, Result, Run
from reports.remarks import recipes
from reports.table import Cell, Column, Footnote, Row, RowGroup, Table


def by_normaliser_table(runs: Sequence[Run]) -> Table | None:
    """One row per test set and scheme, one column per run; None if no task was scored under several schemes."""
    titles = run_titles(runs)
    rows: dict[str, dict[str, list[Cell]]] = {}
    figures: list[tuple[str, str, str]] = []
    for index, (run, title) in enumerate(zip(runs, titles, strict=True)):
        for result in run.results:
            normalised = _normalised(result)
            normalisers = {figure.recipe_field("normaliser") for figure in normalised}
            if len(normalisers) < 2 or result.not_applicable is not None:
                continue
            schemes = rows.setdefault(result.title, {})
            for figure in normalised:
                scheme = f"{figure.name}, {figure.recipe_field('normaliser')}"
                cells = schemes.setdefault(scheme, [Cell() for _ in runs])
                cells[index] = figure_cell(result, figure, source=run.name)
                figures.append((figure.recipe, title, result.title))
    if not rows:
        return None
    return Table(
        name="by_normaliser",
        title="The same answers under each text normalisation",
        stub=("Test set", "Metric and normaliser"),
        columns=tuple(map(Column, titles)),
        groups=tuple(
            RowGroup(test_set, tuple(Row((scheme,), tuple(cells)) for scheme, cells in schemes.items()))
            for test_set, schemes in rows.items()
        ),
        footnotes=(
            Footnote("", "Error rates in per cent, BLEU in points; the first of a test set is that of the main table."),
        ),
        recipes=recipes(figures),
    )


def _normalised(result: Result) -> list[Figure]:
    return [figure for figure in result.figures.values() if figure.recipe_field("normaliser")]
