"""What URO-Bench asks whom, mode by mode, and what it makes of silence and of replies that cannot be read."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest

from evalkit.audio import Audio
from evalkit.prompts import Prompts, fill
from evalkit.types import Response
from tasks.judging import load_judge_prompts
from tasks.uro_bench.marks import read_mark, read_opinion_score, read_probability
from tests.uro_bench import chain_through, sample_of, task_of_mode

PROMPTS = Prompts({"model": {"conversation": {"system": "Be kind."}}, "transcriber": {"asr": {"language_hint": True}}})
QUESTION = [["What is {answer}?", "", "the reference"]]


def spoken(number: int, text: str | None = None) -> Response:
    return Response(f"text {number}" if text is None else text, speech=Audio(f"speech/{number}.flac"))


def replies(*texts: str) -> Response:
    return Response(texts[0], replies=texts)


def content(messages: Sequence[Any]) -> list[tuple[str, tuple[Any, ...]]]:
    return [(message.role, message.content) for message in messages]


def test_the_judges_questions_are_those_of_the_benchmark_letter_by_letter() -> None:
    prompts = load_judge_prompts("uro_bench")
    text = json.dumps(dict(sorted(prompts.by_name.items())), ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "020c446322c81b72c7d3e04b1b8a00e086b194d63423488671d3dca9399049dc"
    assert prompts.system == "You are a helpful assistant."


@pytest.mark.parametrize(
    ("mode", "fields"),
    [
        ("open", {}),
        ("semi-open", {"reference": "the reference"}),
        ("qa", {"reference": "the reference"}),
        ("gs", {"reference": "the reference", "style": "sweet"}),
        ("ue", {"reference": "the reference", "emotion": "happy"}),
        ("sf", {"reference": "the reference"}),
        ("ml", {"language": "French"}),
    ],
)
def test_a_spoken_answer_is_written_down_and_judged(mode: str, fields: dict[str, str]) -> None:
    task, sample = task_of_mode(mode, prompts=PROMPTS), sample_of(mode, QUESTION)
    reply = replies("Yes", "No", "Yes") if mode == "qa" else replies("4", "5", "3")
    asked, score = chain_through(task, sample, [spoken(1), Response(" heard {reference} "), reply])
    model, transcriber, judge = asked

    assert model.role == "model"
    assert model.request.output == "speech"
    assert content(model.request.messages) == [("system", ("Be kind.",)), ("user", sample.audio)]
    assert transcriber.role == "transcriber"
    assert content(transcriber.request.messages) == [("user", (Audio("speech/1.flac"),))]
    # English answers are recognised without a hint, as models may answer in any language.
    assert transcriber.request.language is None

    expected = fill(
        load_judge_prompts("uro_bench").by_name[mode],
        {"question": "What is {answer}?", "answer": "heard {reference}", **fields},
    )
    assert "What is {answer}?" in expected
    assert content(judge.request.messages) == [("system", ("You are a helpful assistant.",)), ("user", (expected,))]
    assert (judge.role, judge.request.replies, judge.request.attempt) == ("judge", 3, 0)
    assert judge.request.generation == {"temperature": 0.5, "top_p": 0.95, "max_new_tokens": 1024}

    assert score.statistics["score"] == (pytest.approx(2 / 3 if mode == "qa" else 4), 1)
    assert score.statistics["judge_disagreement"] == (1, 1)
    assert ("asr_error_rate" in score.statistics) == (mode != "ml")
    assert score.details["judgement"] == " ".join(reply.replies)


def test_chinese_answers_are_recognised_with_a_hint() -> None:
    asked, _ = chain_through(
        task_of_mode("open", "zh", prompts=PROMPTS), sample_of("open", QUESTION, "zh"), [spoken(1), Response("好")]
    )
    assert asked[1].request.language == "zh"


@pytest.mark.parametrize(("mode", "rounds"), [("multi", 2), ("multi", 5), ("sa", 3)])
def test_each_round_hears_the_rounds_before_it(mode: str, rounds: int) -> None:
    task = task_of_mode(mode, prompts=PROMPTS)
    sample = sample_of(mode, [[f"q{n}", "", f"r{n}"] for n in range(rounds)])
    answers: list[Response] = []
    for number in range(rounds):
        answers += [spoken(number), Response(f"heard {number}" if number else "")]
    asked, score = chain_through(task, sample, [*answers, replies("5", "5", "5")])
    assert [call.role for call in asked] == ["model", "transcriber"] * rounds + ["judge"]
    for number, call in enumerate(asked[: 2 * rounds : 2]):
        before = [
            turn
            for earlier in range(number)
            for turn in [
                ("user", (sample.audio[earlier],)),
                ("assistant", (f"text {earlier}", Audio(f"speech/{earlier}.flac"))),
            ]
        ]
        assert content(call.request.messages) == [
            ("system", ("Be kind.",)),
            *before,
            ("user", (sample.audio[number],)),
        ]
    # An answer in which nothing was heard is judged like any other here.
    template = load_judge_prompts("uro_bench").by_name["sa" if mode == "sa" else f"multi{rounds}"]
    fields = {f"answer{n + 1}": f"heard {n}" if n else "" for n in range(rounds)}
    fields |= {f"{field}{n + 1}": f"{field[0]}{n}" for n in range(rounds) for field in ("question", "reference")}
    assert asked[-1].request.messages[1].content == (fill(template, fields),)
    assert not any(mark in str(asked[-1].request.messages[1].content) for mark in ("{q", "{a", "{r"))
    assert score.statistics["score"] == (5, 1)
    assert score.statistics["judge_disagreement"] == (0, 1)


def test_a_model_is_reminded_of_its_own_tokens() -> None:
    task, sample = task_of_mode("multi"), sample_of("multi", [["q0", "", "r0"], ["q1", "", "r1"]])
    asked, _ = chain_through(task, sample, [Response("text", tokens="[7, 8]"), Response(), replies("1", "1", "1")])
    assert [message.tokens for message in asked[1].request.messages] == ["", "[7, 8]", ""]


def test_a_round_in_which_nothing_is_said_is_part_of_the_conversation() -> None:
    task, sample = task_of_mode("multi"), sample_of("multi", [["q0", "", "r0"], ["q1", "", "r1"]])
    asked, score = chain_through(task, sample, [Response(), Response(), replies("1", "1", "1")])
    assert [call.role for call in asked] == ["model", "model", "judge"]
    assert content(asked[1].request.messages)[1] == ("assistant", ("",))
    assert score.statistics["score"] == (1, 1)
    assert score.details["answer"] == " \n "


@pytest.mark.parametrize("answers", [[Response("text")], [spoken(1), Response("")], [spoken(1), Response("  ")]])
@pytest.mark.parametrize("mode", ["open", "semi-open", "qa", "gs", "ue", "sf", "ml"])
def test_silence_is_worth_nothing_and_is_not_judged(mode: str, answers: list[Response]) -> None:
    asked, score = chain_through(task_of_mode(mode), sample_of(mode, QUESTION), answers)
    assert "judge" not in [call.role for call in asked]
    assert score.statistics["score"] == (0, 1)
    assert score.statistics["judge_disagreement"] == (0, 0)
    assert score.failure is None


def test_a_judge_that_cannot_be_read_is_asked_again_and_then_the_sample_fails() -> None:
    task, sample = task_of_mode("open"), sample_of("open", QUESTION)
    before = [spoken(1), Response("heard")]
    unreadable = replies("4/5", "4", "4")
    asked, score = chain_through(task, sample, [*before, unreadable, replies("4", "4", "4")])
    assert [call.request.attempt for call in asked[2:]] == [0, 1]
    assert (score.failure, score.statistics["score"]) == (None, (4, 1))
    asked, score = chain_through(task, sample, [*before, *[unreadable] * 3])
    assert [call.request.attempt for call in asked[2:]] == [0, 1, 2]
    assert score.failure is not None
    assert "4/5" in score.failure.message
    assert score.statistics["score"] == (0, 1)
    assert score.statistics["judge_disagreement"] == (0, 0)


def test_the_judge_of_songs_hears_them() -> None:
    task, sample = task_of_mode("srt"), sample_of("srt", [["Sing!", "", ""]])
    asked, score = chain_through(task, sample, [spoken(1), Response("la"), Response("4")])
    (message,) = asked[-1].request.messages
    template = load_judge_prompts("uro_bench").by_name["srt"]
    assert message.content == (template.replace("{question}", "Sing!"), Audio("speech/1.flac"))
    assert (asked[-1].role, asked[-1].request.replies) == ("audio_judge", 1)
    assert score.statistics["score"] == (4, 1)
    asked, score = chain_through(task, sample, [Response("I cannot sing")])
    assert [call.role for call in asked] == ["model"]
    assert (score.failure, score.statistics["score"]) == (None, (0, 1))


def test_an_emotion_is_worth_its_probability_times_what_was_said_rightly() -> None:
    task, sample = task_of_mode("ge"), sample_of("ge", [["Say it happily.", "", "what a day"]])
    before = [spoken(1), Response("what a day today")]
    asked, score = chain_through(task, sample, [*before, Response('{"happy": 0.8, "sad": 0.2}')])
    assert asked[-1].role == "emotion_classifier"
    assert content(asked[-1].request.messages) == [("user", (Audio("speech/1.flac"),))]
    # The answer is the truth of the rate: one word of four is missing from the reference.
    assert score.statistics["score"] == (pytest.approx(0.8 * 0.75), 1)
    _, score = chain_through(task, sample, [*before, Response('{"sad": 1}')])
    assert score.failure is not None
    assert "no probability of 'happy'" in score.failure.message
    assert score.statistics["score"] == (0, 1)
    # A rate above 1 counts as 1.
    _, score = chain_through(task, sample, [spoken(1), Response("day"), Response('{"happy": 1}')])
    assert score.statistics["score"] == (0, 1)


def test_naturalness_is_rated_for_each_spoken_round() -> None:
    task = task_of_mode("multi", rate_naturalness=True)
    sample = sample_of("multi", [["q0", "", "r0"], ["q1", "", "r1"], ["q2", "", "r2"]])
    answers = [spoken(0), Response("a"), Response("4.5"), Response("silent"), spoken(2), Response("c"), Response("3.5")]
    asked, score = chain_through(task, sample, [*answers, replies("3", "3", "3")])
    assert [call.role for call in asked[:4]] == ["model", "transcriber", "mos_predictor", "model"]
    assert score.statistics["mos"] == (8, 2)
    assert task.metrics["mos"].value(score.statistics["mos"]) == pytest.approx(4)  # type: ignore[arg-type]
    answers[2] = Response("good")
    _, score = chain_through(task, sample, [*answers, replies("3", "3", "3")])
    assert score.failure is not None
    assert "MOS predictor's reply cannot be read: 'good'" in score.failure.message
    assert (score.statistics["score"], score.statistics["mos"]) == ((3, 1), (3.5, 1))


def test_written_answers_need_no_transcriber() -> None:
    task, sample = task_of_mode("open", answer_mode="text"), sample_of("open", QUESTION)
    asked, score = chain_through(task, sample, [Response("blue"), replies("5", "5", "5")])
    assert [call.role for call in asked] == ["model", "judge"]
    assert asked[0].request.output == "text"
    assert set(score.statistics) == {"score", "judge_disagreement", "judge_spread"}


def test_a_model_that_gives_no_words_of_its_own_has_no_asr_error_rate() -> None:
    task, sample = task_of_mode("wer"), sample_of("wer", [["Say it.", "", "red apples"]])
    _, score = chain_through(task, sample, [spoken(1, text="red apple"), Response("red apples")])
    assert score.statistics["asr_error_rate"] == (0.5, 1)
    assert score.statistics["score"] == (1, 0, 1)
    _, score = chain_through(task, sample, [spoken(1, text=""), Response("red apples")])
    assert score.statistics["asr_error_rate"] == (0, 0)


@pytest.mark.parametrize(
    ("reply", "mark"),
    [("9" * 400, None), ("9" * 5000, None), ("1_0", 10), ("½", None), ("4\u00a0", 4), ("nan", None), ("", None)],
)
def test_replies_that_int_might_stumble_over(reply: str, mark: float | None) -> None:
    assert read_mark(reply) == mark


@pytest.mark.parametrize(
    ("reply", "probability"),
    [
        ('{"Happy": 1}', 1),
        ('{"开心/happy": 0.25, "难过/sad": 0.75}', 0.25),
        ('{"happy": true}', None),
        ('{"happy": 1.5}', None),
        ('{"happy": NaN}', None),
        ('{"happy": "1"}', None),
        ("happy", None),
        ("[1]", None),
        ("[" * 100_000, None),
    ],
)
def test_replies_of_an_emotion_classifier(reply: str, probability: float | None) -> None:
    assert read_probability(reply, "happy") == probability


@pytest.mark.parametrize(("reply", "score"), [("4.25", 4.25), (" 3\n", 3), ("inf", None), ("nan", None), ("x", None)])
def test_replies_of_an_opinion_score_predictor(reply: str, score: float | None) -> None:
    assert read_opinion_score(reply) == score


@pytest.mark.parametrize(
    ("mode", "texts", "original", "tolerant"), [("qa", "Yes.", 0, 1), ("semi-open", "**4**", None, 4)]
)
def test_replies_are_read_as_the_original_reads_them_unless_asked_otherwise(
    mode: str, texts: str, original: float | None, tolerant: float
) -> None:
    sample = sample_of(mode, QUESTION)
    for reading, mark in (("original", original), ("tolerant", tolerant)):
        task = task_of_mode(mode, answer_mode="text", judge_reading=reading)
        attempts = [replies(texts, texts, texts)] * (3 if mark is None else 1)
        _, score = chain_through(task, sample, [Response("an answer"), *attempts])
        assert (score.statistics["score"], score.failure is None) == ((mark or 0, 1), mark is not None)
        assert ("judge_reading" in task.metrics["score"].recipe) == (reading == "tolerant")
