"""How much of a number is the normaliser: every task that is scored under several of them, side by side."""

from collections.abc import Sequence

from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import TaskResult
from reports.tables.cells import metric_cell
from reports.tables.layout import run_titles
from reports.tables.model import Cell, Column, Footnote, Row, RowGroup, Table
from reports.tables.remarks import recipes


def by_normaliser_table(runs: Sequence[RunResult]) -> Table | None:
    """Return a row per test set and scheme, a column per run; None if no task was scored under several schemes."""
    titles = run_titles(runs)
    rows: dict[str, dict[str, list[Cell]]] = {}
    figures: list[tuple[str, str, str]] = []
    for index, (run, title) in enumerate(zip(runs, titles, strict=True)):
        for result in run.tasks.values():
            known = normalisers_of(result)
            if len(set(known.values())) < 2 or result.not_applicable is not None:
                continue
            schemes = rows.setdefault(result.title, {})
            for key, normaliser in known.items():
                scheme = f"{result.metrics[key].name}, {normaliser}"
                cells = schemes.setdefault(scheme, [Cell() for _ in runs])
                cells[index] = metric_cell(result, key, source=run.name)
                figures.append((result.recipe_line(key), title, result.title))
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


def normalisers_of(result: TaskResult) -> dict[str, str]:
    """Return the normaliser of each metric that has one, by metric key."""
    return {
        key: metric.recipe["normaliser"] for key, metric in result.metrics.items() if metric.recipe.get("normaliser")
    }
