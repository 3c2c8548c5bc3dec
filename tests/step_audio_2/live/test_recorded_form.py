"""A conversation in the form of the published sessions about voices: two changes, calls with spaces, results alone."""

from pathlib import Path
from typing import Any

import pytest

from step_audio_2.assistant import Assistant
from step_audio_2.live.audio_library import AudioLibrary
from step_audio_2.live.conversation import Conversation
from step_audio_2.live.dialogue import ToolFinished
from step_audio_2.live.voice_search import VOICE_CHANGED, voice_search
from step_audio_2.speech import Token2Wav
from tests.step_audio_2.live.steering import Script, ended, spoken

pytest.importorskip("bm25s", reason="the live extra is not installed")

CALL = '<tool_call>function  \ntimbre_rag  \n{{"query": "{}"}}</tool_call>'
# What the user says, and what the model does: words are spoken, calls are made in silence.
TURNS = (
    ("今天天气好吗？", ("天气很好。",)),
    ("换成海绵宝宝的声音。", (CALL.format("海绵宝宝的声音"), "我是海绵宝宝。")),
    ("再说一句。", ("一起去公园。",)),
    ("换回男音色。", (CALL.format("默认男音色"), "好的。")),
)


def test_voices_come_and_go_and_every_token_is_where_it_should_be(
    assistant: Assistant, token2wav: Token2Wav, voice: Path, voices_folder: Path, tokenizer: Any
) -> None:
    def generated(answer: str) -> list[int]:
        ids: list[int] = tokenizer.encode(answer) if "<tool_call>" in answer else spoken(tokenizer, answer)
        return ids

    script = Script(*(ended(generated(answer)) for _, answers in TURNS for answer in answers))
    tool = voice_search(AudioLibrary.from_folder(voices_folder), token2wav, voice, male=voices_folder / "middle.wav")
    conversation = Conversation(assistant, "小跃", [tool], token2wav=token2wav, voice=voice, settings=script.settings)
    opening = ["<|BOT|>system\n小跃", "<|EOT|>", "<|BOT|>tool_json_schemas\n" + str(conversation._opening[1].content)]
    expected = [token for piece in (*opening, "<|EOT|>") for token in tokenizer.encode(piece)]
    voices = []
    for said, answers in TURNS:
        events = list(conversation.answer(said))
        assert sum(isinstance(event, ToolFinished) for event in events) == len(answers) - 1
        expected += tokenizer.encode(f"<|BOT|>human\n{said}<|EOT|>")
        for answer in answers:
            expected += tokenizer.encode("<|BOT|>assistant\n<tts_start>")
            expected += ended(generated(answer))
            if "<tool_call>" in answer:
                expected += tokenizer.encode(f"<|BOT|>input\n{VOICE_CHANGED}<|EOT|>")
        assert conversation.voice is not None
        voices.append(Path(conversation.voice.name).name)
    assert voices == ["default_female.wav", "low.wav", "low.wav", "middle.wav"]
    read = script.prompts[-1]
    assert read == expected[: len(read)]
    assert len(expected) == len(read) + len(ended(generated(TURNS[-1][1][-1])))
