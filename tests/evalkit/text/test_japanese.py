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
