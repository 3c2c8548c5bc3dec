"""How much of a number is the normaliser: every task that is scored under several of them, side by side."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from evalkit.metrics.resampling import BootstrapSettings
from evalkit.results.differences import measured_difference
from evalkit.results.metrics_file import RunResult
from evalkit.results.scores import ScoresFile
from evalkit.results.task_result import TaskResult
from evalkit.results.wording import difference_text
from reports.tables.cells import metric_cell
from reports.tables.layout import run_titles
from reports.tables.model import Cell, Column, Footnote, Row, RowGroup, Table
from reports.tables.remarks import recipes

_RESAMPLES = 2_000


def by_normaliser_table(runs: Sequence[RunResult]) -> Table | None:
    """Return a row per test set and scheme, a column per run; None if no task was scored under several schemes.

    Behind every figure but a test set's first stands how far it is from that, with the interval of the difference on
    the same answers.

    Raises:
        StoreError: the scores of a run cannot be read.
    """
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
                cell = metric_cell(result, key, source=run.name)
                cells[index] = replace(cell, detail=" ".join([cell.detail, *_difference(run, result, key)]))
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
            Footnote(
                "",
                "Error rates in per cent, BLEU in points; the first of a test set is that of the main table. Behind "
                "the others stands Δ, the difference to it on the same answers with its own interval.",
            ),
        ),
        recipes=recipes(figures),
    )


def _difference(run: RunResult, result: TaskResult, key: str) -> list[str]:
    """Return how far a figure is from the headline's, where the two are computed alike."""
    headline, metric = result.metric, result.metrics[key]
    names = tuple(metric.statistics)
    alike = (metric.function, names) == (headline.function, tuple(headline.statistics))
    if key == result.headline or not (alike and names and result.samples.counted) or run.folder is None:
        return []
    scores = ScoresFile(run.folder / result.name, result.digest)
    base, new = scores.statistics(result.headline, names), scores.statistics(key, names)
    if np.array_equal(base, new):
        return ["Δ 0, no answer changes"]
    found = measured_difference(
        base,
        new,
        metric.function,
        metric.scale,
        scores.clusters(result.resampled),
        BootstrapSettings(metric.level, _RESAMPLES),
    )
    return (
        [] if found.difference is None else [f"Δ {difference_text(found.difference, found.interval, metric.decimals)}"]
    )


def normalisers_of(result: TaskResult) -> dict[str, str]:
    """Return the normaliser of each metric that has one, by metric key."""
    return {
        key: metric.recipe["normaliser"] for key, metric in result.metrics.items() if metric.recipe.get("normaliser")
    }
