"""The rule by which a published figure is reproduced or not."""

from decimal import Decimal
from statistics import NormalDist

import numpy as np
import pytest

from reports.reproduction.verdict import Figures, Judgement, default_margin, judge

CLOSE = Decimal("0.0001")


def figures(
    published: str, measured: str | None, half: str | None = "0.2", margin: str = "0.3", **others: object
) -> Figures:
    """Figures whose interval reaches equally far on both sides."""
    value = None if measured is None else Decimal(measured)
    interval = None if half is None or value is None else (value - Decimal(half), value + Decimal(half))
    return Figures(Decimal(published), Decimal(margin), value, interval, samples=1000, **others)  # type: ignore[arg-type]


def alone(*arguments: str | None, **others: object) -> Judgement:
    [judgement] = judge([figures(*arguments, **others)])  # type: ignore[arg-type]
    return judgement


def test_each_verdict() -> None:
    assert alone("3.00", "3.10").verdict == "reproduced"
    assert alone("3.00", "3.60").verdict == "differs"
    assert alone("3.00", "3.10", "0.5").verdict == "cannot tell"
    assert alone("3.00", None, lack="no data").reason == "no data"
    assert alone("3.00", None).verdict == "not run"


def test_a_difference_that_does_not_matter_is_none_though_it_is_significant() -> None:
    found = alone("3.00", "3.25", "0.1")
    assert (found.verdict, found.reason) == ("reproduced", "within the margin of ±0.3, outside the interval")
    assert found.p_value is not None
    assert found.p_value < 0.001


def test_a_difference_beyond_the_margin_may_be_chance_on_a_small_test_set() -> None:
    assert alone("3.00", "3.60", "0.8").verdict == "cannot tell"


@pytest.mark.parametrize(("measured", "verdict"), [("3.304", "reproduced"), ("3.306", "differs")])
def test_the_rounding_of_the_printed_figure_is_allowed_for(measured: str, verdict: str) -> None:
    assert alone("3.00", measured, "0.05").verdict == verdict
    assert figures("3", "3.4").rounding == Decimal("0.5")
    assert figures("3.0", "3.4").rounding == Decimal("0.05")


@pytest.mark.parametrize(("measured", "same"), [("3.005", False), ("3.0049", True), ("2.995", True), ("2.9949", False)])
def test_the_same_digits_reproduce_whatever_the_size(measured: str, same: bool) -> None:
    for half in ("5", None):
        assert (alone("3.00", measured, half).verdict == "reproduced") is same


def test_a_figure_without_an_interval_cannot_be_judged() -> None:
    assert alone("3.00", "3.10", None).reason == "no interval can be given with 1,000 samples"
    # An interval of no width, as of 6 samples without an error, says nothing of chance.
    assert alone("3.00", "3.10", "0").verdict == "cannot tell"


def test_other_data_are_no_reproduction_even_with_the_same_digits() -> None:
    found = alone("3.00", "3.00", lack="24 of 2,620 samples")
    assert (found.verdict, found.reason, found.p_value) == ("cannot tell", "24 of 2,620 samples", None)


@pytest.mark.parametrize("published", ["1.0", "2.4", "3.7", "4.1", "5.5"])
@pytest.mark.parametrize("ends", [("2.0", "3.5"), ("2.9", "4.4"), ("1.2", "5.2")])
def test_the_p_value_says_whether_the_interval_holds_the_published_figure(
    published: str, ends: tuple[str, str]
) -> None:
    low, high = map(Decimal, ends)
    found = Figures(Decimal(published), Decimal(1), Decimal(3), (low, high))
    outside = found.published + found.rounding < low or found.published - found.rounding > high
    assert found.p_value is not None
    assert (found.p_value <= 0.05) is outside


def test_the_p_value_is_that_of_a_normal_distribution() -> None:
    # An interval of 95 % reaches 1.96 standard errors; the difference is 2.5 of them beyond the rounding.
    error = Decimal("0.1")
    reach = error * Decimal(NormalDist().inv_cdf(0.975))
    found = Figures(Decimal("3.00"), error, Decimal("3.255"), (Decimal("3.255") - reach, Decimal("3.255") + reach))
    assert found.p_value == pytest.approx(2 * NormalDist().cdf(-2.5), rel=1e-9)


def test_of_many_figures_some_lie_outside_by_chance() -> None:
    inside = figures("3.00", "3.05", "0.25")
    barely = figures("3.00", "3.32", "0.25")
    far = figures("3.00", "4.00", "0.25")
    assert [each.verdict for each in judge([barely])] == ["differs"]
    together = judge([barely, far, *[inside] * 18])
    assert [each.verdict for each in together[:3]] == ["cannot tell", "differs", "reproduced"]
    assert "by chance" in together[0].reason
    assert together[0].p_value is not None
    assert together[0].adjusted_p_value == pytest.approx(19 * together[0].p_value)
    # What cannot be judged does not count among them.
    left_out = figures("3.00", None)
    assert judge([barely, *[left_out] * 50])[0].verdict == "differs"


def test_how_many_samples_would_tell() -> None:
    # The width goes with the root of the number: an interval of twice the margin wants four times the samples.
    assert (
        alone("3.00", "3.10", "0.6").reason
        == "1,000 samples tell figures apart by ±0.60, not by ±0.3; about 4,000 would"
    )


@pytest.mark.parametrize(
    ("published", "metric", "margin"),
    [
        ("1.33", "WER", "0.266"),
        ("0.30", "CER", "0.1"),
        ("16.46", "wer", "1"),
        ("39.29", "BLEU", "1"),
        ("29.08", "ASR-BLEU", "1"),
        ("73.2", "accuracy", "3"),
        ("77.81", "score_0_100", "3"),
    ],
)
def test_the_usual_margins(published: str, metric: str, margin: str) -> None:
    assert abs(default_margin(Decimal(published), metric) - Decimal(margin)) < CLOSE


def test_one_model_asked_twice_seldom_differs_and_another_one_does() -> None:
    """Simulated: 1,000 questions, answered rightly with a probability of each question's own."""
    generator = np.random.default_rng(0)
    n, runs = 1000, 400

    def share_that_differs(spread: float, worse: float) -> float:
        # Of chances with this distribution, two runs of one model correlate by spread / (1 + spread).
        chances = generator.beta(0.75 / spread, 0.25 / spread, (runs, n))
        published = (generator.random((runs, n)) < chances).mean(axis=1) * 100
        measured = (generator.random((runs, n)) < np.clip(chances - worse, 0, 1)).mean(axis=1) * 100
        reach = 1.96 * np.sqrt(measured * (100 - measured) / n)
        verdicts = [
            alone(f"{p:.1f}", f"{m:.6f}", f"{r:.6f}", "0.1").verdict
            for p, m, r in zip(published, measured, reach, strict=True)
        ]
        return verdicts.count("differs") / runs

    # Correlated by a half: no more than the level, though the margin is next to nothing.
    assert share_that_differs(spread=1.0, worse=0) < 0.07
    assert share_that_differs(spread=4.0, worse=0) < 0.01
    assert share_that_differs(spread=4.0, worse=0.1) > 0.9
