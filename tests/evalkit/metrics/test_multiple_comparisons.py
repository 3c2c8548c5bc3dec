"""Holm's procedure on worked examples; Benjamini and Hochberg's as SciPy has it."""

import pytest
from scipy.stats import false_discovery_control

from evalkit.errors import DataError
from evalkit.metrics.multiple_comparisons import benjamini_hochberg, holm


def test_worked_example() -> None:
    # In order 0.005, 0.01, 0.03, 0.04: times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04; the last rises to 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_adjusted_values_stop_at_one() -> None:
    assert holm([0.6, 0.2, 0.9]) == pytest.approx([1.0, 0.6, 1.0])


def test_equal_p_values_get_equal_adjustments() -> None:
    assert holm([0.02, 0.02, 0.02]) == pytest.approx([0.06, 0.06, 0.06])


def test_a_single_test_needs_no_adjustment() -> None:
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


@pytest.mark.parametrize("wrong", [float("nan"), -0.1, 1.5])
def test_what_is_no_p_value(wrong: float) -> None:
    with pytest.raises(DataError, match="p-value 1 "):
        holm([0.5, wrong])


def test_benjamini_hochberg_agrees_with_scipy() -> None:
    p_values = [0.03, 0.001, 0.2, 0.011, 0.9, 0.03, 1.0]
    assert benjamini_hochberg(p_values) == pytest.approx(false_discovery_control(p_values).tolist())
    assert benjamini_hochberg([]) == []
    with pytest.raises(DataError, match="p-value 1"):
        benjamini_hochberg([0.5, 1.2])
