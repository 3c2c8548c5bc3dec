"""Is the new run better, worse, or is there no evidence? Paired tests between two runs, figure by figure.

Only what both runs answered is compared, sample by sample, so that a hard or an easy data set counts for neither. Where
the two were scored differently, or asked about different references, nothing is compared and the reason is given.
Nothing but the stored results is read: no task is loaded.
"""

import math
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evalkit.errors import ConfigurationError, StoreError
from evalkit.metrics.functions import MetricFunction, get_metric_function
from evalkit.metrics.metric import difference_in_unit, in_unit, mean_in_unit, render_recipe
from evalkit.metrics.multiple_comparisons import holm
from evalkit.metrics.resampling import BootstrapSettings, PairedReplicates, paired_replicates, summarise
from evalkit.results.compared import Change, ComparedMetric, Comparison, OnlyIn, Verdict
from evalkit.results.metrics_file import RunResult, read_run
from evalkit.results.scores import ScoredSamples, ScoresFile
from evalkit.results.task_result import Aggregate, MetricResult, TaskResult

_SAMPLES_EITHER_WAY = 10


def compare_runs(
    base: RunResult | str | Path,
    new: RunResult | str | Path,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare two runs.

    Args:
        base: the baseline, or its folder.
        new: what is to be judged against it, or its folder.
        level: confidence level of the intervals and of the verdicts.
        resamples: of each bootstrap and each randomisation test.
        seed: of both.

    Raises:
        StoreError: a folder is not that of a run, or is damaged.
        ConfigurationError: the level or the number of resamples is out of range.
    """
    runs = [run if isinstance(run, RunResult) else read_run(run) for run in (base, new)]
    comparer = _Comparer(runs[0], runs[1], BootstrapSettings(level, resamples, seed))
    metrics = [*comparer.tasks(), *comparer.aggregates()]
    remarks = [f"{run.name} is not finished: without {', '.join(run.unfinished)}" for run in runs if run.unfinished]
    return Comparison(runs[0].name, runs[1].name, level, _with_verdicts(metrics, 1 - level), remarks)


@dataclass(frozen=True, slots=True)
class _Tested:
    """A comparable metric of a task, with what resampling made of it (before scaling)."""

    result: ComparedMetric
    replicates: PairedReplicates
    scale: float


class _Comparer:
    def __init__(self, base: RunResult, new: RunResult, settings: BootstrapSettings) -> None:
        self._runs = (base, new)
        self._settings = settings
        self._tested: dict[tuple[str, str], _Tested] = {}

    def tasks(self) -> list[ComparedMetric]:
        base, new = self._runs
        results = []
        for name in dict.fromkeys((*base.tasks, *new.tasks)):
            pair = base.tasks.get(name), new.tasks.get(name)
            present = pair[0] or pair[1]
            assert present is not None  # noqa: S101 - the name is one of theirs
            results += [self._task(name, key, *pair) for key in present.compared]
        return results

    def aggregates(self) -> list[ComparedMetric]:
        base, new = self._runs
        names = dict.fromkeys((*base.aggregates, *new.aggregates))
        return [self._aggregate(base.aggregates.get(name), new.aggregates.get(name)) for name in names]

    def _task(self, name: str, key: str, base: TaskResult | None, new: TaskResult | None) -> ComparedMetric:
        if base is None or new is None:
            return _only_in_one(name, base, new, key)
        blank = _blank(name, base.title, base.metrics.get(key) or new.metrics[key])
        reason = _obstacle(key, base, new)
        if reason:
            return replace(blank, verdict="not comparable", reason=reason)
        metric = base.metrics[key]
        try:
            function = get_metric_function(metric.function)
        except ConfigurationError as error:
            return replace(blank, verdict="not comparable", reason=str(error))
        samples = self._read(self._runs[0], base, key), self._read(self._runs[1], new, key)
        seed = _seed(self._settings.seed, name)
        result, replicates = _test(blank, metric, function, samples, self._settings, seed)
        if replicates is not None:
            self._tested[name, key] = _Tested(result, replicates, metric.scale)
        return result

    def _aggregate(self, base: Aggregate | None, new: Aggregate | None) -> ComparedMetric:
        if base is None or new is None:
            return _only_in_one("", base, new)
        blank = _blank(base.name, base.title, base.metric)
        if set(base.members) != set(new.members):
            reason = f"over other members, {', '.join(base.members)} and {', '.join(new.members)}"
            return replace(blank, verdict="not comparable", reason=reason)
        parts = []
        for name in base.members:
            task = self._runs[0].tasks.get(name)
            part = None if task is None else self._tested.get((name, task.headline))
            if part is None:
                return replace(blank, verdict="not comparable", reason=f"its member {name} is not comparable")
            parts.append(part)
        return _filled(
            replace(
                blank,
                shared=sum(part.result.shared for part in parts),
                base_samples=sum(part.result.base_samples for part in parts),
                new_samples=sum(part.result.new_samples for part in parts),
            ),
            PairedReplicates(
                a=mean_in_unit([in_unit(part.replicates.a, part.scale) for part in parts]),
                b=mean_in_unit([in_unit(part.replicates.b, part.scale) for part in parts]),
                bootstrapped=np.mean([part.replicates.bootstrapped * part.scale for part in parts], axis=0),
                exchanged=np.mean([part.replicates.exchanged * part.scale for part in parts], axis=0),
            ),
            1,
            self._settings.level,
        )

    def _read(self, run: RunResult, task: TaskResult, key: str) -> ScoredSamples:
        if run.folder is None:
            raise StoreError(f"{run.name}: is not read from a folder, and has no scores to compare")
        scores = ScoresFile(run.folder / task.name, task.digest)
        return scores.scored_samples(key, tuple(task.metrics[key].statistics), task.resampled)


def _seed(seed: int, name: str) -> int:
    """Return a seed of a task's own, so that the parts of an average are drawn independently."""
    return seed + zlib.crc32(name.encode())


def _blank(name: str, title: str, metric: MetricResult) -> ComparedMetric:
    return ComparedMetric(
        name,
        title,
        metric.name,
        metric.unit,
        metric.decimals,
        "no evidence",
        higher_is_better=metric.higher_is_better,
    )


def _only_in_one(
    name: str, base: TaskResult | Aggregate | None, new: TaskResult | Aggregate | None, key: str = ""
) -> ComparedMetric:
    present = base or new
    assert present is not None  # noqa: S101 - it is in one of the two
    metric = present.metrics[key] if isinstance(present, TaskResult) else present.metric
    only_in: OnlyIn = "new" if base is None else "base"
    blank = _blank(name or present.name, present.title, metric)
    return replace(blank, verdict="not comparable", reason=f"only the {only_in} run has it", only_in=only_in)


def _obstacle(key: str, base: TaskResult, new: TaskResult) -> str:
    """Say why a metric of a task cannot be compared by what the results say of it; empty if nothing does."""
    if key not in base.metrics or key not in new.metrics:
        return f"only one of the runs was scored by {key}; `evalkit score` can score a run again"
    metrics = base.metrics[key], new.metrics[key]
    if differing := _differing(metrics[0].recipe, metrics[1].recipe, {*base.models, *new.models}):
        lines = [
            render_recipe({name: _titled(name, task, metric) for name in differing if name in metric.recipe})
            for task, metric in zip((base, new), metrics, strict=True)
        ]
        return f"scored differently, {lines[0] or 'nothing'} and {lines[1] or 'nothing'}; {_remedy(differing, base)}"
    computed = [(each.function, each.scale, each.higher_is_better, tuple(each.statistics)) for each in metrics]
    if computed[0] != computed[1]:
        return "computed by another function, scale, direction or statistics; `evalkit score` can score a run again"
    return ""


def _differing(base: Mapping[str, str], new: Mapping[str, str], roles: Collection[str]) -> list[str]:
    """Return the fields in which two recipes differ; a model that one run had no question for sets nothing apart."""
    return [
        name
        for name in dict.fromkeys((*base, *new))
        if base.get(name) != new.get(name) and not (name in roles and (name not in base or name not in new))
    ]


def _titled(name: str, task: TaskResult, metric: MetricResult) -> str:
    model = task.models.get(name)
    return metric.recipe[name] if model is None else f"{model.title}@{model.fingerprint}"


def _remedy(differing: Sequence[str], task: TaskResult) -> str:
    if any(name in task.models for name in differing):
        return "run one of them with the other's models in these roles"
    return "`evalkit score` can score a run again"


def _test(
    blank: ComparedMetric,
    metric: MetricResult,
    function: MetricFunction,
    samples: tuple[ScoredSamples, ScoredSamples],
    settings: BootstrapSettings,
    seed: int,
) -> tuple[ComparedMetric, PairedReplicates | None]:
    """Compare a metric over the samples that both runs have; no replicates where it cannot be compared."""
    base, new = samples
    base_rows, new_rows = _rows(base), _rows(new)
    shared = [sample_id for sample_id in base_rows if sample_id in new_rows]
    blank = replace(blank, shared=len(shared), base_samples=len(base_rows), new_samples=len(new_rows))
    if not shared:
        reason = "no sample counts towards both runs' values"
        return replace(blank, verdict="not comparable", reason=reason), None
    rows = [(base_rows[sample_id], new_rows[sample_id]) for sample_id in shared]
    for sample_id, (base_row, new_row) in zip(shared, rows, strict=True):
        if base.references[base_row] != new.references[new_row]:
            reason = f"sample {sample_id} has another reference in each run: these are different data sets"
            return replace(blank, verdict="not comparable", reason=reason), None
    base_statistics = base.statistics[[row for row, _ in rows]]
    new_statistics = new.statistics[[row for _, row in rows]]
    replicates = paired_replicates(new_statistics, base_statistics, function, resamples=settings.resamples, seed=seed)
    if not len(replicates.exchanged):
        return replace(blank, verdict="not comparable", reason="undefined over the shared samples"), None
    total = base_statistics.sum(axis=0)
    # The gain first: equal statistics then have no effect, whatever the rounding.
    effects = [(function(total + gain) - replicates.b) * metric.scale for gain in new_statistics - base_statistics]
    changes = sorted(
        (
            Change(sample_id, " / ".join(base.references[row]), base.answers[row], new.answers[new_row], effect)
            for sample_id, (row, new_row), effect in zip(shared, rows, effects, strict=True)
            if effect and math.isfinite(effect)
        ),
        key=lambda change: (change.effect, change.sample_id),
    )
    lowered = [change for change in changes if change.effect < 0][:_SAMPLES_EITHER_WAY]
    raised = [change for change in reversed(changes) if change.effect > 0][:_SAMPLES_EITHER_WAY]
    improved, worsened = (raised, lowered) if metric.higher_is_better else (lowered, raised)
    blank = replace(blank, improved=improved, worsened=worsened)
    return _filled(blank, replicates, metric.scale, settings.level), replicates


def _filled(blank: ComparedMetric, replicates: PairedReplicates, scale: float, level: float) -> ComparedMetric:
    """Return the comparison with its numbers; of the replicates, a is the new run."""
    test = summarise(replicates, level)
    interval = None
    if np.isfinite(test.interval).all():
        interval = in_unit(test.interval.low, scale), in_unit(test.interval.high, scale)
    some_left_out = blank.shared < max(blank.base_samples, blank.new_samples)
    base, new = in_unit(replicates.b, scale), in_unit(replicates.a, scale)
    return replace(
        blank,
        reason="over the shared samples alone" if some_left_out else "",
        base=base,
        new=new,
        difference=difference_in_unit(new, base),
        interval=interval,
        p_value=test.p_value,
    )


def _rows(samples: ScoredSamples) -> Mapping[str, int]:
    return {sample_id: row for row, sample_id in enumerate(samples.ids)}


def _with_verdicts(metrics: Sequence[ComparedMetric], significance: float) -> list[ComparedMetric]:
    """Judge all tested metrics together, so that many of them do not make a chance finding likely."""
    adjusted = iter(holm([each.p_value for each in metrics if each.p_value is not None]))
    judged = []
    for each in metrics:
        if each.p_value is not None and each.difference is not None:
            p_value = next(adjusted)
            verdict: Verdict = "no evidence"
            if p_value <= significance:
                verdict = "better" if (each.difference > 0) == each.higher_is_better else "worse"
            each = replace(each, adjusted_p_value=p_value, verdict=verdict)
        judged.append(each)
    return judged
