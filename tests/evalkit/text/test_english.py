"""English: the golden file, and the original normaliser on generated sentences."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from evalkit.metrics.error_rate import count_errors, error_rate
from evalkit.text import get_scheme, normalizer
from tests.evalkit.text import golden
from tests.evalkit.text.english_sentences import sentences

CASES = golden.parameters("golden_wer_en")
# What the package whisper-normalizer has come to rewrite, although Whisper does not.
ADDED_BY_THE_PACKAGE = ("cause", "kinda", "sorta", "dunno")

Normalizer = Callable[[str], str]


@pytest.fixture(scope="module")
def original() -> Normalizer:
    """Whisper's own normaliser: the package's, less its additions."""
    package = pytest.importorskip("whisper_normalizer.english", reason="needs whisper-normalizer to compare with")
    normalize = package.EnglishTextNormalizer()
    for word in ADDED_BY_THE_PACKAGE:
        normalize.replacers.pop(rf"\b{word}\b", None)
    return normalize


def assert_same(normalize: Normalizer, original: Normalizer, texts: Any) -> None:
    compared = 0
    for text in texts:
        assert normalize(text) == original(text), repr(text)
        compared += 1
    assert compared


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("scheme", ["whisper", "default"])
def test_golden_texts(case: dict[str, Any], scheme: str) -> None:
    normalize = normalizer("en", scheme)
    assert normalize(case["ref"]) == case["norm_ref"]
    assert normalize(case["hyp"]) == case["norm_hyp"]


@pytest.mark.parametrize("case", CASES)
def test_golden_counts(case: dict[str, Any]) -> None:
    rate = error_rate([case["ref"]], [case["hyp"]], "en", "whisper")
    expected = (case["S"], case["D"], case["I"]) if "S" in case else (0, 0, case["hyp_words"])
    assert (rate.substitutions, rate.deletions, rate.insertions) == expected
    assert rate.reference_length == case["ref_words"]


@pytest.mark.parametrize("case", CASES)
def test_golden_qwen2_audio(case: dict[str, Any]) -> None:
    scheme, expected = get_scheme("en", "qwen2_audio"), case["lmms_eval_qwen2_audio_en"]
    reference, hypothesis = scheme.normalize(case["ref"]), scheme.normalize(case["hyp"])
    assert (reference, hypothesis) == (expected["ref_units"], expected["hyp_units"])
    *errors, length = count_errors(scheme.units(reference), scheme.units(hypothesis))
    assert (sum(errors), length) == (expected["distance"], expected["ref_len"])


def test_golden_corpus() -> None:
    file = golden.load("golden_wer_en")
    references = [case["ref"] for case in file["cases"]]
    hypotheses = [case["hyp"] for case in file["cases"]]
    rate = error_rate(references, hypotheses, "en")
    corpus = file["corpus"]
    assert (rate.substitutions, rate.deletions) == (corpus["S"], corpus["D"])
    assert rate.insertions == corpus["insertions_all_pairs"]
    assert rate.value == corpus["wer_all_pairs_jiwer4_including_empty_refs"]
    # The file's main figure leaves out the empty references, which evalkit never does of its own accord.
    kept = rate.statistics[rate.statistics[:, 3] > 0]
    assert len(kept) == corpus["pairs_with_nonempty_ref"]
    assert kept[:, :3].sum() / kept[:, 3].sum() == corpus["wer"]


def test_golden_corpus_qwen2_audio() -> None:
    file = golden.load("golden_wer_en")
    references = [case["ref"] for case in file["cases"]]
    hypotheses = [case["hyp"] for case in file["cases"]]
    statistics = error_rate(references, hypotheses, "en", "qwen2_audio").statistics
    kept = statistics[statistics[:, 3] > 0]
    corpus = file["corpus"]["lmms_eval_qwen2_audio_en"]
    assert len(kept) == corpus["pairs_with_nonempty_ref"]
    assert (kept[:, :3].sum(), kept[:, 3].sum()) == (corpus["distance"], corpus["ref_len"])


def test_same_as_the_original(original: Normalizer) -> None:
    assert_same(normalizer("en"), original, sentences(5_000))


@pytest.mark.slow
def test_same_as_the_original_on_100_000_sentences(original: Normalizer) -> None:
    assert_same(normalizer("en"), original, sentences(100_000, seed=1))


def test_same_as_the_original_on_every_pair_of_number_words(original: Normalizer) -> None:
    from evalkit.text.english_numbers import NUMBER_WORDS

    words = sorted(NUMBER_WORDS | {"half", "a", "x", "1", "0", "2.5", "$5", "¢7", "%", "s", "st"})
    pairs = (" ".join(pair) for pair in itertools.product(words, repeat=2))
    assert_same(normalizer("en"), original, itertools.islice(pairs, 0, None, 5))


@pytest.mark.parametrize(
    "text",
    [
        "hundred and and",  # the first "and" goes only because another follows
        "and a half",  # goes at the start of a text, stays elsewhere
        "well and a half of it",
        "well, um 's it",  # the apostrophe reaches back over the filler and the comma's space
        "he's um been",  # two spaces once the filler has gone: no perfect tense
        "he's\nbeen",
        "i'ma'am he'sn't",
        "x 100 % y 100 %",
        "hello.. you ...",
        "$0.5 1.5 1% $1",
        "one's 5 s 2 nd 1,000 rd-sixty",
        "well .um. 5.um.",  # without the filler, two full stops meet
        "% of it $ x",
        "ｏｎｅ half\u200b",
    ],
)
def test_rules_that_reach_across_words(original: Normalizer, text: str) -> None:
    assert normalizer("en")(text) == original(text)


def test_table_of_spellings_is_whispers() -> None:
    normalize = normalizer("en")
    assert normalize("a colourful aeroplane") == "a colorful airplane"
    assert normalize("archaeology") == "archeology</span>"  # a slip in Whisper's table, and so in its figures


@pytest.mark.parametrize("word", ADDED_BY_THE_PACKAGE)
def test_words_that_only_the_package_rewrites_stay(word: str) -> None:
    assert normalizer("en", "whisper")(f"the {word} of it") == f"the {word} of it"


def test_runaway_numbers_are_no_crash() -> None:
    normalize = normalizer("en")
    assert normalize("7" * 5000) == "7" * 5000
    assert normalize("nine " * 5000 + "million") == "9" * 5000 + " 1000000"


def test_raw_keeps_the_text() -> None:
    scheme = get_scheme("en", "raw")
    assert scheme.normalize(" Mr. X,  (sic) ") == " Mr. X,  (sic) "
    assert scheme.units(" Mr. X,  (sic) ") == ["Mr.", "X,", "(sic)"]
