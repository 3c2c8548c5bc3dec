"""Batches of similar length."""

from hypothesis import given
from hypothesis import strategies as st

from step_audio_2.grouping import group_by_length


@given(st.lists(st.integers(1, 500)), st.integers(1, 2_000))
def test_every_index_is_in_one_group_that_pads_little(lengths: list[int], most: int) -> None:
    groups = group_by_length(lengths, most)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        longest = max(lengths[index] for index in group)
        assert 2 * min(lengths[index] for index in group) >= longest
        assert len(group) == 1 or longest * len(group) <= most


def test_as_much_as_may_be_goes_together() -> None:
    assert group_by_length([10, 4, 9, 5, 10], 1_000) == [[0, 4, 2, 3], [1]]
    assert group_by_length([10, 10, 10], 20) == [[0, 1], [2]]
    assert group_by_length([], 10) == []
