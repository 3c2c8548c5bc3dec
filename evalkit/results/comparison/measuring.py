"""What resampling says of two runs' values of one figure: the numbers of a row, before any verdict."""

import math
from dataclasses import dataclass, replace

import numpy as np

from evalkit.metrics.intervals import FEWEST_UNITS
from evalkit.metrics.metric import difference_in_unit, in_unit
from evalkit.metrics.power import samples_needed, smallest_difference
from evalkit.metrics.resampling import PairedReplicates, summarise
from evalkit.results.compared import ComparedMetric
from evalkit.results.comparison.wording import counted
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
    difference = difference_in_unit(new, base)
    row = replace(
        row,
        verdict="no evidence",
        reason="over the shared samples alone" if some_left_out else "",
        base=base,
        new=new,
        difference=difference,
        interval=interval,
        p_value=test.p_value,
    )
    if row.drawn < FEWEST_UNITS:
        tell = "tells" if row.drawn == 1 else "tell"
        few = f"{counted(row.drawn, row.resampled)} {tell} nothing: at least {FEWEST_UNITS} must be drawn"
        return Measured(replace(row, verdict="not comparable", reason=few, p_value=None))
    return Measured(_with_power(row, replicates, scale, level), replicates, scale)


def _with_power(row: ComparedMetric, replicates: PairedReplicates, scale: float, level: float) -> ComparedMetric:
    """Say how small a difference could have been found, and how many units would find the one that was seen."""
    error, units = replicates.standard_error, replicates.units
    detectable = smallest_difference(error, units, level=level) * scale
    needed = samples_needed(replicates.a - replicates.b, error, units, level=level) * row.drawn / units
    return replace(
        row,
        detectable=detectable if math.isfinite(detectable) else None,
        needed=math.ceil(needed) if math.isfinite(needed) and needed > row.drawn else None,
    )
