"""MAPSSWE: the segments of an utterance, and NIST's own verdict on the golden utterances."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from evalkit.errors import DataError
from evalkit.metrics.mapsswe import Mapsswe, mapsswe, segment_errors

GOLDEN = Path(__file__).parents[2] / "golden_scores" / "golden_sclite.json"


@pytest.fixture(scope="module")
def golden() -> tuple[Any, Any, Any]:
    cases = json.loads(GOLDEN.read_text(encoding="utf-8"))["cases"]
    said, a, b = ([case[key].split() for case in cases] for key in ("ref", "a", "b"))
    return said, a, b


@pytest.fixture(scope="module")
def found(golden: tuple[Any, Any, Any]) -> Mapsswe:
    return mapsswe(*golden)


@pytest.fixture(scope="module")
def segments(golden: tuple[Any, Any, Any]) -> list[list[tuple[int, int]]]:
    return [list(segment_errors(said, a, b)) for said, a, b in zip(*golden, strict=True)]


def test_sc_stats_finds_b_better_on_the_golden_utterances(found: Mapsswe) -> None:
    # sc_stats gives 0.050, two-tailed, and names b the better.
    assert f"{found.p_value:.3f}" == "0.050"
    assert found.p_value < 0.05
    assert found.mean > 0


def test_every_error_is_in_one_segment(segments: list[list[tuple[int, int]]]) -> None:
    cases = json.loads(GOLDEN.read_text(encoding="utf-8"))["cases"]
    for of_segments, case in zip(segments, cases, strict=True):
        assert sum(errors for errors, _ in of_segments) == sum(case["a_csdi"][1:])
        assert sum(errors for _, errors in of_segments) == sum(case["b_csdi"][1:])


def test_swapping_the_systems_changes_the_sign() -> None:
    said = ["a b c d e f".split()] * 3
    a, b = [["a", "b", "c"]] * 2 + [said[0]], [said[0]] * 2 + [["x", *said[0]]]
    forward, backward = mapsswe(said, a, b), mapsswe(said, b, a)
    assert (forward.p_value, forward.mean, forward.segments) == (backward.p_value, -backward.mean, backward.segments)


@pytest.mark.parametrize(
    ("a", "b", "segments"),
    [
        ("a b c d e f", "a b c d e f", []),
        ("a b x d e f", "a b c d e f", [(1, 0)]),
        ("x b c d e f", "a b c d e y", [(1, 0), (0, 1)]),  # two words between that both have right
        ("x b c d e f", "a b y d e f", [(1, 1)]),  # one alone does not part them
        ("x b c y e f", "a b c d e f", [(1, 0), (1, 0)]),
        ("x b n c y e f", "a b c d e f", [(3, 0)]),  # an insertion between the two either
        ("n a b c d e f", "a b c d e f n n", [(1, 0), (0, 2)]),
        ("a b c d", "a b c d e f", [(2, 0)]),
        ("", "a b c d e f", [(6, 0)]),
    ],
)
def test_segments(a: str, b: str, segments: list[tuple[int, int]]) -> None:
    assert list(segment_errors("a b c d e f".split(), a.split(), b.split())) == segments


def test_the_statistic_is_that_of_a_paired_z_test(found: Mapsswe, segments: list[list[tuple[int, int]]]) -> None:
    pairs = np.array([each for utterance in segments for each in utterance])
    expected = stats.ttest_rel(pairs[:, 0], pairs[:, 1])
    assert found.segments == len(pairs)
    assert found.z == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(expected.statistic)))


def test_without_segments_that_differ_nothing_is_found() -> None:
    said = ["a b c".split()]
    assert mapsswe(said, said, said) == mapsswe([], [], [])
    assert mapsswe(said, said, said).p_value == 1
    assert mapsswe(said * 3, [["a", "b"]] * 3, said * 3).p_value == 1  # one error everywhere has no variance


def test_other_numbers_of_utterances_are_refused() -> None:
    with pytest.raises(DataError, match="1 utterances were said, and 2 and 1 recognised"):
        mapsswe([["a"]], [["a"], ["b"]], [["a"]])
