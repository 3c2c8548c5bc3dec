"""Each tool is called by a model that is steered to, in speech, and its result read token by token as published."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from step_audio_2.assistant import Assistant
from step_audio_2.chat import SUMMARY_REQUEST
from step_audio_2.live.audio_library import AudioLibrary
from step_audio_2.live.calculator import calculator
from step_audio_2.live.clock import BEIJING, clock
from step_audio_2.live.conversation import Conversation
from step_audio_2.live.dialogue import ToolFinished
from step_audio_2.live.tools import Document, Tool
from step_audio_2.live.voice_search import VOICE_CHANGED, voice_search
from step_audio_2.live.weather import weather_tool
from step_audio_2.live.web_search import web_search
from step_audio_2.speaking import Sound
from step_audio_2.special_tokens import END_OF_TURN, TTS_START
from step_audio_2.speech import Token2Wav
from tests.step_audio_2.live.steering import Script, called, ended, spoken

NEWS = Document("每经AI快讯", "苹果公司发布新品。", "news.example", "8月28日")


@pytest.mark.parametrize(
    ("tool", "arguments", "result"),
    [
        (
            lambda **_: clock(lambda: datetime(2025, 8, 28, 9, 5, tzinfo=BEIJING)),
            "{}",
            ["现在是2025年8月28日，星期四，09:05。"],
        ),
        (lambda **_: calculator(), '{"expression": "3 * 4"}', ["3 * 4 = 12"]),
        (lambda **_: weather_tool("{}：晴".format), '{"location": "chongqing"}', ["chongqing：晴"]),
        (
            lambda **_: web_search(lambda query: [NEWS]),
            '{"query": "苹果公司"}',
            ["每经AI快讯：苹果公司发布新品。（来源：news.example，8月28日）", SUMMARY_REQUEST],
        ),
        (
            lambda library, token2wav, voice: voice_search(library, token2wav, voice),
            '{"query": "海绵宝宝的声音"}',
            [VOICE_CHANGED],
        ),
    ],
    ids=["time", "calculator", "weather", "search", "voice"],
)
def test_a_tool_is_called_and_its_result_is_read(
    tool: Callable[..., Tool],
    arguments: str,
    result: list[str],
    assistant: Assistant,
    token2wav: Token2Wav,
    voice: Path,
    voices_folder: Path,
    tokenizer: Any,
) -> None:
    pytest.importorskip("bm25s", reason="the live extra is not installed")
    made = tool(library=AudioLibrary.from_folder(voices_folder), token2wav=token2wav, voice=voice)
    call = called(tokenizer, made.name, arguments)
    script = Script(ended(call), ended(spoken(tokenizer, "好。")))
    conversation = Conversation(assistant, tools=[made], token2wav=token2wav, voice=voice, settings=script.settings)
    events = list(conversation.answer("请帮我"))
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert not finished.result.failed
    pieces = ["<|BOT|>input\n", *result, "<|EOT|>", "<|BOT|>assistant\n", "<tts_start>"]
    read = [token for piece in pieces for token in tokenizer.encode(piece)]
    assert script.prompts[1][len(script.prompts[0]) - 1 :] == [TTS_START, *call, END_OF_TURN, *read]
    assert any(isinstance(event, Sound) for event in events)
    changed = made.name == "timbre_rag"
    assert conversation.voice is token2wav.voice(voices_folder / "low.wav" if changed else voice)
