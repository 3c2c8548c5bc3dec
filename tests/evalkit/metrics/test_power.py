"""What a test set can find, against SciPy's power of the t-test."""

import math

import pytest
from scipy import stats

from evalkit.errors import ConfigurationError
from evalkit.metrics.power import samples_needed, smallest_difference


def power_of_t_test(difference: float, standard_error: float, units: int, level: float) -> float:
    """Exactly, by the noncentral t distribution."""
    critical = stats.t.ppf((1 + level) / 2, units - 1)
    noncentrality = difference / standard_error
    return float(stats.nct.sf(critical, units - 1, noncentrality) + stats.nct.cdf(-critical, units - 1, noncentrality))


@pytest.mark.parametrize("units", [8, 24, 40, 2_000])
@pytest.mark.parametrize(("level", "power"), [(0.95, 0.8), (0.99, 0.9)])
def test_the_smallest_difference_is_found_as_often_as_it_says(units: int, level: float, power: float) -> None:
    difference = smallest_difference(0.3, units, level=level, power=power)
    assert power_of_t_test(difference, 0.3, units, level) == pytest.approx(power, abs=0.03)


def test_of_many_samples_it_is_2_8_standard_errors() -> None:
    assert smallest_difference(1, 10**6) == pytest.approx(1.95996 + 0.84162, rel=1e-4)


@pytest.mark.parametrize("difference", [0.05, 0.5, 3.0])
def test_with_as_many_samples_as_needed_the_difference_is_the_smallest_found(difference: float) -> None:
    needed = samples_needed(difference, 0.3, 40)
    error = 0.3 * math.sqrt(40 / needed)
    assert smallest_difference(error, int(needed)) <= difference
    if needed > 5:
        fewer = int(needed) - 1
        assert smallest_difference(0.3 * math.sqrt(40 / fewer), fewer) > difference


def test_the_sign_of_the_difference_does_not_matter() -> None:
    assert samples_needed(-0.5, 0.3, 40) == samples_needed(0.5, 0.3, 40)


def test_what_cannot_be_said() -> None:
    assert math.isinf(samples_needed(0.0, 0.3, 40))
    assert math.isinf(samples_needed(1e-9, 0.3, 40))
    for error, units in ((math.nan, 40), (0.0, 40), (0.3, 4)):
        assert math.isnan(smallest_difference(error, units))
        assert math.isnan(samples_needed(1, error, units))
    assert math.isnan(samples_needed(math.nan, 0.3, 40))


@pytest.mark.parametrize("settings", [{"level": 95}, {"power": 1.0}, {"power": 0.04}])
def test_settings_out_of_range(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="must lie between"):
        smallest_difference(0.3, 40, **settings)
    with pytest.raises(ConfigurationError, match="must lie between"):
        samples_needed(1, 0.3, 40, **settings)
