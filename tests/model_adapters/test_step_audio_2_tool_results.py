"""The result of a tool is the same text for both adapters of Step-Audio 2, with what the caller adds to it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.types import Message, Request, ToolCall
from model_adapters.step_audio_2.questions import question_of
from step_audio_2.chat import SUMMARY_REQUEST, TEXT_ANSWER, render, tool_result
from tasks.toolcall import Sessions, ToolCalling
from tests.model_adapters.serving import Backend
from tests.model_adapters.step_audio_2_exchange import WEATHER, exchange
from tests.servers.step_audio_answers import prompt_of

pytest.importorskip("torch", reason="torch is not installed")

from step_audio_2.assistant import Assistant
from step_audio_2.live.conversation import Conversation
from step_audio_2.live.tools import Tool
from step_audio_2.special_tokens import SpecialTokens, load_tokenizer
from tests.step_audio_2.live.steering import Script, called, ended

RESULT = "北京时间8月28日，晴，28度。"


@pytest.mark.parametrize("content", [(RESULT,), (RESULT, SUMMARY_REQUEST)], ids=["alone", "with a request"])
def test_a_result_is_the_same_text_in_process_and_served(content: tuple[str, ...], tiny_step_audio_2: Path) -> None:
    request = Request(
        (
            Message("system", ("小跃",)),
            Message("user", ("Köln?",)),
            Message("assistant", (), tool_calls=(ToolCall("get_weather", '{"city": "Köln"}', "1"),)),
            Message("tool", content, tool_call_id="1"),
        ),
        tools=(WEATHER,),
    )
    tokenizer = load_tokenizer(tiny_step_audio_2)
    messages = question_of(request, 0).messages
    ids = render([*messages, TEXT_ANSWER], tokenizer, SpecialTokens.of(tokenizer)).input_ids
    backend = Backend()
    exchange(backend, request)
    assert prompt_of(backend.request) == tokenizer.decode(ids)
    # Token by token as in the published example, where the request is a text of its own.
    assert messages[-1] == tool_result(*content)


@pytest.mark.parametrize("asked_for", ["", SUMMARY_REQUEST], ids=["alone", "with a request"])
def test_the_loop_and_both_adapters_read_the_same_messages(asked_for: str, tiny_step_audio_2: Path) -> None:
    assistant = Assistant.from_pretrained(tiny_step_audio_2)
    tokenizer = assistant.tokenizer
    function = WEATHER["function"]
    assert isinstance(function, dict)
    tool = Tool(
        function["name"], function["description"], lambda city: RESULT, function["parameters"], request=asked_for
    )
    lead_in = tokenizer.encode("one moment", add_special_tokens=False)
    script = Script(
        ended([*lead_in, *called(tokenizer, "get_weather", '{"city": "Köln"}')]),
        ended(tokenizer.encode("fine", add_special_tokens=False)),
    )
    list(Conversation(assistant, "小跃", [tool], settings=script.settings).answer("Köln?"))
    call = ToolCall("get_weather", '{"city": "Köln"}', "1")
    request = Request(
        (
            Message("system", ("小跃",)),
            Message("user", ("Köln?",)),
            Message("assistant", ("one moment",), tool_calls=(call,)),
            Message("tool", tuple(filter(None, (RESULT, asked_for))), tool_call_id="1"),
        ),
        tools=(WEATHER,),
    )
    assert assistant.prompt(question_of(request, 0)).input_ids == script.prompts[1]
    backend = Backend()
    exchange(backend, request)
    assert prompt_of(backend.request) == tokenizer.decode(script.prompts[1])


def test_a_result_in_the_history_of_a_published_session_is_read_as_it_stands(
    tmp_path: Path, shared_data: Path, tiny_step_audio_2: Path
) -> None:
    published = shared_data / "stepeval_toolcall" / "timbre_positive.jsonl"
    if not published.is_file():
        pytest.skip(f"no published sessions at {published}")
    # With the words of the user: the recordings are not at hand.
    shutil.copy(published, tmp_path)
    (tmp_path / "timbre_negative.jsonl").write_text("")
    sessions = Sessions(tmp_path, tools=["timbre"])
    task = ToolCalling(name="toolcall", title="Tool calling", dataset=sessions, input_mode="text")
    sample = next(iter(sessions))
    request = replace(next(task.chain(sample)).request, tools=())
    inputs = [message for message in question_of(request, 0).messages if message.role == "input"]
    assert inputs == [tool_result("你的音色已经更新完成，请继续对话。")]
    assistant = Assistant.from_pretrained(tiny_step_audio_2)
    backend = Backend()
    exchange(backend, request)
    assert prompt_of(backend.request) == assistant.tokenizer.decode(assistant.prompt(question_of(request, 0)).input_ids)
