"""One test per mistake that other harnesses were seen to make with error rates."""

import pytest

from evalkit import error_rate
from evalkit.errors import DataError
from evalkit.metrics.error_rate import error_rate_metric
from evalkit.metrics.functions import corpus_error_rate
from evalkit.text import get_scheme, normalizer


def test_chinese_is_not_scored_as_words() -> None:
    # A sentence is one "word" to a scorer that splits at white space: one deletion of six would be 100 %.
    for scheme in ("default", "whisper", "qwen2_audio", "kimi_audio", "raw"):
        rate = error_rate(["今天天气很好"], ["今天天气好"], "zh", scheme)
        assert (rate.deletions, rate.reference_length) == (1, 6), scheme


def test_empty_and_odd_answers_stay_in_the_denominator() -> None:
    # Peers drop the hypothesis "null", or samples without an answer, and compare systems on different samples.
    rate = error_rate(["one cat", "two dogs", "three birds"], ["one cat", "null", ""], "en")
    assert rate.reference_length == 6
    assert rate.value == 4 / 6
    assert len(rate.statistics) == 3


def test_an_exception_is_no_error_rate_of_one() -> None:
    with pytest.raises(DataError):
        error_rate(["one"], [float("nan")], "en")  # type: ignore[list-item]


def test_percent_and_currency_do_not_vanish() -> None:
    # The basic normaliser after the English one turns both into spaces.
    pairs = [("twenty percent", "twenty"), ("it cost $20", "it cost 20"), ("£5", "€5")]
    for reference, hypothesis in pairs:
        assert error_rate([reference], [hypothesis], "en").value > 0
        assert error_rate([reference], [hypothesis], "en", "qwen2_audio").value == 0  # as the peers report


def test_who_deletes_text_in_brackets_can_be_seen() -> None:
    # Whisper's rules delete the words in the reference, so that the spoken ones count as inserted.
    pair = ["she left (quietly)"], ["she left quietly"]
    assert error_rate(*pair, "en", "whisper").insertions == 1
    raw = error_rate(*pair, "en", "raw")
    assert (raw.insertions, raw.reference_length) == (0, 3)


def test_chinese_does_not_pass_through_the_english_normaliser() -> None:
    for scheme in ("default", "qwen2_audio", "kimi_audio"):
        assert error_rate(["用GPT做"], ["用G P T做"], "zh", scheme).value == 0, scheme
    assert "oh" in normalizer("zh")("oh不")  # in English it would be the digit 0


def test_traditional_characters_erhua_and_fillers_are_no_errors_by_default() -> None:
    for reference, hypothesis in (("爱国", "愛國"), ("一点", "一点儿"), ("我觉得可以", "呃我觉得可以")):
        assert error_rate([reference], [hypothesis], "zh").value == 0
        assert error_rate([reference], [hypothesis], "zh", "kimi_audio").value > 0  # as the peers report


def test_cantonese_is_normalised_as_chinese() -> None:
    assert error_rate(["我哋去飲茶。"], ["我哋去饮茶"], "yue").value == 0
    assert error_rate(["我哋去飲茶"], ["我哋去茶"], "yue").reference_length == 5


def test_a_mixed_error_rate_is_not_called_by_another_name() -> None:
    mixed, letters = get_scheme("zh", "kimi_audio"), get_scheme("zh", "qwen2_audio")
    assert error_rate(["打开wifi"], ["打开"], "zh", "kimi_audio").reference_length == 3
    assert error_rate(["打开wifi"], ["打开"], "zh", "qwen2_audio").reference_length == 6
    assert (error_rate_metric(mixed).name, error_rate_metric(letters).name) == ("MER", "CER")


def test_the_denominator_is_the_reference() -> None:
    assert error_rate(["a b c d"], ["a"], "en", "raw").value == 3 / 4
    assert error_rate(["a"], ["a b c d"], "en", "raw").value == 3


def test_corpus_value_is_not_the_mean_of_utterances() -> None:
    references = ["yes", " ".join(["word"] * 9)]
    rate = error_rate(references, ["no", references[1]], "en")
    assert rate.value == 1 / 10
    assert sum(corpus_error_rate(row) for row in rate.statistics) / 2 == 1 / 2


def test_hallucination_is_not_capped() -> None:
    assert error_rate(["thank you"], ["thank you " * 50], "en").value == 49


def test_an_empty_reference_adds_its_insertions_and_no_length() -> None:
    # Peers crash, drop the sample, or report an infinite rate or a count of words as the rate.
    rate = error_rate(["", "[noise]", "two words"], ["ghost", "", "two words"], "en")
    assert (rate.insertions, rate.reference_length) == (1, 2)
    assert rate.value == 1 / 2


def test_each_sample_is_normalised_in_its_own_language() -> None:
    # A scorer that takes the language of the last row for all would write the Japanese "OK" word by word.
    english, japanese = get_scheme("en"), get_scheme("ja")
    for _ in range(2):
        assert english.units(english.normalize("Colour, twenty")) == ["color", "20"]
        assert japanese.units(japanese.normalize("Colour、二十")) == "colour二十"


def test_digits_in_chinese_are_read_as_they_are_spoken() -> None:
    for scheme in ("default", "qwen2_audio", "kimi_audio"):
        assert error_rate(["二零二四年"], ["2024年。"], "zh", scheme).value == 0, scheme


def test_compounds_are_not_merged_behind_the_users_back() -> None:
    rate = error_rate(["ice cream"], ["icecream"], "en")
    assert (rate.substitutions, rate.deletions) == (1, 1)


def test_the_normaliser_is_part_of_the_name_of_the_figure() -> None:
    recipes = [dict(error_rate_metric(get_scheme("en", name)).recipe) for name in ("whisper", "qwen2_audio", "raw")]
    assert len({recipe["normaliser"] for recipe in recipes}) == 3
