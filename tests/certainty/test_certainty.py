"""That intervals cover, tests keep their level and power is as said: docs/certainty.md on fewer test sets."""

import math
from typing import Any

import numpy as np
import pytest

from evalkit import bootstrap, paired_test
from tests.certainty.population import FIGURES, Figure, Shape, draw_pairs, independent, speakers
from tests.certainty.simulation import alarms, coverage, power, resampled, simulate

PAIRS = 400
BY_NAME = {figure.name: figure for figure in FIGURES}
FIGURE = pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)


def allowance(share: float, pairs: int = PAIRS) -> float:
    """Three standard errors of a share of so many."""
    return 3 * math.sqrt(share * (1 - share) / pairs)


@FIGURE
def test_the_simulation_computes_what_the_harness_does(figure: Figure) -> None:
    sums = draw_pairs(np.random.default_rng(0), figure, independent(60), 4)[0].sum(axis=1)
    assert figure.values(sums) == pytest.approx([figure.function(total) for total in sums])


@FIGURE
def test_the_simulation_makes_the_intervals_that_the_harness_does(figure: Figure) -> None:
    shape = speakers(12, 8)
    a, b = (rows[0] for rows in draw_pairs(np.random.default_rng(1), figure, shape, 1, effect=0.3, singly=True))
    labels = np.repeat(np.arange(12), 8).tolist()
    settings: dict[str, Any] = {"clusters": labels, "resamples": 1_000}
    ours, test = bootstrap(a, figure.function, **settings), paired_test(a, b, figure.function, **settings)
    sums = a.reshape(12, 8, -1).sum(axis=1), b.reshape(12, 8, -1).sum(axis=1)
    [simulated] = resampled(
        np.random.default_rng(2), figure, sums[0][np.newaxis], sums[1][np.newaxis], 1_000, summed=True
    )
    wide = ours.high - ours.low
    assert ours == pytest.approx(simulated.interval, abs=0.15 * wide)
    assert test.interval == pytest.approx(simulated.difference, abs=0.15 * (test.interval.high - test.interval.low))
    assert test.p_value == pytest.approx(simulated.p_value, abs=0.06)


@pytest.mark.slow
@FIGURE
@pytest.mark.parametrize(
    ("shape", "least", "most", "most_alarms"),
    [
        (independent(8), 0.90, 1, 0.06),
        (independent(24), 0.92, 1, 0.06),
        (independent(84), 0.93, 0.97, 0.06),
        (speakers(10, 10), 0.90, 1, 0.07),
        (speakers(40, 65), 0.93, 0.97, 0.06),
    ],
    ids=lambda each: each.name if isinstance(each, Shape) else "",
)
def test_coverage(figure: Figure, shape: Shape, least: float, most: float, most_alarms: float) -> None:
    simulated = list(simulate(figure, shape, PAIRS, 800, seed=5))
    for share in coverage(figure, shape, simulated):
        # Exact intervals of proportions hold the truth more often than they say.
        assert least - allowance(0.95) <= share <= most + allowance(0.95)
    assert alarms(simulated) <= most_alarms + allowance(0.05)
    if len(shape.sizes) >= 40 and figure.name != "precision":
        assert alarms(simulated) >= 0.04 - allowance(0.05)


@pytest.mark.slow
def test_taking_the_samples_of_a_speaker_to_be_independent_covers_nothing() -> None:
    figure, shape = BY_NAME["error rate"], speakers(40, 65)
    simulated = list(simulate(figure, shape, 100, 300, singly=True))
    assert max(coverage(figure, shape, simulated)) < 0.7
    assert alarms(simulated) > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["error rate", "accuracy"])
@pytest.mark.parametrize("shape", [independent(500), speakers(40, 65)], ids=lambda shape: shape.name)
def test_power_is_as_said(name: str, shape: Shape) -> None:
    _, found = power(BY_NAME[name], shape, PAIRS, 800)
    assert found == pytest.approx(0.8, abs=0.05 + allowance(0.8))
