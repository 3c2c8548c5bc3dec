"""Counting errors: jiwer's counts, the edges, the alignment and the interval."""

import math
import random

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit import bootstrap, error_rate
from evalkit.errors import DataError
from evalkit.metrics.error_rate import STATISTICS, align, count_errors, error_rate_metric
from evalkit.metrics.functions import corpus_error_rate
from evalkit.metrics.metric import recipe_line
from evalkit.text import get_scheme

UNITS = st.lists(st.sampled_from("abcde"), max_size=12)


def counts_of_jiwer(reference: str, hypothesis: str) -> tuple[int, int, int]:
    output = jiwer.process_words(reference, hypothesis)
    return output.substitutions, output.deletions, output.insertions


@given(UNITS, UNITS)
def test_counts_are_those_of_jiwer(reference: list[str], hypothesis: list[str]) -> None:
    *counts, length = count_errors(reference, hypothesis)
    assert tuple(counts) == counts_of_jiwer(" ".join(reference), " ".join(hypothesis))
    assert length == len(reference)


def test_counts_of_long_noisy_texts_are_those_of_jiwer() -> None:
    generator = random.Random(0)
    vocabulary = [f"word{number}" for number in range(30)]
    for _ in range(50):
        reference = generator.choices(vocabulary, k=150)
        hypothesis = [generator.choice([word, word, "x", f"{word} y", ""]) for word in reference]
        counts = count_errors(reference, " ".join(hypothesis).split())
        assert counts[:3] == counts_of_jiwer(" ".join(reference), " ".join(hypothesis))


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_a_string_counts_as_its_characters(reference: str, hypothesis: str) -> None:
    assert count_errors(reference, hypothesis) == count_errors(list(reference), list(hypothesis))


@given(UNITS, UNITS)
def test_alignment_spells_both_sides_and_agrees_with_the_counts(reference: list[str], hypothesis: list[str]) -> None:
    steps = align(reference, hypothesis)
    assert [step.reference for step in steps if step.reference is not None] == reference
    assert [step.hypothesis for step in steps if step.hypothesis is not None] == hypothesis
    operations = [step.operation for step in steps]
    counts = tuple(operations.count(name) for name in ("substitution", "deletion", "insertion"))
    assert counts == count_errors(reference, hypothesis)[:3]
    assert all((step.reference == step.hypothesis) == (step.operation == "equal") for step in steps)


def test_alignment_of_an_example() -> None:
    steps = align(["the", "cat", "sat"], ["the", "hat", "sat", "down"])
    assert steps == [
        ("equal", "the", "the"),
        ("substitution", "cat", "hat"),
        ("equal", "sat", "sat"),
        ("insertion", None, "down"),
    ]


def test_totals_and_statistics() -> None:
    rate = error_rate(["the cat sat", "on a mat"], ["the hat sat down", "on mat"], "en")
    assert (rate.substitutions, rate.deletions, rate.insertions, rate.reference_length) == (1, 1, 1, 6)
    assert rate.value == 0.5
    assert rate.statistics.tolist() == [[1, 0, 1, 3], [0, 1, 0, 3]]
    assert rate.statistics.dtype == np.int64
    assert rate.scheme == get_scheme("en")
    assert "value=0.5000" in repr(rate)
    assert "whisper-en.v1" in repr(rate)


def test_edges() -> None:
    assert error_rate([""], [""], "en").value == 0
    assert error_rate(["..."], ["um"], "ja").value == math.inf
    assert error_rate(["silence"], [""], "en").deletions == 1
    empty = error_rate([], [], "en")
    assert (empty.value, empty.statistics.shape) == (0, (0, 4))


def test_lists_of_unequal_length_are_refused() -> None:
    with pytest.raises(DataError, match="got 2 references and 1 hypotheses"):
        error_rate(["a", "b"], ["a"], "en")


def test_a_single_text_is_no_list() -> None:
    with pytest.raises(DataError, match="lists of texts"):
        error_rate("abc", "abd", "en")


def test_a_missing_answer_is_named_by_its_row() -> None:
    with pytest.raises(DataError, match="hypothesis 1 is None"):
        error_rate(["a", "b"], ["a", None], "en")  # type: ignore[list-item]


def test_interval_covers_the_value_and_is_reproducible() -> None:
    generator = random.Random(1)
    references = [" ".join(generator.choices("abcdefgh", k=10)) for _ in range(200)]
    hypotheses = [text.replace("a", "x") if generator.random() < 0.5 else text for text in references]
    rate = error_rate(references, hypotheses, "en", "raw")
    interval = rate.confidence_interval()
    assert interval == bootstrap(rate.statistics, corpus_error_rate, seed=0)
    assert interval.low < rate.value < interval.high
    wider = rate.confidence_interval(level=0.99)
    assert wider.low < interval.low
    assert interval.high < wider.high


@pytest.mark.parametrize(
    ("language", "scheme", "name", "recipe"),
    [
        ("en", "default", "WER", "metric:WER|unit:word|normaliser:whisper-en.v1|averaging:corpus"),
        ("ja", "default", "CER", "metric:CER|unit:character|normaliser:default-ja.v2|averaging:corpus"),
        (
            "yue",
            "kimi_audio",
            "MER",
            "metric:mixed error rate|unit:token|normaliser:kimi_audio-yue.v1|averaging:corpus",
        ),
    ],
)
def test_metric_says_what_it_counts(language: str, scheme: str, name: str, recipe: str) -> None:
    metric = error_rate_metric(get_scheme(language, scheme))
    assert metric.name == name
    assert metric.statistics == STATISTICS
    assert recipe_line(metric) == recipe
    assert not metric.higher_is_better
    assert metric.value(np.array([1.0, 1.0, 0.0, 8.0])) == corpus_error_rate(np.array([1, 1, 0, 8])) == 0.25
