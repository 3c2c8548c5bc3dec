"""The judge that counts words, asked by the benchmarks' own prompts."""

import pytest
from tasks.uro_bench.judge_prompts import filled
from tasks.uro_bench.judge_prompts import load_judge_prompts as load_uro_bench_prompts

from evalkit.types import Message, Request, Response
from model_adapters.stand_ins.word_judge import WordJudge
from tasks.big_bench_audio import judge_question
from tasks.paralinguistic.dimensions import DIMENSIONS, load_judge_prompts


def judged(question: str, replies: int = 1) -> Response:
    request = Request((Message("system", ("Judge.",)), Message("user", (question,))), replies=replies)
    [response] = WordJudge().generate([request])
    return response


def uro_bench(mode: str, **fields: str) -> str:
    return filled(load_uro_bench_prompts().by_name[mode], fields)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [("It takes three days.", "CORRECT"), ("3 days\n\nor so", "CORRECT"), ("three weeks", "INCORRECT")],
)
def test_big_bench_audio(answer: str, reply: str) -> None:
    assert judged(judge_question("3 days", answer)).text == reply


@pytest.mark.parametrize("column", DIMENSIONS.values())
def test_every_paralinguistic_dimension(column: str) -> None:
    prompts = load_judge_prompts()
    assert judged(prompts.question(column, "女声", "这是一个女性的声音")).text == "yes"
    assert judged(prompts.question(column, "女声", "这是一个男性的声音")).text == "no"


def test_right_or_wrong_in_uro_bench() -> None:
    fields = {"question": "What colour is it?", "reference": "grey"}
    assert judged(uro_bench("qa", answer="It is gray.", **fields)).text == "Yes"
    assert judged(uro_bench("qa", answer="It is green.", **fields)).text == "No"


@pytest.mark.parametrize(
    ("answer", "mark"), [("", "1"), ("our cat", "2"), ("our plane is here", "3"), ("Late was our plane.", "5")]
)
def test_marks_go_by_the_share_of_words(answer: str, mark: str) -> None:
    question = uro_bench("semi-open", question="Our plane was late.", answer=answer, reference="Our plane was late.")
    assert judged(question).text == mark


def test_a_conversation_is_marked_as_a_whole() -> None:
    rounds = {"question1": "a", "answer1": "one", "reference1": "one", "question2": "b", "answer2": "three"}
    assert judged(uro_bench("multi2", **rounds, reference2="two")).text == "3"


def test_as_many_replies_as_wanted() -> None:
    question = uro_bench("semi-open", question="?", answer="yes", reference="yes")
    assert judged(question, replies=3).replies == ("5", "5", "5")
    assert judged(question).replies == ()


def test_a_question_without_a_reference_is_not_judged() -> None:
    response = judged(uro_bench("open", question="Tell me a story.", answer="Tell me a story."))
    assert response.error == "the word judge can only answer questions that give it a reference answer"
