from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.metrics.error_rate import align
from reports.samples.alignment import inline, readable
from reports.samples.flags import is_hallucination, is_loop

WORDS = st.lists(st.sampled_from(["cat", "cats", "bat", "a", "the", "they", "rain", "train"]), max_size=9)


@given(WORDS, WORDS)
@settings(max_examples=60, deadline=None)
def test_what_reads_well_counts_and_says_the_same(reference: list[str], hypothesis: list[str]) -> None:
    counted = align(reference, hypothesis)
    steps = readable(counted)
    assert Counter(step.operation for step in steps) == Counter(step.operation for step in counted)
    assert [step.reference for step in steps if step.reference is not None] == reference
    assert [step.hypothesis for step in steps if step.hypothesis is not None] == hypothesis


def test_words_stand_against_those_they_are_spelled_like() -> None:
    steps = readable(align("the quick brown fox".split(), "brow fog".split()))
    assert inline(steps, " ") == "[-the-] [-quick-] [brown→brow] [fox→fog]"
    characters = align("今天的天气", "今天气")
    assert readable(characters) == characters


def test_a_loop_is_what_comes_four_times_in_a_row() -> None:
    assert is_loop(["thank", "you"] * 4)
    assert is_loop(["so"] * 8)
    assert not is_loop(["no"] * 7)
    assert not is_loop("the cat sat on the mat and the cat sat on the mat".split())


def test_a_hallucination_is_much_that_was_inserted() -> None:
    said = "one two three four".split()
    assert is_hallucination(align(said, [*said, *"and then some more words".split()]))
    assert not is_hallucination(align(said, [*said, "and", "then"]))
    assert not is_hallucination(align(said, "five six seven eight".split()))
