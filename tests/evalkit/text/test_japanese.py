"""Japanese, against the golden file."""

from typing import Any

import pytest

from evalkit.metrics.error_rate import count_errors, error_rate
from evalkit.text import get_scheme
from tests.evalkit.text import golden

RECORDED_AS = {"default": "nfkc_lower_no_punct_no_space_chars", "whisper": "whisper_basic_split_letters"}


@pytest.mark.parametrize("case", golden.parameters("golden_cer_ja"))
@pytest.mark.parametrize("scheme_name", RECORDED_AS)
def test_golden(case: dict[str, Any], scheme_name: str) -> None:
    scheme, expected = get_scheme("ja", scheme_name), case[RECORDED_AS[scheme_name]]
    reference, hypothesis = scheme.normalize(case["ref"]), scheme.normalize(case["hyp"])
    assert (reference, hypothesis) == (expected["ref"], expected["hyp"])
    *errors, length = count_errors(scheme.units(reference), scheme.units(hypothesis))
    assert (sum(errors), length) == (expected["distance"], expected["ref_len"])


@pytest.mark.parametrize("scheme_name", RECORDED_AS)
def test_golden_corpus(scheme_name: str) -> None:
    file = golden.load("golden_cer_ja")
    rate = error_rate(
        [case["ref"] for case in file["cases"]], [case["hyp"] for case in file["cases"]], "ja", scheme_name
    )
    assert rate.value == file["corpus"][RECORDED_AS[scheme_name]]["rate"]


def test_voicing_marks_are_spoken_and_stay() -> None:
    # Whisper's normaliser keeps them too, but only because it composes first; a decomposed が must not become か.
    assert get_scheme("ja").normalize("か\u3099く") == "がく"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("こんにちは", "<|ja|><|NEUTRAL|><|Speech|><|withitn|>こんにちは。"),
        ("大好きです", "大好きです❤️"),
        ("一番", "一番1️⃣".replace("1", "")),
        ("家族", "家族👨\u200d👩\u200d👧"),
        ("東京都", "東京\u200b都"),
        ("が", "か\u309b"),
        ("ぱ", "は\u309c"),
        ("ガ", "ｶﾞ"),
        ("神", "\ufa19"),
        ("東京", "東京（笑）"),
    ],
)
def test_what_is_neither_said_nor_seen_is_no_error(one: str, other: str) -> None:
    assert error_rate([one], [other], "ja").value == 0


@pytest.mark.parametrize(("one", "other"), [("國", "国"), ("斎藤", "齋藤"), ("か", "が"), ("東京(都)", "東京")])
def test_what_is_another_spelling_or_word_stays_apart(one: str, other: str) -> None:
    assert error_rate([one], [other], "ja").value > 0
