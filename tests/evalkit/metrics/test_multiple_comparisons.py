"""Holm's procedure on worked examples."""

import pytest

from evalkit.errors import DataError
from evalkit.metrics.multiple_comparisons import holm


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
