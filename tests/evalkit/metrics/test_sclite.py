"""sclite's alignment: its own counts, entry by entry, and what it does otherwise than the edit distance."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from evalkit import error_rate
from evalkit.errors import ConfigurationError, DataError
from evalkit.metrics.error_rate import align, count_errors
from evalkit.metrics.sclite import count_errors_like_sclite

GOLDEN = Path(__file__).parents[2] / "golden_scores" / "golden_sclite.json"
CASES = json.loads(GOLDEN.read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("system", ["a", "b"])
def test_golden(system: str) -> None:
    def counted(case: dict[str, Any]) -> list[int]:
        substitutions, deletions, insertions, length = count_errors_like_sclite(
            case["ref"].split(), case[system].split()
        )
        return [length - substitutions - deletions, substitutions, deletions, insertions]

    assert CASES
    assert [counted(case) for case in CASES] == [case[f"{system}_csdi"] for case in CASES]


def test_it_is_another_figure_than_the_edit_distance() -> None:
    references, hypotheses = [case["ref"] for case in CASES], [case["a"] for case in CASES]
    plain = error_rate(references, hypotheses, "en", "raw")
    like_sclite = error_rate(references, hypotheses, "en", "raw", alignment="sclite")
    assert like_sclite.value > plain.value
    assert like_sclite.substitutions < plain.substitutions
    assert (like_sclite.alignment, plain.alignment) == ("sclite", "levenshtein")
    assert "alignment='sclite'" in repr(like_sclite)


def test_edges() -> None:
    assert count_errors_like_sclite([], []) == (0, 0, 0, 0)
    assert count_errors_like_sclite(["a"], []) == (0, 1, 0, 1)
    assert count_errors_like_sclite([], ["a", "b"]) == (0, 0, 2, 0)
    assert count_errors_like_sclite("ab", "ac") == (1, 0, 0, 2)


def test_an_unknown_alignment_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"no alignment 'sclit', did you mean 'sclite'\? \(there are"):
        error_rate(["a"], ["a"], "en", alignment="sclit")


def test_what_is_too_long_to_align_is_refused_and_not_begun() -> None:
    reference, hypothesis = ["a"] * 20_000, ["b"] * 20_000
    with pytest.raises(DataError, match=r"20,000 and a hypothesis of 20,000 units are too long"):
        count_errors_like_sclite(reference, hypothesis)
    for align_them in (count_errors, align):
        with pytest.raises(DataError, match="2,000,000 units are too long to align"):
            align_them(reference * 100, hypothesis * 100)


def test_a_hundred_thousand_words_a_side_are_aligned_in_little_memory() -> None:
    generator = random.Random(0)
    reference = [str(generator.randrange(5000)) for _ in range(30_000)]
    hypothesis = [word if generator.random() < 0.9 else "x" for word in reference]
    assert count_errors(reference, hypothesis)[0] == hypothesis.count("x")
