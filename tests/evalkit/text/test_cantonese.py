"""Cantonese, against the golden file."""

from typing import Any

import pytest

from evalkit.metrics.error_rate import count_errors, error_rate
from evalkit.text import get_scheme
from tests.evalkit.text import golden

CASES = golden.parameters("golden_cer_yue")


@pytest.mark.parametrize("case", CASES)
def test_golden(case: dict[str, Any]) -> None:
    scheme, expected = get_scheme("yue"), case["zhconv_then_whisper_basic_chars"]
    reference, hypothesis = scheme.normalize(case["ref"]), scheme.normalize(case["hyp"])
    assert (reference, hypothesis) == (expected["ref"], expected["hyp"])
    *errors, length = count_errors(scheme.units(reference), scheme.units(hypothesis))
    assert (sum(errors), length) == (expected["distance"], expected["ref_len"])


@pytest.mark.parametrize("case", CASES)
def test_golden_qwen2_audio(case: dict[str, Any]) -> None:
    scheme, expected = get_scheme("yue", "qwen2_audio"), case["lmms_eval_qwen2_audio_yue"]
    reference, hypothesis = scheme.normalize(case["ref"]), scheme.normalize(case["hyp"])
    assert (reference, hypothesis) == (expected["ref_units"], expected["hyp_units"])
    *errors, length = count_errors(scheme.units(reference), scheme.units(hypothesis))
    assert (sum(errors), length) == (expected["distance"], expected["ref_len"])


@pytest.mark.parametrize("case", [case for case in CASES if "exception" not in case.values[0]["kimi_evalkit_yue"]])
def test_golden_kimi_audio(case: dict[str, Any]) -> None:
    rate = error_rate([case["ref"]], [case["hyp"]], "yue", "kimi_audio")
    assert rate.value == pytest.approx(case["kimi_evalkit_yue"]["rate"])


@pytest.mark.parametrize(
    ("scheme_name", "recorded_as", "figure"),
    [
        ("default", "zhconv_then_whisper_basic_chars", "rate"),
        ("qwen2_audio", "lmms_eval_qwen2_audio_yue", "error_rate"),
    ],
)
def test_golden_corpus(scheme_name: str, recorded_as: str, figure: str) -> None:
    file = golden.load("golden_cer_yue")
    rate = error_rate(
        [case["ref"] for case in file["cases"]], [case["hyp"] for case in file["cases"]], "yue", scheme_name
    )
    assert rate.value == file["corpus"][recorded_as][figure]


def test_latin_words_are_one_token_for_kimi_audio_and_letters_for_the_others() -> None:
    assert error_rate(["OK啦"], ["no啦"], "yue", "kimi_audio").reference_length == 2
    assert error_rate(["OK啦"], ["no啦"], "yue").reference_length == 3


def test_special_tokens_are_no_speech() -> None:
    for scheme in ("default", "qwen2_audio", "kimi_audio"):
        assert error_rate(["我住喺九龍"], ["<|yue|>我住喺九龙。"], "yue", scheme).value == 0


def test_zhe_is_written_both_ways_and_a_work_is_not() -> None:
    assert error_rate(["佢着住件衫"], ["佢著住件衫"], "yue").value == 0
    assert error_rate(["著名作家"], ["着名作家"], "yue").value > 0


def test_digits_stay_as_they_are_written() -> None:
    assert error_rate(["五號"], ["5號"], "yue").value == 0.5


@pytest.mark.parametrize("scheme", ["default", "qwen2_audio", "kimi_audio"])
def test_a_lone_surrogate_is_dropped(scheme: str) -> None:
    assert error_rate(["九龍"], ["九\ud83d龍"], "yue", scheme).value == 0
