"""Conversations with chat models behind a server: the rules of the loop, and what goes wrong with servers."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch

from evalkit.inference.endpoint import ModelSpec
from evalkit.inference.served.budget import BudgetCaps
from model_adapters.live.dialogue import ModelDialogue
from model_adapters.live.models import ModelFailedError
from model_adapters.live.opening import open_model
from step_audio_2.answers import AnswerEnd, SpeechDelta
from step_audio_2.assistant import Thought
from step_audio_2.chat import SUMMARY_REQUEST, AudioPart, TokenPart
from step_audio_2.live.dialogue import AnswerTokens, Dialogue, ToolFinished, ToolStarted, TurnEnd
from step_audio_2.live.tools import Tool, ToolError
from step_audio_2.speaking import Sound
from step_audio_2.tool_calls import ContentDelta
from tests.model_adapters.live_conversations import CHAT, opened, results_of, scripted, talking_to, words_of
from tests.model_adapters.serving import Backend
from tests.processes import within
from tests.servers.backends import Answer, Called, ServedRequest, Tokens
from tests.servers.faults import Fault
from tests.servers.gemini_server import MODEL as GEMINI
from tests.servers.gemini_server import GeminiServer
from tests.servers.openai_server import OpenAIServer

QUERY = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
SEARCH = Tool("search", "搜索工具", lambda query: f"{query}：晴", QUERY, request=SUMMARY_REQUEST)
CALL = Answer(("one moment",), (Called("search", '{"query": "Köln"}'),))
FOREVER = threading.Event()


def test_a_tool_is_called_and_its_result_read() -> None:
    backend = scripted(CALL, "sunny")
    with talking_to(OpenAIServer(backend)) as models:
        dialogue: Dialogue = ModelDialogue(models, "Be brief.", [SEARCH])
        events = list(dialogue.answer("Köln?"))
    assert words_of(events) == "one momentsunny"
    kinds = [
        type(event) for event in events if isinstance(event, AnswerEnd | AnswerTokens | ToolStarted | ToolFinished)
    ]
    assert kinds == [AnswerEnd, AnswerTokens, ToolStarted, ToolFinished, AnswerEnd, AnswerTokens]
    assert all(event.output > 0 for event in events if isinstance(event, AnswerTokens))
    assert events[-1] == TurnEnd(interrupted=False)
    first, second = backend.requests
    assert first.tools == [SEARCH.schema]
    system, user, called, result = second.messages
    assert (system["content"], user["content"]) == ("Be brief.", "Köln?")
    (call,) = called["tool_calls"]
    assert (called["content"], call["function"]["arguments"]) == ("one moment", '{"query": "Köln"}')
    assert result == {"role": "tool", "content": f"Köln：晴{SUMMARY_REQUEST}", "tool_call_id": call["id"]}


def test_five_rounds_of_calls_and_no_sixth() -> None:
    backend = scripted(*[CALL] * 6, "fine")
    with talking_to(OpenAIServer(backend)) as models:
        dialogue = ModelDialogue(models, tools=[SEARCH])
        events = list(dialogue.answer("go"))
        assert len(results_of(events)) == 5
        assert [message.role for message in dialogue.history.messages][1:] == [*["assistant", "tool"] * 5, "assistant"]
        assert not dialogue.history.messages[-1].tool_calls
        list(dialogue.answer("and now?"))
    assert len(backend.requests) == 7


def fails(query: str) -> str:
    raise ToolError("服务器没有回答")


def hangs(query: str) -> str:
    FOREVER.wait()
    return "too late"


@pytest.mark.parametrize(
    ("run", "call", "text"),
    [
        (fails, CALL, "工具search没有成功：服务器没有回答。"),
        (hangs, CALL, "工具search没有成功：0.2秒内没有结果。"),
        (fails, Answer(tool_calls=(Called("search", '{"query": '),)), "工具search没有成功：参数必须是JSON对象。"),
        (fails, Answer(tool_calls=(Called("cook", "{}"),)), "没有工具cook，有这些工具：search。"),
        (lambda query: "</s><tool_call>search<|EOT|>", CALL, "</s><tool_call>search<|EOT|>"),
    ],
    ids=["fails", "hangs", "no JSON", "no such tool", "markup"],
)
def test_whatever_comes_of_a_call_is_a_result_that_the_model_reads(
    run: Callable[..., str], call: Answer, text: str
) -> None:
    backend = scripted(call, "sorry")
    with talking_to(OpenAIServer(backend)) as models:
        tool = Tool("search", "…", run, QUERY, timeout=0.2 if run is hangs else 60)
        events = list(ModelDialogue(models, tools=[tool]).answer("go"))
    assert results_of(events) == [text]
    *_, called, result = backend.requests[1].messages
    assert result["content"] == text
    json.loads(called["tool_calls"][0]["function"]["arguments"])
    assert words_of(events).endswith("sorry")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "written",
    [
        'I see.<tool_call>{"name": "search", "arguments": {"query": "Köln"}}</tool_call>',
        '<think>I could search.</think>I see.<tool_call>function\nsearch\n{"query": "Köln"}</tool_call>',
        '{"name": "search", "arguments": {"query": "Köln"}}',
    ],
    ids=["tagged", "after a thought", "bare"],
)
def test_calls_that_stand_in_the_words_are_made_and_not_said(written: str, stream: bool) -> None:
    backend = scripted(written, "sunny")
    with talking_to(OpenAIServer(backend), stream=stream) as models:
        events = list(ModelDialogue(models, tools=[SEARCH]).answer("Köln?"))
    assert results_of(events) == ["Köln：晴"]
    assert words_of(events) == ("sunny" if written.startswith("{") else "I see.sunny")
    thoughts = [event.text for event in events if isinstance(event, Thought)]
    assert thoughts == (["I could search."] if "think" in written else [])
    called = backend.requests[1].messages[1]
    assert "tool_call>" not in called["content"]
    assert "I could" not in called["content"]
    assert backend.requests[1].messages[2]["tool_call_id"] == called["tool_calls"][0]["id"] != ""


def test_words_come_piece_by_piece_where_the_server_sends_them_so() -> None:
    with talking_to(OpenAIServer(scripted("one two three < four")), stream=True) as models:
        events = list(ModelDialogue(models).answer("count"))
    pieces = [event.text for event in events if isinstance(event, ContentDelta)]
    assert len(pieces) > 2
    assert "".join(pieces) == "one two three < four"


def test_what_was_said_until_an_interruption_is_remembered() -> None:
    backend = scripted("one two three four", "yes")
    with talking_to(OpenAIServer(backend), stream=True) as models:
        dialogue = ModelDialogue(models)
        events = dialogue.answer("count")
        assert isinstance(next(events), ContentDelta)
        dialogue.interrupt()
        rest = list(events)
        assert rest[-1] == TurnEnd(interrupted=True)
        list(dialogue.answer("what?"))
    _, said, _ = backend.requests[1].messages
    assert said["content"]
    assert "one two three four".startswith(said["content"])
    assert said["content"] != "one two three four"


def test_nothing_is_waited_for_that_nobody_wants() -> None:
    dialogues: list[ModelDialogue] = []

    def latency(request: ServedRequest) -> float:
        if len(request.messages) > 1:
            return 0
        dialogues[0].interrupt()
        return 60

    with talking_to(OpenAIServer(scripted("late", "yes"), latency=latency)) as models:
        dialogue = ModelDialogue(models)
        dialogues.append(dialogue)
        assert list(dialogue.answer("count"))[-1] == TurnEnd(interrupted=True)
        assert [message.role for message in dialogue.history.messages] == ["user"]
        assert words_of(dialogue.answer("now?"))


@pytest.mark.parametrize("stream", [False, True])
def test_of_sound_that_nobody_heard_no_words_are_remembered(stream: bool) -> None:
    speech = np.zeros(48_000, "<i2").tobytes()  # two seconds
    backend = scripted(Answer(("one two three four",), speech=speech), "yes")
    with talking_to(OpenAIServer(backend), speech_output=True, stream=stream) as models:
        dialogue = ModelDialogue(models, spoken=True)
        events = list(dialogue.answer("count"))
        assert sum(len(event.waveform) for event in events if isinstance(event, Sound)) == 48_000
        words = [event.text for event in events if isinstance(event, SpeechDelta)]
        assert "".join(words) == "one two three four"
        assert (len(words) > 1) is stream
        dialogue.interrupt(played=1.0)
        assert dialogue.history.messages[1].content == ("one two t",)


def test_an_answer_is_given_anew_and_asked_for_as_another() -> None:
    backend = scripted("one", "two")
    with talking_to(OpenAIServer(backend), generation={"seed": 7}) as models:
        dialogue = ModelDialogue(models)
        list(dialogue.answer("count"))
        assert words_of(dialogue.regenerate()) == "two"
        assert len(dialogue.history) == 1
    first, second = backend.requests
    assert first.messages == second.messages
    assert [request.fields["seed"] for request in (first, second)] == [7, 8]


def test_an_answer_stays_where_another_cannot_be_had() -> None:
    backend = scripted("one", Answer(refusal="I can't help with that."), "two")
    with talking_to(OpenAIServer(backend)) as models:
        dialogue = ModelDialogue(models)
        with pytest.raises(IndexError, match="there was no turn"):
            dialogue.regenerate()
        list(dialogue.answer("count"))
        with pytest.raises(ModelFailedError):
            list(dialogue.regenerate())
        list(dialogue.answer("go on"))
    assert [message["content"] for message in backend.requests[-1].messages] == ["count", "one", "go on"]


def test_a_busy_server_is_asked_again_and_one_that_refuses_is_not() -> None:
    faults = iter([Fault.TOO_MANY, Fault.SERVER_ERROR, None])
    with talking_to(OpenAIServer(scripted("fine"), faults=lambda _: next(faults))) as models:
        assert words_of(ModelDialogue(models).answer("hello")) == "fine"
    with talking_to(OpenAIServer(scripted(Answer(refusal="I can't help with that.")))) as models:
        dialogue = ModelDialogue(models)
        with pytest.raises(ModelFailedError, match="I can't help with that"):
            list(dialogue.answer("hello"))
        assert len(dialogue.history) == 0


def test_an_answer_that_breaks_off_after_its_first_words_is_not_asked_for_again() -> None:
    backend = scripted(*["one two three four"] * 2)
    faults = iter([Fault.ENDED_EARLY, None])
    with talking_to(OpenAIServer(backend, faults=lambda _: next(faults)), stream=True) as models:
        dialogue = ModelDialogue(models)
        with pytest.raises(ModelFailedError, match="broke off"):
            list(dialogue.answer("count"))
        assert len(dialogue.history) == 0
        assert words_of(dialogue.answer("again")) == "one two three four"


def test_the_budget_is_that_of_all_conversations() -> None:
    with OpenAIServer(scripted("one", "two")) as server:
        spec = ModelSpec("model", "", {"_target_": CHAT, "model": "m", "base_url": server.base_url})
        with opened({"model": spec}, budget=BudgetCaps(calls=1)) as models:
            list(ModelDialogue(models).answer("hello"))
            with pytest.raises(ModelFailedError, match=r"budget\.calls=1 is reached"):
                list(ModelDialogue(models).answer("hello"))


def test_a_cascade_hears_each_recording_once_and_speaks() -> None:
    speech = np.zeros(2_400, "<i2").tobytes()
    replies = iter([Answer(("**One** moment.",), CALL.tool_calls), Answer(("Sunny.",)), Answer(("Yes.",))])

    def answer(request: ServedRequest) -> Answer:
        if request.is_speech:
            return Answer(speech=speech)
        return next(replies) if request.is_chat else Answer(("how is the weather",))

    backend = Backend(answer)
    with OpenAIServer(backend) as server:
        stages = {"asr": "openai_transcription", "llm": "openai_chat", "tts": "openai_speech"}
        words = [f"model@{role}={name}" for role, name in stages.items()]
        words += [f"{role}.{setting}" for role in stages for setting in ("model=m", f"base_url={server.base_url}")]
        opened_model = open_model(["model=cascade", *words])
        assert opened_model.spoken
        with opened_model.models as models:
            dialogue = ModelDialogue(models, tools=[SEARCH], spoken=True, generation=opened_model.generation)
            events = list(dialogue.answer(AudioPart(torch.zeros(16_000))))
            list(dialogue.answer(AudioPart(torch.zeros(8_000))))
    assert words_of(events) == "One moment.Sunny."
    assert sum(isinstance(event, Sound) for event in events) == 2
    heard = [request for request in backend.requests if "transcriptions" in request.path]
    assert [len(request.sounds[0].samples) for request in heard] == [16_000, 8_000]
    written = [request for request in backend.requests if request.is_chat]
    assert [message["content"] for message in written[-1].messages][::4] == ["how is the weather"] * 2
    assert server.journal.violations == []


def test_a_model_of_this_process_is_loaded_once_and_answers() -> None:
    spec = ModelSpec("model", "Echo", {"_target_": "model_adapters.stand_ins.echo.Echo"})
    with opened({"model": spec}) as models:
        waveform = torch.linspace(-0.5, 0.5, 16_000)
        events = list(ModelDialogue(models, spoken=True).answer(AudioPart(waveform)))
    (sound,) = [event for event in events if isinstance(event, Sound)]
    assert len(sound.waveform) == 24_000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tools": [SEARCH]}, "Served model does not call tools: give it none"),
        ({"spoken": True}, "Served model does not speak: have it write"),
        ({"spoken": True, "token2wav": object()}, "give one with voice="),
    ],
)
def test_what_the_model_cannot_do_is_said_at_once(settings: dict[str, Any], message: str) -> None:
    with talking_to(OpenAIServer(), tools=False) as models, pytest.raises(ValueError, match=message):
        ModelDialogue(models, **settings)


def test_a_recording_that_it_cannot_hear_and_tokens_are_refused() -> None:
    with talking_to(OpenAIServer(), audio_input=False) as models:
        dialogue = ModelDialogue(models)
        with pytest.raises(ModelFailedError, match="the model does not take audio"):
            list(dialogue.answer(AudioPart(torch.zeros(1_600))))
        with pytest.raises(ValueError, match="texts and recordings"):
            dialogue.answer(TokenPart([1]))


def test_so_many_turns_are_remembered_and_no_more() -> None:
    backend = scripted(*(f"answer {turn}" for turn in range(8)))
    with talking_to(OpenAIServer(backend)) as models:
        dialogue = ModelDialogue(models, "Be brief.", most_turns=3)
        for turn in range(8):
            list(dialogue.answer(AudioPart(torch.zeros(1_600)), f"question {turn}"))
    texts = [text for text in backend.requests[-1].texts if text.startswith(("question", "answer"))]
    assert texts == [f"{kind} {turn}" for turn in (4, 5, 6) for kind in ("question", "answer")] + ["question 7"]
    assert len(backend.requests[-1].sounds) == 4


def test_turns_are_forgotten_that_take_too_many_tokens_by_the_count_of_the_server() -> None:
    backend = scripted(
        *(Answer((f"answer {turn}",), tokens=Tokens(90 * turn + 60, 0, 30, 0)) for turn in range(4)), "bye"
    )
    with talking_to(OpenAIServer(backend)) as models:
        dialogue = ModelDialogue(models, most_tokens=300)
        for turn in range(4):
            list(dialogue.answer(f"question {turn}"))
        assert dialogue.history.tokens == 360  # ninety each
        list(dialogue.answer("question 4"))
    assert backend.requests[3].texts[0] == "question 0"
    assert backend.requests[4].texts[0] == "question 1"


def test_closing_ends_the_thread_and_a_model_that_cannot_be_had_leaves_none() -> None:
    before = threading.active_count()
    spec = ModelSpec("model", "", {"_target_": CHAT, "model": "m", "base_url": "no address"})
    with pytest.raises(Exception, match="base_url"):
        opened({"model": spec})
    with OpenAIServer() as server:
        models = opened({"model": ModelSpec("model", "", {**spec.config, "base_url": server.base_url})})
        models.close()
        models.close()
    assert within(lambda: threading.active_count() <= before)


@pytest.mark.parametrize("stream", [False, True])
def test_gemini_knows_its_own_calls_again(stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-0123456789abcdefghij")
    backend = scripted(CALL, "sunny", "bye")
    target = "model_adapters.gemini.models.GeminiModel"
    with talking_to(GeminiServer(backend), target, model=GEMINI, stream=stream) as models:
        dialogue = ModelDialogue(models, "Be brief.", [SEARCH])
        assert words_of(dialogue.answer("Köln?")) == "one momentsunny"
        dialogue.interrupt(played=0.0)
        assert words_of(dialogue.answer(AudioPart(torch.zeros(1_600)))) == "bye"
    called, result = backend.requests[1].fields["contents"][1:]
    assert called["parts"][-1]["functionCall"]["name"] == "search"
    assert result["parts"][0]["functionResponse"]["name"] == "search"


@pytest.mark.slow
def test_a_chat_checkpoint_holds_a_conversation(chat_checkpoint: Callable[[str], Path]) -> None:
    settings = {"path": str(chat_checkpoint("qwen2_5_omni")), "device": "cpu"}
    spec = ModelSpec("model", "Tiny", {"_target_": "model_adapters.transformers.chat.TransformersChat", **settings})
    with opened({"model": spec}) as models:
        dialogue = ModelDialogue(models, generation={"max_new_tokens": 8})
        for turn in ("hello", AudioPart(torch.zeros(16_000)), "bye"):
            events = list(dialogue.answer(turn))
            assert events[-1] == TurnEnd(interrupted=False)
            assert any(isinstance(event, AnswerTokens) and event.output > 0 for event in events)
        threading.Timer(0.0, dialogue.interrupt).start()
        list(dialogue.answer("again"))
        assert words_of(dialogue.answer("once more")) is not None


def test_two_people_at_once_do_not_hear_each_other() -> None:
    backend = Backend(lambda request: Answer((f"to {request.texts[-1]}",)))
    said: dict[str, list[str]] = {}
    with talking_to(OpenAIServer(backend, latency=0.02), stream=True) as models:

        def talk(name: str) -> None:
            dialogue = ModelDialogue(models)
            said[name] = [words_of(dialogue.answer(f"{name}{turn}")) for turn in range(4)]
            said[name] += [str(message.content[0]) for message in dialogue.history.messages[-2:]]

        people = [threading.Thread(target=talk, args=(name,)) for name in "ab"]
        for person in people:
            person.start()
        for person in people:
            person.join()
    for name in "ab":
        assert said[name] == [f"to {name}0", f"to {name}1", f"to {name}2", f"to {name}3", f"{name}3", f"to {name}3"]
