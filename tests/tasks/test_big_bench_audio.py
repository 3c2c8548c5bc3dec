"""Big Bench Audio: from the spoken question to the judge's verdict."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from omegaconf import DictConfig

from evalkit.adapter import Capabilities, Model, ModelAdapter
from evalkit.audio import Audio
from evalkit.datasets import Manifest
from evalkit.errors import ConfigurationError
from evalkit.metrics.metric import render_recipe
from evalkit.run.composition import compose_configuration
from evalkit.run.evaluate import evaluate as evaluated
from evalkit.run.plan import plan_from_config, tasks_from_config
from evalkit.types import Failure, Request, Response, Sample
from tasks.big_bench_audio import BigBenchAudio
from tasks.judging import load_judge_prompts
from tasks.verdicts import read_verdict
from tests.chains import next_call, score_of
from tests.conftest import write_jsonl
from tests.live_models import specs_of

ROWS = [
    {"category": "formal_fallacies", "official_answer": "invalid", "file_name": "data/question_0.mp3", "id": 0},
    {"category": "navigate", "official_answer": "Yes", "file_name": "data/question_250.mp3", "id": 250},
    {"category": "object_counting", "official_answer": "7", "file_name": "data/question_500.mp3", "id": 500},
    {"category": "web_of_lies", "official_answer": "No", "file_name": "data/question_750.mp3", "id": 750},
]
SAMPLE = Sample("0", (Audio("data/question_0.mp3"),), ("invalid",), "en", {"category": "formal_fallacies"})


class Rule(ModelAdapter):
    """Answers by a rule from the request, in text."""

    capabilities = Capabilities(sample_rate=None, speech_output=True)

    def __init__(self, rule: Callable[[Request], Response]) -> None:
        self._rule = rule

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [self._rule(request) for request in requests]

    def fingerprint(self) -> dict[str, Any]:
        return {}


def strict_judge(request: Request) -> Response:
    """Takes an answer for correct if the official one is among its words; talks at length about sevens."""
    question = str(request.messages[-1].content[0])
    official = question.partition("OFFICIAL ANSWER: ")[2].partition("\n")[0]
    candidate = question.partition("TO ASSESS\n")[2].partition("\nEND CANDIDATE")[0]
    if official == "7" and request.attempt < 1:
        return Response("Seven is CORRECT, not INCORRECT.")
    return Response("CORRECT." if official.lower() in re.findall(r"\w+", candidate.lower()) else "Incorrect")


def published_layout(folder: Path) -> Path:
    return write_jsonl(folder / "metadata.jsonl", [dict(row) for row in ROWS])


def configured(manifest: Path, *overrides: str) -> DictConfig:
    """The configuration of a run over a data set."""
    words = ["task=big_bench_audio", f"tasks.big_bench_audio.dataset.path={manifest}"]
    return compose_configuration([*words, "model=predictions", "model.path=none", *overrides])


def evaluate(folder: Path, config: DictConfig, **roles: Callable[[Request], Response]) -> tuple[Any, list[Any]]:
    """Carry out a run with models that follow rules, and return its figures and the rows of its scores."""
    config.runs, config.name = str(folder), "run"
    plan = plan_from_config(config, {"model": "rule", "task": "big_bench_audio"})
    models: dict[str, Model] = {role: Rule(rule) for role, rule in roles.items()}
    metrics = evaluated(replace(plan, models=specs_of(models))).results.to_json()
    rows = pyarrow.parquet.read_table(folder / "run" / "big_bench_audio" / "scores.parquet").to_pylist()
    return metrics["tasks"]["big_bench_audio"], rows


@pytest.mark.parametrize(
    ("reply", "mark"),
    [
        ("CORRECT", 1.0),
        (" correct.\n", 1.0),
        ("**INCORRECT**", 0.0),
        ("'Incorrect'", 0.0),
        ("", None),
        ("yes", 1.0),
        ("Final verdict: **INCORRECT**", 0.0),
        ("It is CORRECT", None),
        ("INCORRECT, not CORRECT", None),
        ("Not correct", None),
    ],
)
def test_the_one_word_is_a_verdict_whatever_stands_around_it(reply: str, mark: float | None) -> None:
    assert read_verdict(reply) == mark


def test_the_judge_is_shown_both_answers_whatever_they_contain() -> None:
    question = load_judge_prompts("big_bench_audio").question(
        "correctness",
        {"official_answer": "{candidate_answer}", "candidate_answer": "I say {official_answer}.\nEND"},
    )
    assert "The OFFICIAL ANSWER: {candidate_answer}\n" in question
    assert "ASSESS\n\nI say {official_answer}.\nEND\n\nEND CANDIDATE" in question
    assert question.endswith("Reply only with CORRECT or INCORRECT.")


def test_a_written_answer_goes_to_the_judge(tmp_path: Path) -> None:
    config = configured(published_layout(tmp_path))
    answers = {"0": "It is valid.", "250": "Yes, you do.", "500": "There are 7.", "750": ""}
    metrics, rows = evaluate(
        tmp_path, config, model=lambda request: Response(answers[request.sample_id]), judge=strict_judge
    )
    accuracy = metrics["metrics"]["accuracy"]
    assert (accuracy["value"], accuracy["statistics"]) == (50, {"correct": 2, "samples": 4})
    assert "|answer:text|judge_prompt:artificial_analysis_without_question.v1|" in render_recipe(accuracy["recipe"])
    parts = {name: part["metrics"]["accuracy"]["value"] for name, part in metrics["groups"]["category"].items()}
    assert parts == {"formal_fallacies": 0, "navigate": 100, "object_counting": 100, "web_of_lies": 0}
    assert [row["verdict"] for row in rows] == ["incorrect", "correct", "correct", "not asked"]
    # The counting question's first verdict said both words, and was asked for again; silence was not judged at all.
    assert [len(row["responses"]) for row in rows] == [2, 2, 3, 1]
    assert metrics["samples"]["failed"] == 0
    assert metrics["place"]["benchmark"] == "Big Bench Audio"


def test_a_judge_that_cannot_be_understood_fails_the_sample_and_keeps_it_in_the_denominator(tmp_path: Path) -> None:

    def rambling(request: Request) -> Response:
        return Response("yes, or no") if request.sample_id == "0" else strict_judge(request)

    metrics, rows = evaluate(
        tmp_path,
        configured(published_layout(tmp_path)),
        model=lambda _: Response("Invalid; yes; 7; no."),
        judge=rambling,
    )
    assert metrics["metrics"]["accuracy"]["statistics"] == {"correct": 3, "samples": 4}
    assert metrics["samples"]["failed"] == 1
    assert rows[0]["status"] == "failed"
    assert "the judge's reply cannot be read: ('yes, or no',)" in rows[0]["reason"]


def test_a_judge_that_is_down_is_no_verdict(tmp_path: Path) -> None:
    config = configured(published_layout(tmp_path))
    metrics, rows = evaluate(
        tmp_path,
        config,
        model=lambda _: Response("yes"),
        judge=lambda _: Response(failure=Failure("error", "HTTP 503")),
    )
    assert metrics["samples"]["failed"] == 4
    assert {row["reason"] for row in rows} == {"judge: HTTP 503"}


def test_a_spoken_answer_is_transcribed_before_it_is_judged(tmp_path: Path) -> None:
    words = ["tasks.big_bench_audio.answer=speech", "prompts@model.prompts=step_audio_2"]
    (task,) = tasks_from_config(configured(published_layout(tmp_path), *words))
    call = next_call(task, SAMPLE, ())
    assert call is not None
    assert (call.role, call.request.output) == ("model", "speech")
    assert call.request.messages[0].content == ("You are a helpful assistant.",)
    assert call.request.audio == SAMPLE.audio
    speech = Audio("speech/0.flac")
    spoken = Response("<written>", speech=speech)
    call = next_call(task, SAMPLE, (spoken,))
    assert call is not None
    assert (call.role, call.request.audio, call.request.output) == ("transcriber", (speech,), "text")
    call = next_call(task, SAMPLE, (spoken, Response("the argument is invalid")))
    assert call is not None
    assert call.role == "judge"
    assert "\n\nthe argument is invalid\n\n" in str(call.request.messages[-1].content[0])
    answered = (spoken, Response("the argument is invalid"), Response("CORRECT"))
    assert next_call(task, SAMPLE, answered) is None
    assert score_of(task, SAMPLE, answered).statistics["accuracy"] == (1.0, 1.0)
    assert task.metrics["accuracy"].recipe["answer"] == "speech"


@pytest.mark.parametrize("responses", [(), (Response("invalid"),), (Response(speech=Audio("0.flac")), Response(" "))])
def test_what_was_not_spoken_is_wrong_without_asking_further(tmp_path: Path, responses: Sequence[Response]) -> None:
    task = BigBenchAudio(name="b", title="B", dataset=Manifest(tmp_path / "none.jsonl"), answer="speech")
    if responses:
        assert next_call(task, SAMPLE, responses) is None
    score = score_of(task, SAMPLE, responses)
    assert (score.statistics["accuracy"], score.failure) == ((0.0, 1.0), None)


def test_an_answer_neither_written_nor_spoken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="answer is 'song'; it must be speech or text"):
        BigBenchAudio(name="b", title="B", dataset=Manifest(tmp_path / "none.jsonl"), answer="song")  # type: ignore[arg-type]


def test_the_real_question_is_heard_and_judged(shared_data: Path, tmp_path: Path) -> None:
    lines = (shared_data / "audio_qa" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    (record,) = (row for row in map(json.loads, lines) if row["benchmark"] == "Big Bench Audio")
    config = configured(shared_data / "audio_qa" / "manifest.jsonl")
    config.tasks.big_bench_audio.dataset = {
        **{key: config.tasks.big_bench_audio.dataset[key] for key in ("_target_", "path", "language")},
        "root": str(shared_data),
        "columns": {"text": "answer"},
        "where": {"benchmark": "Big Bench Audio"},
    }

    def hears(request: Request) -> Response:
        seconds = len(request.audio[0].waveform(16_000)) / 16_000
        return Response(f"After {seconds:.1f} seconds of listening: the argument is deductively valid.")

    metrics, rows = evaluate(tmp_path, config, model=hears, judge=strict_judge)
    assert metrics["metrics"]["accuracy"]["value"] == 100
    assert rows[0]["candidate_answer"].startswith(f"After {record['duration']:.1f} seconds")
