"""A cascade: the calls that a call to the model becomes, and what their answers amount to."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from evalkit.audio import Audio
from evalkit.cascade import Cascade, cascade_of
from evalkit.chain import CallFailed, Chain, ChainRun, Score
from evalkit.errors import ConfigurationError
from evalkit.prompts import Prompt, Prompts
from evalkit.types import Call, Failure, Message, Request, Response, Sample, ToolCall
from tasks.steps import Conversation

QUESTION = Audio("question.wav", content=lambda: b"question", digest="q")
ANSWER = Audio("answer.wav", content=lambda: b"answer", digest="a")
SAMPLE = Sample("s1", audio=(QUESTION,), language="en")
SEARCH = {"type": "function", "function": {"name": "search", "description": "", "parameters": {}}}
PROMPT = Prompt(system="Be brief.", user="Say: {audio}!", language_hint=True, kind="conversation")

Writing = Callable[[], Chain]


def run_of(
    writing: Writing, responses: Sequence[Response], cascade: Cascade | None = None, language: str = "en"
) -> Any:
    """A chain through a cascade after these responses of its stages; what it puts together itself is sent as it is."""
    chain = (cascade or Cascade()).through(writing(), language)
    run = ChainRun(chain, lambda _: Score({"unanswered": (1.0,)}), SAMPLE, task="t")
    waiting: Iterator[Response] = iter(responses)
    while run.call is not None:
        response = run.call.answer or next(waiting, None)
        if response is None:
            break
        run.send(response)
    assert next(waiting, None) is None, "a response too many"
    return run


def asked(run: ChainRun) -> Call:
    assert run.call is not None
    assert run.call.answer is None
    return run.call


def one_question(request: Request, answers: list[Response] | None = None) -> Writing:
    def chain() -> Chain:
        response = yield Call("model", request)
        if answers is not None:
            answers.append(response)
        return Score({"right": (1.0,)})

    return chain


def test_a_spoken_question_goes_through_all_stages() -> None:
    request = PROMPT.request((QUESTION,), language="en", output="speech", tools=(SEARCH,))
    answers: list[Response] = []
    writing = one_question(request, answers)

    heard = asked(run_of(writing, []))
    assert (heard.role, heard.request.audio, heard.request.output) == ("asr", (QUESTION,), "text")
    assert (heard.request.task, heard.request.sample_id) == ("t", "s1")

    written = asked(run_of(writing, [Response(" how far is it ")]))
    assert written.role == "llm"
    assert written.request.messages == (Message("system", ("Be brief.",)), Message("user", ("Say: how far is it!",)))
    assert (written.request.tools, written.request.output, written.request.audio) == ((SEARCH,), "text", ())

    thought = Response("<think>hm **x**</think>It is **12** miles.\n\n- far", finish_reason="stop")
    spoken = asked(run_of(writing, [Response("how far"), thought], language="zh"))
    assert spoken == Call("tts", Request((Message("user", ("It is 12 miles.\nfar",)),), language="zh", output="speech"))

    answers.clear()
    run = run_of(writing, [Response("how far"), thought, Response("whatever", speech=ANSWER)])
    assert answers == [Response("It is 12 miles.\nfar", speech=ANSWER, finish_reason="stop")]
    assert run.outcome.status == "scored"
    roles = [(exchange.call.role, exchange.response.speech) for exchange in run.outcome.exchanges]
    assert roles == [("asr", None), ("llm", None), ("tts", ANSWER), ("model", ANSWER)]
    assert run.outcome.exchanges[-1].call.request.content() == request.content(), "kept as the answer to the question"


def test_a_written_answer_needs_no_voice_and_stays_as_it_is() -> None:
    answers: list[Response] = []
    request = PROMPT.request((QUESTION,), language="en")
    run = run_of(one_question(request, answers), [Response("why"), Response("<think>a</think>**So.**")])
    assert answers == [Response("<think>a</think>**So.**")]
    assert [exchange.call.role for exchange in run.outcome.exchanges] == ["asr", "llm", "model"]


def test_what_is_to_be_written_down_is_asked_of_the_recogniser_alone() -> None:
    cascade = Cascade(Prompt(language_hint=True, kind="asr"))
    request = Prompt(language_hint=True, kind="asr").request((QUESTION,), language="en")
    answers: list[Response] = []
    run = run_of(one_question(request, answers), [Response("some words")], cascade)
    assert answers == [Response("some words")]
    assert run.outcome.exchanges[0].call.request.language == "en"
    assert [exchange.call.role for exchange in run.outcome.exchanges] == ["asr", "model"]


def test_what_is_written_already_needs_no_recogniser() -> None:
    request = Prompt(kind="conversation").request(("What is it?",), language=None)
    assert asked(run_of(one_question(request), [])).role == "llm"


def test_a_dialogue_keeps_texts_and_hears_nothing_twice() -> None:
    second = Audio("second.wav", content=lambda: b"second", digest="s")

    def chain() -> Chain:
        conversation = Conversation(PROMPT, language="en", output="speech")
        yield from conversation.say(QUESTION)
        yield from conversation.say(second)
        return Score({})

    first_round = [Response("one"), Response("<think>.</think>*Two*."), Response(speech=ANSWER)]
    assert asked(run_of(chain, first_round)).request.audio == (second,)
    request = asked(run_of(chain, [*first_round, Response("three")])).request
    assert [(message.role, message.content) for message in request.messages[1:]] == [
        ("user", ("Say: one!",)),
        ("assistant", ("Two.",)),
        ("user", ("Say: three!",)),
    ]


def test_turns_that_are_only_recorded_are_heard_whoever_took_them() -> None:
    request = Request((Message("assistant", (ANSWER,)), Message("user", (QUESTION, Audio("more.wav"), "?"))))
    run = run_of(one_question(request), [Response("hello"), Response("one"), Response("two")])
    assert [message.content for message in asked(run).request.messages] == [("hello",), ("one\ntwo?",)]


@pytest.mark.parametrize(
    "written",
    [
        Response("", tool_calls=(ToolCall("search", '{"query": "tea"}'),)),
        Response('<tool_call>{"name": "search", "arguments": {"query": "tea"}}</tool_call>'),
        Response('{"name": "search", "arguments": {"query": "tea"}}'),
    ],
)
def test_tool_calls_are_the_models_and_nobody_says_them(written: Response) -> None:
    answers: list[Response] = []
    request = PROMPT.request((QUESTION,), language="en", output="speech", tools=(SEARCH,))
    run = run_of(one_question(request, answers), [Response("tea"), written])
    (answer,) = answers
    assert answer.tool_calls == (ToolCall("search", '{"query": "tea"}'),)
    assert (answer.text, answer.speech) == ("", None)
    assert [exchange.call.role for exchange in run.outcome.exchanges] == ["asr", "llm", "model"]


def test_words_beside_a_tool_call_are_said() -> None:
    request = PROMPT.request((QUESTION,), language="en", output="speech", tools=(SEARCH,))
    call = '<tool_call>{"name": "search", "arguments": {}}</tool_call>'
    spoken = asked(run_of(one_question(request), [Response("tea"), Response(f"Wait. {call} Soon.")]))
    assert spoken.request.messages[-1].content == ("Wait. Soon.",)


@pytest.mark.parametrize("stage", ["asr", "llm", "tts"])
def test_a_stage_that_fails_is_named(stage: str) -> None:
    answered = {"asr": [], "llm": [Response("a")], "tts": [Response("a"), Response("b")]}[stage]
    request = PROMPT.request((QUESTION,), language="en", output="speech")
    run = run_of(one_question(request), [*answered, Response(failure=Failure("timeout", "no answer within 300 s"))])
    assert run.outcome.status == "failed"
    assert run.outcome.reason == Failure("timeout", f"{stage}: no answer within 300 s")
    assert run.outcome.score.statistics == {"unanswered": (1.0,)}


def test_a_task_may_go_on_after_a_failure_and_other_roles_are_asked_as_ever() -> None:
    request = PROMPT.request((QUESTION,), language="en")

    def chain() -> Chain:
        try:
            yield Call("model", request)
        except CallFailed as failed:
            reply = yield Call("judge", Request((Message("user", (failed.call.role,)),)))
        return Score({"judged": (float(reply.text),)})

    run = run_of(chain, [Response(failure=Failure("error", "deaf"))])
    assert asked(run).role == "judge"
    assert asked(run).request.messages[0].content == ("asr",)
    run.send(Response("4"))
    assert run.outcome.score.statistics == {"judged": (4.0,)}


def test_a_chain_that_is_skipped_is_closed() -> None:
    closed: list[str] = []

    def chain() -> Chain:
        try:
            yield Call("model", PROMPT.request((QUESTION,), language="en"))
        finally:
            closed.append("yes")
        return Score({})

    run = run_of(chain, [])
    run.skip("the asr does not take the language 'xx'")
    assert closed == ["yes"]
    assert run.outcome.status == "skipped"


def test_stages_without_a_cascade_and_cascades_in_other_roles_are_refused() -> None:
    target = {"_target_": "evalkit.cascade.Cascade"}
    other = {"_target_": "some.Model"}
    assert cascade_of({"model": other, "judge": other}, Prompts()) is None
    profile = {"asr": {"language_hint": True}}
    cascade = cascade_of({"model": target, "asr": other}, Prompts({"asr": profile}))
    assert cascade == Cascade(Prompt(language_hint=True, kind="asr"))
    with pytest.raises(ConfigurationError, match="model@tts: only a cascade has this stage; choose model=cascade"):
        cascade_of({"model": other, "tts": other}, Prompts())
    with pytest.raises(ConfigurationError, match="model@judge: a cascade is a model to test"):
        cascade_of({"model": other, "judge": target}, Prompts())
