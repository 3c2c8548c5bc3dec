"""Everything that a run is compared in with one baseline: each figure of each task, and each average."""

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from evalkit.errors import ConfigurationError
from evalkit.metrics.functions import MetricFunction, get_metric_function
from evalkit.metrics.metric import in_unit, mean_in_unit
from evalkit.metrics.resampling import PairedReplicates
from evalkit.results.clusters import SINGLY
from evalkit.results.compared import ComparedMetric, OnlyIn
from evalkit.results.comparison.changes import find_changes
from evalkit.results.comparison.groups import against_the_trend
from evalkit.results.comparison.measuring import Measured, blank, measured
from evalkit.results.comparison.obstacles import obstacle
from evalkit.results.comparison.other_tests import other_test
from evalkit.results.comparison.pairing import Pairs
from evalkit.results.comparison.settings import AUTO, NONE, ComparisonSettings
from evalkit.results.comparison.side import Side
from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import Aggregate, TaskResult


@dataclass(frozen=True)
class RunPair:
    """A run and the baseline that it is judged against.

    Attributes:
        base: the baseline.
        new: the run to judge.
        settings: of the comparison.
    """

    base: RunResult
    new: RunResult
    settings: ComparisonSettings
    _known: dict[tuple[str, str], Measured] = field(default_factory=dict)

    def rows(self) -> list[ComparedMetric]:
        """Return a row for each figure that either run has, without verdicts yet.

        Raises:
            StoreError: the scores of a task cannot be read.
        """
        tasks = [
            self._figure(name, key).row
            for name in self._wanted((*self.base.tasks, *self.new.tasks))
            for key in (self.base.tasks.get(name) or self.new.tasks[name]).compared
        ]
        averages = [self._average(name) for name in self._wanted((*self.base.aggregates, *self.new.aggregates))]
        return [*tasks, *averages]

    def _wanted(self, names: Iterable[str]) -> list[str]:
        return [name for name in dict.fromkeys(names) if not self.settings.only or name in self.settings.only]

    def _figure(self, name: str, key: str) -> Measured:
        """Compare a metric of a task, once: averages are made of it too."""
        if (name, key) not in self._known:
            self._known[name, key] = self._compared(name, key)
        return self._known[name, key]

    def _compared(self, name: str, key: str) -> Measured:
        base, new = self.base.tasks.get(name), self.new.tasks.get(name)
        if base is None or new is None:
            return Measured(self._only_in_one(base, new, key))
        row = blank(name, base.title, base.metrics.get(key) or new.metrics[key], self.new.name, key)
        reason = obstacle(key, base, new)
        if reason:
            return Measured(replace(row, reason=reason))
        try:
            function = get_metric_function(base.metrics[key].function)
        except ConfigurationError as error:
            return Measured(replace(row, reason=str(error)))
        pairs = Pairs.of(Side.read(self.base, base, key), Side.read(self.new, new, key))
        row = replace(
            row, shared=len(pairs), base_samples=len(pairs.base.statistics), new_samples=len(pairs.new.statistics)
        )
        return _tested(row, pairs, function, self.settings)

    def _average(self, name: str) -> ComparedMetric:
        base, new = self.base.aggregates.get(name), self.new.aggregates.get(name)
        if base is None or new is None:
            return self._only_in_one(base, new)
        row = blank(base.name, base.title, base.metric, self.new.name)
        if set(base.members) != set(new.members):
            return replace(row, reason=f"over other members, {', '.join(base.members)} and {', '.join(new.members)}")
        parts = []
        for member in base.members:
            task = self.base.tasks.get(member)
            part = None if task is None else self._figure(member, task.headline)
            if part is None or part.replicates is None:
                return replace(row, reason=f"its member {member} is not comparable")
            parts.append(part)
        return _averaged(row, parts, self.settings)

    def _only_in_one(
        self, base: TaskResult | Aggregate | None, new: TaskResult | Aggregate | None, key: str = ""
    ) -> ComparedMetric:
        present = base or new
        assert present is not None  # noqa: S101 - it is in one of the two
        metric = present.metrics[key] if isinstance(present, TaskResult) else present.metric
        only_in: OnlyIn = "new" if base is None else "base"
        row = blank(present.name, present.title, metric, self.new.name, key)
        return replace(row, reason=f"only the {only_in} run has it", only_in=only_in)


def _tested(row: ComparedMetric, pairs: Pairs, function: MetricFunction, settings: ComparisonSettings) -> Measured:
    """Compare a metric over the samples that both runs have."""
    resampled, conflict = _drawn_by(pairs, settings.cluster)
    reason = pairs.obstacle(resampled) or conflict
    if reason:
        return Measured(replace(row, reason=reason))
    metric = pairs.base.metric
    seed = _seed(settings.seed, row.name)
    clusters = pairs.clusters(resampled)
    row = replace(row, resampled=resampled, drawn=len(pairs) if clusters is None else int(clusters.max()) + 1)
    replicates = pairs.replicates(function, clusters, settings.resamples, seed)
    if not len(replicates.exchanged):
        return Measured(replace(row, reason="undefined over the shared samples"))
    result = measured(row, replicates, metric.scale, settings.level)
    changes = find_changes(pairs, metric, function, settings.samples)
    row = replace(
        result.row,
        counts=changes.counts,
        improved=changes.improved,
        worsened=changes.worsened,
        groups=against_the_trend(pairs, clusters, result.row, metric, function, settings, seed),
        tests=[] if pairs.repeated else [other_test(name, pairs, metric) for name in settings.tests],
        # What is the runs' doing is settled by more runs, and not by more samples.
        needed=None if pairs.repeated else result.row.needed,
    )
    return replace(result, row=row)


def _drawn_by(pairs: Pairs, setting: str) -> tuple[str, str]:
    """Return the field by which samples are drawn, and why none can be chosen."""
    if setting in (NONE, SINGLY):
        return SINGLY, ""
    if setting != AUTO:
        return (setting if pairs.has(setting) else SINGLY), ""
    fields = sorted({pairs.base.task.resampled, pairs.new.task.resampled} - {SINGLY})
    if len(fields) > 1:
        return SINGLY, f"one run was resampled by {fields[0]}, the other by {fields[1]}; choose with --cluster"
    return (fields[0] if fields else SINGLY), ""


def _averaged(row: ComparedMetric, parts: list[Measured], settings: ComparisonSettings) -> ComparedMetric:
    rows = [part.row for part in parts]
    fields = {each.resampled for each in rows}
    row = replace(
        row,
        shared=sum(each.shared for each in rows),
        base_samples=sum(each.base_samples for each in rows),
        new_samples=sum(each.new_samples for each in rows),
        resampled=fields.pop() if len(fields) == 1 else "cluster",
        drawn=sum(each.drawn for each in rows),
    )
    replicates = [(part.replicates, part.scale) for part in parts if part.replicates is not None]
    return measured(row, _mean(replicates), 1, settings.level).row


def _mean(parts: Sequence[tuple[PairedReplicates, float]]) -> PairedReplicates:
    """Average members in the unit that is printed, each with its scale.

    The units that the average rests on follow from its degrees of freedom, by Welch and Satterthwaite.
    """
    variances = [(each.standard_error * scale) ** 2 for each, scale in parts]
    weighted = sum(variance**2 / (each.units - 1) for variance, (each, _) in zip(variances, parts, strict=True))
    return PairedReplicates(
        a=mean_in_unit([in_unit(each.a, scale) for each, scale in parts]),
        b=mean_in_unit([in_unit(each.b, scale) for each, scale in parts]),
        bootstrapped=np.mean([each.bootstrapped * scale for each, scale in parts], axis=0),
        exchanged=np.mean([each.exchanged * scale for each, scale in parts], axis=0),
        standard_error=math.sqrt(sum(variances)) / len(parts),
        units=1 + int(sum(variances) ** 2 / weighted) if weighted > 0 else min(each.units for each, _ in parts),
    )


def _seed(seed: int, name: str) -> int:
    """Return a seed of a task's own, so that the parts of an average are drawn independently."""
    return seed + zlib.crc32(name.encode())
