"""Is the new run better, worse, or is there no evidence? Paired tests between two runs, cell by cell.

Only what both runs answered is compared, sample by sample, so that a hard or an easy data set counts for neither. Where
the two were scored differently, or asked about different references, nothing is compared and the reason is given.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evalkit.errors import StoreError
from evalkit.metrics.metric import Metric, Statistics, comparability
from evalkit.metrics.multiple_comparisons import holm
from evalkit.metrics.resampling import paired_test
from evalkit.results.folder import read_json
from evalkit.run.plan import load_run_config, tasks_from_config

Verdict = Literal["better", "worse", "no evidence", "not comparable"]
_UTTERANCES_EITHER_WAY = 10
ONLY_IN = "only the"  # how the reason begins why a task of one run is not compared


@dataclass(frozen=True, slots=True)
class Change:
    """One sample whose answer changed the figure.

    Attributes:
        sample_id, reference, base_answer, new_answer: the sample and what was said about it.
        effect: by how much the figure of the base run would move if this sample alone had its new answer.
    """

    sample_id: str
    reference: str
    base_answer: str
    new_answer: str
    effect: float


@dataclass(frozen=True, slots=True)
class Cell:
    """The comparison of one figure of a task.

    Attributes:
        task, title, metric: which figure.
        verdict: about the new run, at the level asked for, after Holm's correction over all cells compared.
        reason: why the runs are not comparable, or what to bear in mind; may be empty.
        base, new: the figures over the shared samples, as fractions.
        difference: new minus base.
        interval: of the difference, by the paired bootstrap.
        p_value: two-sided, by approximate randomisation.
        adjusted_p_value: the same after Holm's correction.
        higher_is_better: the figure's direction of improvement.
        shared, base_samples, new_samples: how many samples both runs, and each of them, have.
        improved, worsened: the samples that moved the figure most, either way.
    """

    task: str
    title: str
    metric: str
    verdict: Verdict
    reason: str = ""
    base: float | None = None
    new: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    adjusted_p_value: float | None = None
    higher_is_better: bool = False
    shared: int = 0
    base_samples: int = 0
    new_samples: int = 0
    improved: Sequence[Change] = ()
    worsened: Sequence[Change] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        base, new: names of the runs.
        level: of the intervals; a verdict needs an adjusted p-value of at most 1 - level.
        cells: one for each figure compared of each task that either run has.
    """

    base: str
    new: str
    level: float
    cells: Sequence[Cell]

    @property
    def regressed(self) -> bool:
        """True if the new run is significantly worse anywhere."""
        return any(cell.verdict == "worse" for cell in self.cells)


def compare(base: Path, new: Path, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0) -> Comparison:
    """Compare two runs.

    Args:
        base: run folder of the baseline.
        new: run folder of what is to be judged against it.
        level: confidence level of the intervals and of the verdicts.
        resamples: of each bootstrap and each randomisation test.
        seed: of both.

    Raises:
        StoreError: a folder is not that of a finished run.
    """
    runs = read_json(base / "metrics.json"), read_json(new / "metrics.json")
    tasks = {task.name: task for task in tasks_from_config(load_run_config(base))}
    cells = []
    for name in dict.fromkeys((*runs[0]["tasks"], *runs[1]["tasks"])):
        entries = runs[0]["tasks"].get(name), runs[1]["tasks"].get(name)
        headline = (entries[0] or entries[1])["headline"]
        for key in (tasks[name].compared if name in tasks else ()) or (headline,):
            cell = _comparable(name, key, *entries)
            if cell.verdict != "not comparable":
                metric = tasks[name].metrics[key]
                samples = _read(base / name, key, metric), _read(new / name, key, metric)
                cell = _test(cell, metric, *samples, level=level, resamples=resamples, seed=seed)
            cells.append(cell)
    return Comparison(runs[0]["name"], runs[1]["name"], level, _with_verdicts(cells, 1 - level))


@dataclass(frozen=True, slots=True)
class _Samples:
    """What one run says of a task's samples that count towards its figure.

    Attributes:
        places: the row of each sample id.
        references, answers: texts, by row.
        statistics: of the metric compared, by row.
    """

    places: Mapping[str, int]
    references: Sequence[Sequence[str]]
    answers: Sequence[str]
    statistics: Statistics


def _comparable(name: str, key: str, base: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Cell:
    """A cell yet without figures, whose verdict says whether it can have them."""
    if base is None or new is None:
        present: Mapping[str, Any] = base or new or {}
        figure = present["metrics"][key]
        reason = f"{ONLY_IN} {'base' if base else 'new'} run has it"
        return Cell(name, present["title"], figure["name"], "not comparable", reason)
    if key not in base["metrics"] or key not in new["metrics"]:
        reason = f"only one of the runs was scored by {key}; `evalkit score` can score a run again"
        return Cell(name, base["title"], key, "not comparable", reason)
    figures = base["metrics"][key], new["metrics"][key]
    cell = Cell(name, base["title"], figures[0]["name"], "no evidence")
    recipes = [comparability(figure["recipe"]) for figure in figures]
    if recipes[0] != recipes[1]:
        reason = f"scored differently, {recipes[0]} and {recipes[1]}; `evalkit score` can score a run again"
        return replace(cell, verdict="not comparable", reason=reason)
    return cell


def _test(
    cell: Cell, metric: Metric, base: _Samples, new: _Samples, *, level: float, resamples: int, seed: int
) -> Cell:
    """The cell with its figures, tested over the samples that both runs have."""
    shared = [sample_id for sample_id in base.places if sample_id in new.places]
    cell = replace(cell, shared=len(shared), base_samples=len(base.places), new_samples=len(new.places))
    if not shared:
        return replace(cell, verdict="not comparable", reason="no sample counts towards both runs' figures")
    rows = [(base.places[sample_id], new.places[sample_id]) for sample_id in shared]
    for sample_id, (base_row, new_row) in zip(shared, rows, strict=True):
        if base.references[base_row] != new.references[new_row]:
            reason = f"sample {sample_id} has another reference in each run: these are different data sets"
            return replace(cell, verdict="not comparable", reason=reason)
    base_statistics = base.statistics[[row for row, _ in rows]]
    new_statistics = new.statistics[[row for _, row in rows]]
    test = paired_test(new_statistics, base_statistics, metric.value, resamples=resamples, level=level, seed=seed)
    if not math.isfinite(test.difference):
        return replace(cell, verdict="not comparable", reason="the figure is undefined over the shared samples")
    base_sum = base_statistics.sum(axis=0)
    base_value = float(metric.value(base_sum))
    effects = [
        float(metric.value(base_sum - before + after)) - base_value
        for before, after in zip(base_statistics, new_statistics, strict=True)
    ]
    changes = [
        Change(
            sample_id,
            " / ".join(base.references[base_row]),
            base.answers[base_row],
            new.answers[new_row],
            effect,
        )
        for sample_id, (base_row, new_row), effect in zip(shared, rows, effects, strict=True)
        if effect
    ]
    changes.sort(key=lambda change: (change.effect, change.sample_id))
    lowered = [change for change in changes if change.effect < 0][:_UTTERANCES_EITHER_WAY]
    raised = [change for change in reversed(changes) if change.effect > 0][:_UTTERANCES_EITHER_WAY]
    improved, worsened = (raised, lowered) if metric.higher_is_better else (lowered, raised)
    some_left_out = len(shared) < max(cell.base_samples, cell.new_samples)
    return replace(
        cell,
        reason="over the shared samples alone" if some_left_out else "",
        base=base_value,
        new=float(metric.value(new_statistics.sum(axis=0))),
        difference=test.difference,
        interval=(test.interval.low, test.interval.high),
        p_value=test.p_value,
        higher_is_better=metric.higher_is_better,
        improved=improved,
        worsened=worsened,
    )


def _with_verdicts(cells: Sequence[Cell], significance: float) -> list[Cell]:
    """Judge all tested cells together, so that many cells do not make a chance finding likely."""
    tested = [cell for cell in cells if cell.p_value is not None]
    adjusted = iter(holm([cell.p_value for cell in tested if cell.p_value is not None]))
    judged = []
    for cell in cells:
        if cell.p_value is not None and cell.difference is not None:
            p_value = next(adjusted)
            verdict: Verdict = "no evidence"
            if p_value <= significance:
                verdict = "better" if (cell.difference > 0) == cell.higher_is_better else "worse"
            cell = replace(cell, adjusted_p_value=p_value, verdict=verdict)
        judged.append(cell)
    return judged


def _read(folder: Path, key: str, metric: Metric) -> _Samples:
    import pyarrow.parquet

    path = folder / "scores.parquet"
    columns = [f"{key}.{name}" for name in metric.statistics]
    try:
        table = pyarrow.parquet.read_table(path, columns=["id", "status", "references", "responses", *columns])
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error}); run or score that run again") from error
    counts = [status != "skipped" for status in table["status"].to_pylist()]
    table = table.filter(counts)
    return _Samples(
        places={sample_id: row for row, sample_id in enumerate(table["id"].to_pylist())},
        references=table["references"].to_pylist(),
        answers=[_first_words(responses) for responses in table["responses"].to_pylist()],
        statistics=np.column_stack([table[column].to_numpy() for column in columns]),
    )


def _first_words(responses: Sequence[str]) -> str:
    """What the model said, or what was heard of it; a judge, who may have spoken too, comes after."""
    return next((text for text in responses if text.strip()), "")
