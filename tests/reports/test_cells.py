"""Cells of what was measured."""

from evalkit.place import TablePlace
from evalkit.results.task_result import Aggregate, MetricResult, SampleCounts
from reports.tables.cells import aggregate_cell

SAMPLES = SampleCounts(expected=4, total=4, scored=4, failed=0, skipped=0, empty=0)


def test_an_average_without_a_value_is_blank_and_not_zero() -> None:
    mean = MetricResult("WER", None, None, 0.95, None, "%", 100, 2, False, "mean", {}, {"metric": "WER"})
    average = Aggregate("english", "English", TablePlace(table="asr"), ("a",), (), SAMPLES, False, mean)
    assert (aggregate_cell(average).text, aggregate_cell(average).value) == ("", None)
