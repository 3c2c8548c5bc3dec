"""What resampling says of two runs' values of one figure: the numbers of a row, before any verdict."""

from dataclasses import dataclass, replace

import numpy as np

from evalkit.metrics.metric import difference_in_unit, in_unit
from evalkit.metrics.resampling import PairedReplicates, summarise
from evalkit.results.compared import ComparedMetric
from evalkit.results.task_result import MetricResult


@dataclass(frozen=True, slots=True)
class Measured:
    """A row with its numbers, and what resampling made of it (before scaling), of which averages are made.

    Attributes:
        row: the comparison, without a verdict.
        replicates: of the values; a is the new run. None where the figure is not comparable.
        scale: that brings them into the unit that is printed.
    """

    row: ComparedMetric
    replicates: PairedReplicates | None = None
    scale: float = 1


def blank(name: str, title: str, metric: MetricResult, run: str, key: str = "") -> ComparedMetric:
    """Return the row of a figure of which nothing is known yet."""
    return ComparedMetric(
        name,
        title,
        metric.name,
        metric.unit,
        metric.decimals,
        "not comparable",
        key=key,
        run=run,
        higher_is_better=metric.higher_is_better,
    )


def measured(row: ComparedMetric, replicates: PairedReplicates, scale: float, level: float) -> Measured:
    """Fill a row with what resampling says."""
    test = summarise(replicates, level)
    interval = None
    if np.isfinite(test.interval).all():
        interval = in_unit(test.interval.low, scale), in_unit(test.interval.high, scale)
    some_left_out = row.shared < max(row.base_samples, row.new_samples)
    base, new = in_unit(replicates.b, scale), in_unit(replicates.a, scale)
    row = replace(
        row,
        verdict="no evidence",
        reason="over the shared samples alone" if some_left_out else "",
        base=base,
        new=new,
        difference=difference_in_unit(new, base),
        interval=interval,
        p_value=test.p_value,
    )
    return Measured(row, replicates, scale)
