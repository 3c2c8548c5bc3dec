"""Groups of samples that moved against the trend: an accent that got worse while the whole got better.

Groups are those by which the results are broken down, and thirds of the samples by length of audio and of reference.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from evalkit.metrics.functions import MetricFunction
from evalkit.metrics.metric import rounded
from evalkit.results.compared import ComparedMetric, GroupChange
from evalkit.results.comparison.measuring import measured
from evalkit.results.comparison.pairing import Pairs
from evalkit.results.comparison.settings import ComparisonSettings
from evalkit.results.comparison.side import Rows, Statistics
from evalkit.results.comparison.verdicts import CORRECTIONS, direction
from evalkit.results.task_result import MetricResult

_FEWEST_SAMPLES = 10

# A few resamples tell which groups are far from any evidence, and save the many.
_FIRST_RESAMPLES = 400
_FAR_FROM_EVIDENCE = 0.25


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the shared samples.

    Attributes:
        field: what they are grouped by.
        label: of the group.
        rows: their positions.
    """

    field: str
    label: str
    rows: Rows


def groups_of(pairs: Pairs, metric: MetricResult) -> list[Group]:
    """Return every group of enough samples that is not the whole."""
    groups = [*_labelled(pairs), *_by_length("audio length", "s", pairs.durations())]
    if "reference_length" in metric.statistics:
        lengths = pairs.statistics[0][:, list(metric.statistics).index("reference_length")]
        groups += _by_length("reference length", metric.recipe.get("unit", "") + "s", lengths)
    return [group for group in groups if _FEWEST_SAMPLES <= len(group.rows) < len(pairs)]


def against_the_trend(
    pairs: Pairs,
    clusters: Rows | None,
    whole: ComparedMetric,
    metric: MetricResult,
    function: MetricFunction,
    settings: ComparisonSettings,
    seed: int,
) -> list[GroupChange]:
    """Test the groups that moved against the whole, or got worse.

    Those that moved with it need no test: in the correction they count as tests that found nothing, which makes the
    others' p-values larger rather than smaller.

    Args:
        pairs: the shared samples.
        clusters: what makes them dependent.
        whole: the comparison over all of them.
        metric: as the base run has it.
        function: the one that the metric names.
        settings: of the comparison.
        seed: of the figure.
    """
    groups = groups_of(pairs, metric)
    tested: list[GroupChange] = []
    for group in groups:
        base, new = (statistics[group.rows] for statistics in pairs.statistics)
        difference = (function(new.sum(axis=0)) - function(base.sum(axis=0))) * metric.scale
        if not np.isfinite(difference) or not _worth_a_test(difference, whole):
            continue
        drawn = None if clusters is None else clusters[group.rows]
        for resamples in (_FIRST_RESAMPLES, settings.resamples):
            replicates = pairs.replicates(function, drawn, resamples, seed, group.rows)
            row = measured(replace(whole, drawn=replicates.units), replicates, metric.scale, settings.level).row
            if row.p_value is None or row.p_value > _FAR_FROM_EVIDENCE:
                break
        else:
            tested.append(_change(group, row))
    untested = [1.0] * (len(groups) - len(tested))
    adjusted = CORRECTIONS[settings.correction]([*(each.p_value for each in tested), *untested])
    return [replace(each, adjusted_p_value=p_value) for each, p_value in zip(tested, adjusted, strict=False)]


def _worth_a_test(difference: float, whole: ComparedMetric) -> bool:
    opposed = difference * (whole.difference or 0) < 0
    return opposed or (difference != 0 and direction(difference, whole.higher_is_better) == "worse")


def _change(group: Group, row: ComparedMetric) -> GroupChange:
    values = row.base, row.new, row.difference, row.p_value
    base, new, difference, p_value = (0.0 if value is None else value for value in values)
    return GroupChange(
        field=group.field,
        label=group.label,
        samples=len(group.rows),
        base=base,
        new=new,
        difference=difference,
        interval=row.interval,
        p_value=p_value,
        adjusted_p_value=p_value,
        verdict=direction(difference, row.higher_is_better),
    )


def _labelled(pairs: Pairs) -> Iterator[Group]:
    """Yield the groups by which the base run's results are broken down: of those there are few enough to be read."""
    labels, places = pairs.groups()
    for field, parts in pairs.base.task.groups.items():
        for label in parts:
            has_label = np.array([each.get(field, "") == label for each in labels])
            yield Group(field, label, np.flatnonzero(has_label[places]))


def _by_length(field: str, unit: str, values: Statistics | None) -> Iterator[Group]:
    """Yield the samples in thirds by length, where lengths differ."""
    if values is None or not len(values):
        return
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    if not values.min() <= low < high < values.max():
        return
    first, second = (rounded(float(each), 1).removesuffix(".0") for each in (low, high))
    yield Group(field, f"up to {first} {unit}".strip(), np.flatnonzero(values <= low))
    yield Group(field, f"{first} to {second} {unit}".strip(), np.flatnonzero((values > low) & (values <= high)))
    yield Group(field, f"over {second} {unit}".strip(), np.flatnonzero(values > high))
