"""The Chinese schemes against the outputs of the scorers whose numbers they reproduce, entry by entry."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from rapidfuzz.distance import Levenshtein

from evalkit.text.chinese import SCHEMES
from evalkit.text.chinese_cn_tn import cn_tn

REPOSITORY = Path(__file__).parents[3]
GOLDEN = json.loads((REPOSITORY / "tests/golden_scores/golden_cer_zh.json").read_text(encoding="utf-8"))
CASES = {case["id"]: case for case in GOLDEN["cases"]}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def counts(scheme: str, case: dict[str, Any]) -> tuple[int, int]:
    """Errors and reference length of one pair."""
    units, normalize = SCHEMES[scheme].units, SCHEMES[scheme].normalize
    reference, hypothesis = units(normalize(case["ref"])), units(normalize(case["hyp"]))
    return Levenshtein.distance(reference, hypothesis), len(reference)


def corpus_counts(scheme: str) -> tuple[int, int]:
    pairs = [counts(scheme, case) for case in CASES.values()]
    return sum(errors for errors, _ in pairs), sum(length for _, length in pairs)


@every_case
def test_cn_tn_gives_the_original_output(case: dict[str, Any]) -> None:
    assert {side: cn_tn(case[side]) for side in ("ref", "hyp")} == case["cn_tn_default"]


@every_case
def test_kimi_audio(case: dict[str, Any]) -> None:
    expected = case["kimi_evalkit_zh"]
    for side in ("ref", "hyp"):
        assert SCHEMES["kimi_audio"].normalize(case[side]) == " ".join(expected[f"{side}_tokens"])
    assert counts("kimi_audio", case) == (expected["distance"], expected["ref_len"])


@every_case
def test_qwen2_audio(case: dict[str, Any]) -> None:
    expected = case["lmms_eval_qwen2_audio_zh"]
    for side in ("ref", "hyp"):
        assert SCHEMES["qwen2_audio"].normalize(case[side]) == expected[f"{side}_units"]
    assert counts("qwen2_audio", case) == (expected["distance"], expected["ref_len"])


@every_case
def test_raw(case: dict[str, Any]) -> None:
    expected = case["raw_char_cer"]
    assert counts("raw", case) == (expected["distance"], expected["ref_len"])


@pytest.mark.parametrize(
    ("scheme", "golden"), [("kimi_audio", "kimi_evalkit_zh"), ("qwen2_audio", "lmms_eval_qwen2_audio_zh")]
)
def test_corpus_totals_of_the_peers(scheme: str, golden: str) -> None:
    errors, length = corpus_counts(scheme)
    # The peers crash on an empty reference, so their totals lack the four characters inserted there.
    assert (errors - 4, length) == (GOLDEN["corpus"][golden]["distance"], GOLDEN["corpus"][golden]["ref_len"])


def test_corpus_totals_of_raw_characters() -> None:
    expected = GOLDEN["corpus"]["raw_char_cer"]
    assert corpus_counts("raw") == (expected["distance"], expected["ref_len"])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_empty_reference_counts_insertions_and_no_length(scheme: str) -> None:
    assert counts(scheme, CASES["zh-s-093"]) == (0, 0)
    assert counts(scheme, CASES["zh-s-094"]) == (4, 0)
    assert counts(scheme, CASES["zh-s-095"]) == (2, 2)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_names_itself(scheme: str) -> None:
    assert (SCHEMES[scheme].name, SCHEMES[scheme].language) == (scheme, "zh")


def test_default_forgives_no_error_of_the_peers_that_can_be_heard() -> None:
    heard = ["zh-s-091", "zh-s-097", "zh-s-098", "zh-s-099", "zh-s-100", "zh-s-101", "zh-s-107"]
    for case in heard:
        assert counts("default", CASES[case])[0] == counts("qwen2_audio", CASES[case])[0], case


def documented_rows() -> dict[str, list[str]]:
    """The table rows of the documentation that begin with a case id, or with a scheme in backquotes."""
    documentation = (REPOSITORY / "docs/normalisation_chinese.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in documentation.splitlines() if "|" in line]
    return {row[0]: row[1:] for row in rows if re.fullmatch(r"zh-s-\d+|`\w+`", row[0])}


def test_documented_pairs_are_measured_ones() -> None:
    rows = documented_rows()
    for name, case in CASES.items():
        errors = [counts(scheme, case)[0] for scheme in ("kimi_audio", "qwen2_audio", "default")]
        differs_from_peers = errors[2] == 0 and max(errors) > 0
        if differs_from_peers or name in rows:
            assert rows[name][2:5] == list(map(str, errors)), name


@pytest.mark.parametrize("scheme", SCHEMES)
def test_documented_corpus_rates_are_measured_ones(scheme: str) -> None:
    errors, length = corpus_counts(scheme)
    assert documented_rows()[f"`{scheme}`"][1:] == [str(errors), str(length), f"{100 * errors / length:.1f} %"]
