"""From numbers to verdicts: all tests that were made are corrected together, and then judged one by one.

A difference is *better* or *worse* if the corrected p-value of its test is at most one minus the level. Where the user
says which difference matters, it is *equivalent* if its interval lies within plus and minus that minimum, whatever its
test says: a difference can be certain and too small to matter. The interval that is printed decides, which is two
one-sided tests at half of one minus the level each (Schuirmann 1987, *A comparison of the two one-sided tests procedure
and the power approach*), and they are not corrected: to find all of many figures equivalent, each has to be so.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from evalkit.metrics.multiple_comparisons import benjamini_hochberg, holm
from evalkit.results.compared import ComparedMetric, Correction, GroupChange, Verdict

CORRECTIONS: dict[Correction, Callable[[Sequence[float]], list[float]]] = {"holm": holm, "bh": benjamini_hochberg}


def with_verdicts(
    rows: Sequence[ComparedMetric], significance: float, correction: Correction, minimum: float | None
) -> list[ComparedMetric]:
    """Judge all tested rows together, so that many of them do not make a chance finding likely.

    Args:
        rows: of all runs that are looked at.
        significance: one minus the level.
        correction: of their p-values.
        minimum: the difference that matters, in the unit that is printed; None if any does.
    """
    adjusted = iter(CORRECTIONS[correction]([each.p_value for each in rows if each.p_value is not None]))
    return [
        each if each.p_value is None else _judged(replace(each, adjusted_p_value=next(adjusted)), significance, minimum)
        for each in rows
    ]


def direction(difference: float, higher_is_better: bool) -> Verdict:
    """Call a difference that is not zero better or worse."""
    return "better" if (difference > 0) == higher_is_better else "worse"


def _judged(row: ComparedMetric, significance: float, minimum: float | None) -> ComparedMetric:
    difference, adjusted = row.difference, row.adjusted_p_value
    assert difference is not None and adjusted is not None  # noqa: S101, PT018 - a row with a p-value has both
    found = adjusted <= significance
    verdict: Verdict = "no evidence"
    remark = ""
    if minimum is not None and row.interval is not None and max(map(abs, row.interval)) <= minimum:
        verdict = "equivalent"
        remark = f"{direction(difference, row.higher_is_better)}, by less than matters" if found else ""
    elif found:
        verdict = direction(difference, row.higher_is_better)
        if minimum is not None and abs(difference) < minimum:
            remark = f"by less than {minimum:g} as measured, but the interval allows for more"
    return replace(
        row,
        verdict=verdict,
        reason="; ".join(filter(None, (row.reason, remark))),
        needed=row.needed if verdict == "no evidence" else None,
        groups=[each for each in row.groups if _is_against(each, row, verdict, significance)],
    )


def _is_against(group: GroupChange, row: ComparedMetric, verdict: Verdict, significance: float) -> bool:
    """Tell whether there is evidence that a group moved against the trend, or got worse where the whole did not."""
    if group.adjusted_p_value > significance:
        return False
    opposed = group.difference * (row.difference or 0) < 0
    return opposed or (group.verdict == "worse" and verdict != "worse")
