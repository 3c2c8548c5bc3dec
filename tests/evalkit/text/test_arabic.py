"""Arabic, against the golden file."""

from typing import Any

import pytest

from evalkit.metrics.error_rate import count_errors, error_rate
from evalkit.text import get_scheme
from tests.evalkit.text import golden

CASES = golden.parameters("golden_wer_ar")
RECORDED_AS = {"default": "whisper_basic_remove_diacritics", "whisper": "whisper_basic"}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("scheme_name", RECORDED_AS)
def test_golden(case: dict[str, Any], scheme_name: str) -> None:
    scheme, expected = get_scheme("ar", scheme_name), case[RECORDED_AS[scheme_name]]
    reference, hypothesis = scheme.normalize(case["ref"]), scheme.normalize(case["hyp"])
    assert (reference, hypothesis) == (expected["ref"], expected["hyp"])
    *errors, length = count_errors(scheme.units(reference), scheme.units(hypothesis))
    assert (sum(errors), length) == (expected["distance"], expected["ref_len"])


@pytest.mark.parametrize("case", [case for case in CASES if "exception" not in case.values[0]["kimi_evalkit_ar"]])
def test_golden_kimi_audio(case: dict[str, Any]) -> None:
    rate = error_rate([case["ref"]], [case["hyp"]], "ar", "kimi_audio")
    assert rate.value == pytest.approx(case["kimi_evalkit_ar"]["rate"])


@pytest.mark.parametrize("scheme_name", RECORDED_AS)
def test_golden_corpus(scheme_name: str) -> None:
    file = golden.load("golden_wer_ar")
    rate = error_rate(
        [case["ref"] for case in file["cases"]], [case["hyp"] for case in file["cases"]], "ar", scheme_name
    )
    assert rate.value == file["corpus"][RECORDED_AS[scheme_name]]["rate"]
    assert rate.reference_length == file["corpus"][RECORDED_AS[scheme_name]]["ref_len"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("لا", "ﻻ"),
        ("كتاب", "کتاب"),
        ("في", "فی"),
        ("مرحبا بك", "\u200fمرحبا\u200e بك\u202c"),
        ("مرحبا", "<unk> مرحبا {COUGH}"),
    ],
)
def test_what_is_neither_said_nor_seen_and_forms_of_a_letter_are_no_errors(one: str, other: str) -> None:
    assert error_rate([one], [other], "ar").value == 0


@pytest.mark.parametrize(
    ("one", "other"), [("على", "علي"), ("مدرسة", "مدرسه"), ("٢٠٢٤", "2024"), ("مـــرحبا", "مرحبا")]
)
def test_what_the_golden_file_keeps_apart_stays_apart(one: str, other: str) -> None:
    assert error_rate([one], [other], "ar").value > 0
