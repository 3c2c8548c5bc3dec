"""The judge that counts words, asked what the judged benchmarks ask."""

from typing import Any

import pytest

from evalkit.audio import Audio
from evalkit.datasets import Manifest
from evalkit.types import Message, Request, Response, Sample
from model_adapters.stand_ins.word_judge import WordJudge
from tasks.big_bench_audio import BigBenchAudio
from tasks.paralinguistic import DIMENSIONS, ParalinguisticQuestions
from tests.chains import next_call
from tests.uro_bench import sample_of, task_of_mode

NOWHERE = Manifest("nowhere.jsonl")


def judged(task: Any, sample: Sample, *answers: str) -> Response:
    call = next_call(task, sample, [Response(answer) for answer in answers])
    assert call is not None
    [response] = WordJudge().generate([call.request])
    return response


def uro_bench(mode: str, *rounds: tuple[str, str, str]) -> Response:
    answers = [answer for _, answer, _ in rounds]
    return judged(task_of_mode(mode, answer_mode="text"), sample_of(mode, rounds), *answers)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [("It takes three days.", "CORRECT"), ("3 days\n\nor so", "CORRECT"), ("three weeks", "INCORRECT")],
)
def test_big_bench_audio(answer: str, reply: str) -> None:
    task = BigBenchAudio(name="b", title="B", dataset=NOWHERE)
    assert judged(task, Sample("s", (Audio("s.wav"),), ("3 days",)), answer).text == reply


@pytest.mark.parametrize("column", DIMENSIONS.values())
def test_every_paralinguistic_dimension(column: str) -> None:
    task = ParalinguisticQuestions(name="p", title="P", dataset=NOWHERE, answer_mode="text")
    sample = Sample("s", (Audio("s.wav"),), ("女声",), groups={"dimension": column})
    assert judged(task, sample, "这是一个女性的声音").text == "yes"
    assert judged(task, sample, "这是一个男性的声音").text == "no"


def test_right_or_wrong_in_uro_bench() -> None:
    assert uro_bench("qa", ("What colour is it?", "It is gray.", "grey")).text == "Yes"
    assert uro_bench("qa", ("What colour is it?", "It is green.", "grey")).text == "No"


@pytest.mark.parametrize(
    ("answer", "mark"), [("nothing", "1"), ("our cat", "2"), ("our plane is here", "3"), ("Late was our plane.", "5")]
)
def test_marks_go_by_the_share_of_words(answer: str, mark: str) -> None:
    assert uro_bench("semi-open", ("Our plane was late.", answer, "Our plane was late.")).replies == (mark,) * 3


def test_a_conversation_is_marked_as_a_whole() -> None:
    assert uro_bench("multi", ("a", "one", "one"), ("b", "three", "two"), ("c", "x", "x"), ("d", "y", "z")).text == "3"


def test_as_many_replies_as_wanted() -> None:
    task = BigBenchAudio(name="b", title="B", dataset=NOWHERE)
    assert judged(task, Sample("s", (Audio("s.wav"),), ("3 days",)), "3 days").replies == ()


def test_a_question_without_a_reference_is_not_judged() -> None:
    failure = "the word judge can only answer questions that give it a reference answer"
    assert uro_bench("open", ("Tell me a story.", "Tell me a story.", "A story.")).error == failure
    assert WordJudge().generate([Request((Message("user", ("文本1: a\n文本2: a\n\n",)),))])[0].error == failure
