"""From p-values and intervals to verdicts."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from evalkit.metrics.multiple_comparisons import benjamini_hochberg, holm
from evalkit.results.compared import ComparedMetric, Comparison, Correction, GroupChange, Verdict
from evalkit.results.comparison.gate import Condition, caught, without_a_figure
from evalkit.results.comparison.verdicts import with_verdicts

INTERVALS = {"small": (-0.1, 0.2), "wide": (-0.5, 0.9), "small and certain": (0.05, 0.25), "certain": (0.05, 0.5)}


def row(difference: float = 0.1, p_value: float | None = 0.5, **fields: Any) -> ComparedMetric:
    """A row of an error rate, as it is before there is a verdict."""
    return ComparedMetric(
        "task", "Task", "WER", "%", 2, "no evidence",
        base=5.0, new=5.0 + difference, difference=difference, p_value=p_value, **fields,
    )  # fmt: skip


def judged(*rows: ComparedMetric, minimum: float | None = None) -> list[ComparedMetric]:
    return with_verdicts(rows, 0.05, "holm", minimum)


@pytest.mark.parametrize(
    ("difference", "p_value", "higher_is_better", "verdict"),
    [
        (0.1, 0.05, False, "worse"),
        (-0.1, 0.05, False, "better"),
        (0.1, 0.05, True, "better"),
        (-0.1, 0.05, True, "worse"),
        (-0.1, 0.0501, True, "no evidence"),
    ],
)
def test_the_test_finds_and_the_direction_names(
    difference: float, p_value: float, higher_is_better: bool, verdict: Verdict
) -> None:
    [found] = judged(row(difference, p_value, higher_is_better=higher_is_better))
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("interval", "p_value", "verdict", "remark"),
    [
        ("small", 0.5, "equivalent", ""),
        ("wide", 0.5, "no evidence", ""),
        ("small and certain", 0.001, "equivalent", "worse, by less than matters"),
        ("certain", 0.001, "worse", "by less than 0.3 as measured, but the interval allows for more"),
    ],
)
def test_what_matters_decides_between_equivalent_and_worse(
    interval: str, p_value: float, verdict: Verdict, remark: str
) -> None:
    [found] = judged(row(0.15, p_value, interval=INTERVALS[interval]), minimum=0.3)
    assert (found.verdict, found.reason) == (verdict, remark)
    [without] = judged(row(0.15, p_value, interval=INTERVALS[interval]))
    assert without.verdict == ("worse" if p_value < 0.05 else "no evidence")


def test_a_difference_as_large_as_matters_needs_no_remark() -> None:
    [found] = judged(row(0.4, 0.001, interval=(0.2, 0.6)), minimum=0.3)
    assert (found.verdict, found.reason) == ("worse", "")


def test_without_an_interval_nothing_is_equivalent() -> None:
    [found] = judged(row(0.0, 1.0), minimum=0.3)
    assert found.verdict == "no evidence"


def test_rows_are_corrected_together_and_those_without_a_test_stay() -> None:
    p_values = [0.01, None, 0.02, 0.03]
    rows = [row(0.1, p_value) for p_value in p_values]
    tested = [p_value for p_value in p_values if p_value is not None]
    procedures: dict[Correction, Callable[[Sequence[float]], list[float]]] = {"holm": holm, "bh": benjamini_hochberg}
    for name, procedure in procedures.items():
        found = with_verdicts(rows, 0.05, name, None)
        assert [each.adjusted_p_value for each in found if each.p_value is not None] == procedure(tested)
        assert found[1] == rows[1]
    assert [each.verdict for each in with_verdicts(rows, 0.035, "holm", None)] == ["worse", *["no evidence"] * 3]
    by_bh = [each.verdict for each in with_verdicts(rows, 0.035, "bh", None)]
    assert by_bh == ["worse", "no evidence", "worse", "worse"]


def test_how_many_samples_would_settle_is_said_without_evidence_alone() -> None:
    open_, settled = judged(row(0.1, 0.5, needed=900), row(0.1, 0.001, needed=900))
    assert (open_.needed, settled.needed) == (900, None)


def group(difference: float, p_value: float) -> GroupChange:
    verdict: Verdict = "worse" if difference > 0 else "better"
    return GroupChange("accent", "x", 20, 5.0, 5.0 + difference, difference, None, p_value, p_value, verdict)


@pytest.mark.parametrize(
    ("whole", "p_whole", "part", "p_part", "listed"),
    [
        (-0.5, 0.001, 0.4, 0.01, True),  # got worse while the whole got better
        (-0.5, 0.001, 0.4, 0.06, False),  # no evidence
        (0.5, 0.001, 0.4, 0.01, False),  # with the whole
        (0.5, 0.001, -0.4, 0.01, True),  # got better while the whole got worse
        (0.1, 0.5, 0.4, 0.01, True),  # got worse, though of the whole there is no evidence
        (-0.1, 0.5, -0.4, 0.01, False),  # got better with the whole, if that did
        (0.0, 1.0, -0.4, 0.01, False),  # there is no trend
    ],
)
def test_groups_are_listed_if_they_moved_against_the_trend(
    whole: float, p_whole: float, part: float, p_part: float, listed: bool
) -> None:
    [found] = judged(row(whole, p_whole, groups=[group(part, p_part)]))
    assert bool(found.groups) == listed


@pytest.mark.parametrize(
    ("verdict", "fails"),
    [
        ("worse", {"worse", "not-better"}),
        ("equivalent", {"not-better"}),
        ("no evidence", {"not-better"}),
        ("not comparable", {"not-comparable"}),
        ("better", set()),
    ],
)
def test_a_gate_catches_what_it_is_told_to(verdict: Verdict, fails: set[Condition]) -> None:
    found = ComparedMetric("task", "Task", "WER", "%", 2, verdict, run="new")
    comparison = Comparison("base", ["new"], 0.95, [found])
    conditions: tuple[Condition, ...] = ("worse", "not-better", "not-comparable")
    assert {each for each in conditions if caught(comparison, [each])} == fails
    assert bool(without_a_figure(comparison)) == (verdict == "not comparable")


def test_a_run_of_which_nothing_was_compared_is_not_hidden_by_another() -> None:
    rows = [
        ComparedMetric("task", "Task", "WER", "%", 2, "better", run="a"),
        ComparedMetric("task", "Task", "WER", "%", 2, "not comparable", run="b"),
    ]
    comparison = Comparison("base", ["a", "b"], 0.95, rows)
    assert not comparison.compared
    assert without_a_figure(comparison) == ["b"]
    assert comparison.new == "a, b"
