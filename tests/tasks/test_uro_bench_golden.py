"""URO-Bench's own scorers, case by case: what its code gave for these replies, answers and scores."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from evalkit.chain import Score
from evalkit.metrics.metric import Metric
from evalkit.types import Response, Sample
from tasks.uro_bench import averages
from tasks.uro_bench.marks import says_nothing
from tasks.uro_bench.rates import error_rate_of_pair
from tasks.uro_bench.task import Round
from tests.chains import score_of
from tests.conftest import ROOT
from tests.uro_bench import chain_through, sample_of, task_of_mode

CASES: list[dict[str, Any]] = json.loads((ROOT / "tests/golden_scores/golden_uro.json").read_text("utf-8"))["cases"]

# The original takes these although it has no prompt for them; the reader of the data refuses them.
_WITHOUT_PROMPT = {"uro-s-042", "uro-s-045"}


def cases(kind: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in CASES if case["kind"] == kind]


def figure(metric: Metric, key: str, scores: Sequence[Score]) -> float:
    return metric.value(np.array([score.statistics[key] for score in scores], dtype=float).sum(axis=0))


def test_every_case_belongs_to_a_test() -> None:
    kinds = {"judge", "srt", "repeat", "pair", "asr_wer", "aggregate"}
    assert len(CASES) == 81
    assert {case["kind"] for case in CASES} == kinds


@pytest.mark.parametrize("case", cases("judge"))
def test_replies_of_the_judge(case: dict[str, Any]) -> None:
    task = task_of_mode(case["mode"], answer_mode="text")
    scores = []
    for item, replies in zip(case["items"], case["replies"], strict=True):
        rounds = item.get("rounds") or [["question", item["answer"], "reference"]]
        if case["id"] in _WITHOUT_PROMPT:
            assert "rounds" in str(task._lack(sample_of(case["mode"], rounds)))
            rounds = (rounds * 3)[:3]
        said = [Response(answer) for _, answer, _ in rounds]
        if replies == [0, 0, 0] and case["mode"] in ("open", "qa"):
            # The original's stand-in for a call that failed, after which the engine gives a task no answers.
            scores.append(score_of(task, sample_of(case["mode"], rounds), ()))
            continue
        reply = Response(replies[0], replies=tuple(replies))
        asked, score = chain_through(task, sample_of(case["mode"], rounds), [*said, reply, reply, reply])
        silent = "rounds" not in item and says_nothing(rounds[0][1])
        again = 3 if "raises" in case["expected"] else 0 if silent else 1
        assert [call.role for call in asked] == ["model"] * len(rounds) + ["judge"] * again
        scores.append(score)
    if "raises" in case["expected"]:
        assert "cannot be read" in str(scores[0].failure)
        assert figure(task.metrics["score"], "score", scores) == 0
    else:
        assert not any(score.failure for score in scores)
        expected = case["expected"]["final_score"]
        assert 100 * figure(task.metrics["score"], "score", scores) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("case", cases("srt"))
def test_replies_of_the_judge_that_hears(case: dict[str, Any]) -> None:
    task, sample = task_of_mode("srt"), sample_of("srt", [["Sing!", "", ""]])
    scores = []
    for reply, mark in zip(case["replies"], case["expected"]["recorded_scores"], strict=True):
        said = Response("la la", speech=sample.audio[0])
        asked, score = chain_through(task, sample, [said, Response("la la"), Response(reply)])
        assert [call.role for call in asked] == ["model", "transcriber", "audio_judge"]
        assert score.statistics["score"] == (mark, 1)
        assert (score.failure is None) == (reply.strip().lstrip("-").isdigit())
        scores.append(score)
    expected = case["expected"]["final_score"]
    assert 100 * figure(task.metrics["score"], "score", scores) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("case", cases("repeat"))
def test_repetitions(case: dict[str, Any]) -> None:
    expected, language = case["expected"], case["language"]
    task = task_of_mode("wer", language, answer_mode="text")
    pairs = case["answer_reference_pairs"]
    scores = [
        score_of(task, sample_of("wer", [["", "", reference]]), [Response(answer)]) for answer, reference in pairs
    ]
    rates = [error_rate_of_pair(answer, reference, language) for answer, reference in pairs]
    assert rates == pytest.approx(expected["per_item_rate"])
    values = {key: figure(metric, key, scores) for key, metric in task.metrics.items()}
    assert values == pytest.approx(
        {
            "score": expected["repeat_score"] / 100,
            "repeated": expected["ok_rate"],
            "error_rate": expected["final_WER_for_ok_case"],
        }
    )


@pytest.mark.parametrize("case", cases("pair"))
def test_error_rates_of_pairs(case: dict[str, Any]) -> None:
    assert error_rate_of_pair(case["s1"], case["s2"], case["language"]) == pytest.approx(case["expected"]["rate"])


@pytest.mark.parametrize("case", cases("asr_wer"))
def test_speech_against_the_models_own_words(case: dict[str, Any]) -> None:
    pairs, expected = case["text_asr_pairs"], case["expected"]
    rates = [error_rate_of_pair(text, heard, case["language"]) for text, heard in pairs]
    assert rates == pytest.approx(expected["per_item"])
    assert sum(rates) / len(rates) == pytest.approx(expected["final_WER"])
    # Taken as the rounds of one conversation, of which the original takes the mean too.
    task = task_of_mode("wer", case["language"])
    rate, samples = task._own_error_rate([Round(heard, text) for text, heard in pairs])
    assert rate == pytest.approx(expected["final_WER"])
    assert samples == 1


@pytest.mark.parametrize("case", cases("aggregate"))
def test_averages_of_subsets(case: dict[str, Any]) -> None:
    scores = {}
    for subset, score in case["scores"].items():
        if isinstance(score, dict):
            score = score["ok_rate"] * (1 - score["final_WER_for_ok_case"]) * 100
        scores[subset] = score
    names = {
        "all" if name == "final_score" else name.removeprefix("final score on "): value
        for name, value in case["expected"].items()
    }
    assert {name: average.value for name, average in averages(scores).items()} == pytest.approx(names)


def test_a_conversation_whose_sample_was_not_answered_is_worth_nothing() -> None:
    for mode in ("open", "qa", "multi", "srt", "ge"):
        score = score_of(task_of_mode(mode), Sample("s"), ())
        assert tuple(score.statistics["score"]) == (0, 1)
    assert tuple(score_of(task_of_mode("wer"), Sample("s"), ()).statistics["score"]) == (0, 0, 1)
