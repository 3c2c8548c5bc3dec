"""Whether a comparison lets a release pass."""

from collections.abc import Collection, Sequence
from typing import Literal

from evalkit.results.compared import ComparedMetric, Comparison, Verdict

Condition = Literal["worse", "not-better", "not-comparable"]

_CAUGHT: dict[Condition, frozenset[Verdict]] = {
    "worse": frozenset({"worse"}),
    "not-better": frozenset({"worse", "equivalent", "no evidence"}),
    "not-comparable": frozenset({"not comparable"}),
}


def is_caught(row: ComparedMetric, conditions: Collection[Condition]) -> bool:
    """Tell whether a figure fails a gate.

    Args:
        row: the figure.
        conditions: ``worse``: it is worse; ``not-better``: it was compared and is not better; ``not-comparable``: it
            could not be compared.
    """
    return any(row.verdict in _CAUGHT[condition] for condition in conditions)


def caught(comparison: Comparison, conditions: Collection[Condition]) -> Sequence[ComparedMetric]:
    """Return the figures that fail a gate; see ``is_caught``."""
    return [row for row in comparison.metrics if is_caught(row, conditions)]


def without_a_figure(comparison: Comparison) -> Sequence[str]:
    """Return the new runs of which nothing could be compared, about which no gate can say anything."""
    return [run for run in comparison.runs if not any(row.compared for row in comparison.of(run))]
