"""The paralinguistic task: what it asks whom, how it reads a judge, and what its figures amount to."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.audio import Audio
from evalkit.datasets import Manifest
from evalkit.errors import ConfigurationError, DataError
from evalkit.metrics.metric import recipe_line
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.prompts import Prompts
from evalkit.run.scoring import score_task
from evalkit.types import Call, Failure, Response, Sample
from reports.published import load_published
from tasks.judging import load_judge_prompts
from tasks.paralinguistic import DIMENSIONS, ParalinguisticQuestions
from tests.chains import calls_of, run_of, score_of
from tests.conftest import SHARED_DATA, write_jsonl

REFERENCE = SHARED_DATA.parent / "reference"
SPEECH = Response(speech=Audio("speech/1.flac"))
SAMPLE = Sample("age/x", (Audio("age/x.wav"),), ("二十到三十岁。",), "zh", {"dimension": "Age"})


def questions(tmp_path: Path, dimension: str = "age", **settings: Any) -> ParalinguisticQuestions:
    row = {"id": "x", "audio": "x.wav", "text": "二十到三十岁。", "dimension": dimension}
    manifest = write_jsonl(tmp_path / "manifest.jsonl", [row])
    dataset = Manifest(manifest, language="zh", groups=["dimension"])
    return ParalinguisticQuestions(name="paralinguistic", title="Paralinguistic", dataset=dataset, **settings)


def chain(task: ParalinguisticQuestions, *answers: Response, sample: Sample = SAMPLE) -> list[Call]:
    """The calls that a task makes, given these answers in turn."""
    return calls_of(task, sample, answers)


def test_a_recording_goes_to_the_model_its_speech_to_the_transcriber_its_words_to_the_judge(tmp_path: Path) -> None:
    prompts = Prompts(
        {
            "model": {"paralinguistic": {"system": "请用语音与我交流。"}},
            "transcriber": {"asr": {"language_hint": True}},
        }
    )
    task = questions(tmp_path, prompts=prompts, judge={"system": "专业", "generation": {"temperature": 0}})
    model, transcriber, judge = chain(task, SPEECH, Response("大概二十五岁"), Response("yes"))
    assert [call.role for call in (model, transcriber, judge)] == ["model", "transcriber", "judge"]
    assert [message.content for message in model.request.messages] == [("请用语音与我交流。",), SAMPLE.audio]
    assert (model.request.output, model.request.language) == ("speech", None)
    assert transcriber.request.messages[0].content == (SPEECH.speech,)
    assert (transcriber.request.output, transcriber.request.language) == ("text", "zh")
    system, question = judge.request.messages
    assert (system.role, system.content) == ("system", ("专业",))
    assert "文本1: 二十到三十岁。\n文本2: 大概二十五岁\n" in str(question.content[0])
    assert judge.request.generation == {"temperature": 0}
    assert {call.request.sample_id for call in (model, transcriber, judge)} == {"age/x"}


def test_a_written_answer_goes_straight_to_the_judge(tmp_path: Path) -> None:
    task = questions(tmp_path, answer_mode="text")
    model, judge = chain(task, Response("大概二十五岁"), Response("no"))
    assert (model.role, model.request.output, judge.role) == ("model", "text", "judge")
    assert "文本2: 大概二十五岁\n" in str(judge.request.messages[0].content[0])


@pytest.mark.parametrize("answers", [(Response("I said it"),), (SPEECH, Response(" \n"))], ids=["no speech", "silence"])
def test_nothing_said_is_wrong_without_a_judge_and_counted(tmp_path: Path, answers: Sequence[Response]) -> None:
    task = questions(tmp_path)
    assert [call.role for call in chain(task, *answers)] == ["model", "transcriber"][: len(answers)]
    score = score_of(task, SAMPLE, answers)
    assert score.statistics == {"accuracy": (0, 1), "no_answer": (1, 1)}
    assert (score.failure, score.details["verdict"]) == (None, "no answer")


@pytest.mark.parametrize(
    ("reply", "mark"),
    [
        ("yes", 1),
        (" Yes\n", 1),
        ("NO", 0),
        ("yes.", 1),
        ('"yes"', 1),
        ("是", None),
        ("yes, both are male", None),
        ("yes no", None),
        ("", None),
    ],
)
def test_the_bare_word_is_a_reply_whatever_stands_around_it(tmp_path: Path, reply: str, mark: float | None) -> None:
    task = questions(tmp_path, answer_mode="text", judge={"attempts": 1})
    score = score_of(task, SAMPLE, (Response("大概二十五岁"), Response(reply)))
    assert (score.statistics["accuracy"], score.failure is None) == ((mark or 0, 1), mark is not None)


def test_an_unreadable_judge_is_asked_again_and_then_the_sample_fails_visibly(tmp_path: Path) -> None:
    task = questions(tmp_path, judge={"attempts": 2})
    said = (SPEECH, Response("大概二十五岁"))
    retried = chain(task, *said, Response("也许"), Response("yes"))
    assert [call.request.attempt for call in retried[2:]] == [0, 1]
    assert len({call.request.content_hash() for call in retried}) == 4
    assert score_of(task, SAMPLE, (*said, Response("也许"), Response("yes"))).statistics["accuracy"] == (1, 1)

    given_up = (*said, Response("也许"), Response("是"))
    assert len(chain(task, *given_up)) == 4
    score = score_of(task, SAMPLE, given_up)
    assert score.statistics == {"accuracy": (0, 1), "no_answer": (0, 1)}
    assert score.failure == Failure("unreadable_reply", "the judge's reply cannot be read: ('是',)")


def test_a_chain_that_broke_off_is_wrong_but_not_without_an_answer(tmp_path: Path) -> None:
    score = score_of(questions(tmp_path), SAMPLE, ())
    assert score.statistics == {"accuracy": (0, 1), "no_answer": (0, 1)}


def test_several_replies_score_the_share_of_yes_and_their_disagreement(tmp_path: Path) -> None:
    task = questions(tmp_path, answer_mode="text", judge={"replies": 3})
    assert chain(task, Response("a"), Response("yes", replies=("yes", "no", "yes")))[1].request.replies == 3
    split = score_of(task, SAMPLE, (Response("a"), Response("yes", replies=("yes", "no", "Yes"))))
    assert split.statistics["accuracy"] == (pytest.approx(2 / 3), 1)
    assert split.statistics["judge_disagreement"] == (1, 1)
    assert split.statistics["judge_spread"] == (pytest.approx(1 / 3), 1), "the variance of 1, 0 and 1"
    assert split.details["verdict"] == "yes 2 of 3"
    agreed = score_of(task, SAMPLE, (Response("a"), Response("no", replies=("no", "no", "no"))))
    assert (agreed.statistics["accuracy"], agreed.statistics["judge_disagreement"]) == ((0, 1), (0, 1))
    assert score_of(task, SAMPLE, (Response(""),)).statistics["judge_spread"] == (0, 0)
    assert "judge_disagreement" not in questions(tmp_path).metrics


def test_the_recipe_tells_apart_what_makes_figures_differ(tmp_path: Path) -> None:
    plain = recipe_line(questions(tmp_path).metrics["accuracy"])
    assert plain == (
        "metric:Accuracy|averaging:micro|answer:speech|judge_prompt:stepeval.v1|judge_system:none|judge_generation:|"
        "judge_replies:1"
    )
    others: tuple[dict[str, Any], ...] = (
        {"answer_mode": "text"},
        *({"judge": judge} for judge in ({"system": "x"}, {"system": "y"}, {"generation": {"temperature": 0}})),
        {"judge": {"replies": 3}},
    )
    recipes = {recipe_line(questions(tmp_path, **each).metrics["accuracy"]) for each in others}
    assert len(recipes | {plain}) == 6


def test_texts_that_look_like_fields_stay_as_they_are(tmp_path: Path) -> None:
    task = questions(tmp_path, answer_mode="text")
    judge = chain(task, Response("{text1} {0} {{x}}"), Response("no"))[1]
    assert "文本2: {text1} {0} {{x}}\n" in str(judge.request.messages[0].content[0])


def test_every_dimension_has_its_own_prompt_and_none_a_fallback() -> None:
    prompts = load_judge_prompts("paralinguistic").by_name
    assert list(prompts) == list(DIMENSIONS)
    assert len(set(prompts.values())) == 11
    assert all(prompt.count("{text1}") == prompt.count("{text2}") == 1 for prompt in prompts.values())
    assert "描述了相似的内容" not in "".join(prompts.values()), "the prompt for unknown dimensions"


@pytest.mark.parametrize("folder", ["scene", "event", "vocalsound", "voice_tone", "voice_styles"])
def test_the_five_dimensions_that_fall_back_elsewhere_are_asked_as_recorded(tmp_path: Path, folder: str) -> None:
    """lmms-eval finds no question for these under their real names, and asks one and the same about all five."""
    task = questions(tmp_path, dimension=folder, answer_mode="text")
    (sample,) = task.samples()
    assert sample.groups == {"dimension": DIMENSIONS[folder]}
    model, judge = chain(task, Response("a"), Response("yes"), sample=sample)
    assert model.request.messages[-1].content == sample.audio, "the question is in the recording, not beside it"
    expected = load_judge_prompts("paralinguistic").question(folder, {"text1": sample.references[0], "text2": "a"})
    assert judge.request.messages[0].content == (expected,)


def test_prompts_are_the_published_ones_to_the_letter() -> None:
    prompts = dict(load_judge_prompts("paralinguistic").by_name)
    canonical = json.dumps(prompts, ensure_ascii=False, sort_keys=True).encode()
    assert load_judge_prompts("paralinguistic").version == "stepeval.v1"
    assert hashlib.sha256(canonical).hexdigest() == "4459d91f5075ce9f3208468afb75a7db95e6ef1eebe9111597f1a20ca07661fc"
    source = REFERENCE / "judge_prompts.json"
    if not source.is_file():
        pytest.skip(f"pinned by their digest; no source to compare with at {source}")
    published = json.loads(source.read_text(encoding="utf-8"))["stepeval_audio_paralinguistic"]["prompts"]
    del published["default"]
    assert prompts == published


def test_a_dimension_that_is_none_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sample x has the dimension 'ages', did you mean 'age'\? \(there are gender,"):
        list(questions(tmp_path, dimension="ages").samples())


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"answer_mode": "spoken"}, "answer_mode is 'spoken'; it must be speech or text"),
        ({"judge": {"reply": 3}}, r"judge has no option 'reply', did you mean 'replies'\?"),
        ({"judge": {"replies": 0}}, r"judge\.replies is 0; it must be a whole number from 1 up"),
        ({"judge": {"attempts": "three"}}, r"judge\.attempts is 'three'; it must be a whole number from 1 up"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        questions(tmp_path, **settings)


def published() -> dict[tuple[str, str], dict[str, float]]:
    """For each release and model the printed figure of each column."""
    rows: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for figure in load_published():
        if figure.table == "paralinguistic" and figure.value is not None:
            rows[figure.release, figure.model][figure.benchmark] = float(figure.value)
    return rows


def answered(right: int) -> list[tuple[Response, Response]]:
    return [(Response("a"), Response("yes" if number < right else "no")) for number in range(50)]


def test_published_columns_are_the_dimensions_in_order() -> None:
    assert {tuple(row) for row in published().values()} == {("Avg.", *DIMENSIONS.values())}


@pytest.mark.parametrize(("release", "model"), published(), ids="-".join)
def test_published_averages_follow_from_the_dimensions(tmp_path: Path, release: str, model: str) -> None:
    printed = published()[release, model]
    task = questions(tmp_path, answer_mode="text")
    statistics = [
        score_of(task, SAMPLE, responses).statistics["accuracy"]
        for column in DIMENSIONS.values()
        for responses in answered(round(printed[column] / 2))
    ]
    value = task.metrics["accuracy"].value(np.sum(statistics, axis=0))
    assert f"{100 * value:.2f}" == f"{printed['Avg.']:.2f}"


def test_the_cells_of_a_table_come_from_the_groups(tmp_path: Path) -> None:
    printed = next(row for (release, model), row in published().items() if model == "Step-Audio 2")
    task = questions(tmp_path, answer_mode="text", expected_samples=550)
    outcomes = [
        run_of(task, replace(SAMPLE, id=f"{column}-{number}", groups={"dimension": column}), responses).outcome
        for column in DIMENSIONS.values()
        for number, responses in enumerate(answered(round(printed[column] / 2)))
    ]
    result = score_task(task, filter(None, outcomes), tmp_path, BootstrapSettings(resamples=20))
    accuracy = result.metric
    assert accuracy.statistics == {"correct": 421, "samples": 550}
    assert f"{accuracy.value:.2f}" == "76.55"
    cells = {name: cell.metrics["accuracy"].value for name, cell in result.groups["dimension"].items()}
    assert {name: round(value or 0) for name, value in cells.items()} == {
        column: printed[column] for column in DIMENSIONS.values()
    }
    assert (result.partial, result.samples.failed) == (False, 0)


def test_an_answer_that_could_not_be_transcribed_is_wrong_but_not_missing(tmp_path: Path) -> None:
    score = score_of(questions(tmp_path), SAMPLE, (SPEECH,))
    assert score.statistics == {"accuracy": (0, 1), "no_answer": (0, 1)}


def test_a_judge_that_failed_leaves_the_answer_to_be_seen(tmp_path: Path) -> None:
    score = score_of(questions(tmp_path), SAMPLE, (SPEECH, Response("大概二十五岁")))
    assert score.statistics == {"accuracy": (0, 1), "no_answer": (0, 1)}
    assert score.details == {"answer": "大概二十五岁", "verdict": ""}
