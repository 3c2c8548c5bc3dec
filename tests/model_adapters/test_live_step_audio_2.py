"""Conversations with a served Step-Audio 2: it reads what the model of this process reads, and speaks as it does."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("bm25s", reason="the live extra is not installed")

import torch

from model_adapters.live.dialogue import ModelDialogue
from model_adapters.live.opening import open_model
from step_audio_2.answers import AudioCodes, SpeechDelta
from step_audio_2.assistant import Assistant, Thought
from step_audio_2.chat import AudioPart
from step_audio_2.checkpoint import DEFAULT_VOICE, TOKEN2WAV
from step_audio_2.live.audio_library import AudioLibrary, Entry
from step_audio_2.live.calculator import calculator
from step_audio_2.live.clock import BEIJING, clock
from step_audio_2.live.conversation import Conversation
from step_audio_2.live.tools import Document, Tool
from step_audio_2.live.voice_search import VOICE_CHANGED, voice_search
from step_audio_2.live.weather import weather_tool
from step_audio_2.live.web_search import web_search
from step_audio_2.speaking import Sound
from step_audio_2.speech import Token2Wav
from step_audio_2.tool_calls import ToolCall
from tests.model_adapters.live_conversations import STEP_AUDIO, results_of, scripted, talking_to, words_of
from tests.servers.step_audio_answers import prompt_of, spoken
from tests.servers.step_audio_server import StepAudioServer
from tests.step_audio_2.live.steering import Script, ended

CALLS = (
    ToolCall("get_date_time", "{}"),
    ToolCall("calculate", '{"expression": "3 * 4"}'),
    ToolCall("get_weather", '{"location": "chongqing"}'),
    ToolCall("web_search", '{"query": "苹果公司"}'),
    ToolCall("timbre_rag", '{"query": "海绵宝宝的声音"}'),
)


@pytest.fixture(scope="module")
def token2wav(tiny_step_audio_2: Path) -> Token2Wav:
    return Token2Wav.from_pretrained(tiny_step_audio_2 / TOKEN2WAV)


@pytest.fixture
def voice(tiny_step_audio_2: Path) -> Path:
    return tiny_step_audio_2 / DEFAULT_VOICE


@pytest.fixture
def other_voice(voice: Path, tmp_path: Path) -> Path:
    path = tmp_path / "sponge.wav"
    path.write_bytes(voice.read_bytes())
    return path


@pytest.fixture
def tools(token2wav: Token2Wav, voice: Path, other_voice: Path) -> list[Tool]:
    library = AudioLibrary([Entry(other_voice, "海绵宝宝的声音")])
    return [
        clock(lambda: datetime(2025, 8, 28, 9, 5, tzinfo=BEIJING)),
        calculator(),
        weather_tool("{}：晴".format),
        web_search(lambda query: [Document("每经AI快讯", "新品。", "news.example", "8月28日")]),
        voice_search(library, token2wav, voice),
    ]


@pytest.mark.slow
def test_each_tool_is_called_and_all_messages_are_those_of_the_model_in_this_process(
    tiny_step_audio_2: Path, tools: list[Tool]
) -> None:
    assistant = Assistant.from_pretrained(tiny_step_audio_2)
    tokenizer = assistant.tokenizer
    answers = [f"one moment{call.text}" for call in CALLS]
    turns = [("请帮我", [*answers, "done"]), ("还有呢？", [CALLS[1].text, "good"])]
    script = Script(
        *(ended(tokenizer.encode(answer, add_special_tokens=False)) for _, written in turns for answer in written)
    )
    conversation = Conversation(assistant, "小跃", tools, settings=script.settings)
    in_process = [results_of(conversation.answer(said)) for said, _ in turns]
    backend = scripted(*(answer for _, written in turns for answer in written))
    with talking_to(StepAudioServer(backend), STEP_AUDIO) as models:
        dialogue = ModelDialogue(models, "小跃", tools)
        served = [results_of(dialogue.answer(said)) for said, _ in turns]
    assert served == in_process
    assert list(map(len, served)) == [5, 1]
    assert VOICE_CHANGED in served[0]
    assert [prompt_of(request) for request in backend.requests] == [tokenizer.decode(ids) for ids in script.prompts]
    # The tokens are the same too: every special string is one, and no text was merged across a border of two.
    assert [tokenizer.encode(prompt_of(request)) for request in backend.requests] == script.prompts


@pytest.mark.parametrize("stream", [False, True])
def test_it_speaks_in_a_voice_that_a_tool_changes(
    stream: bool, token2wav: Token2Wav, voice: Path, other_voice: Path, tools: list[Tool]
) -> None:
    codes = list(range(60))
    lead_in = spoken("请稍等。", codes[:30], CALLS[4].text)
    backend = scripted(lead_in, spoken("我是海绵宝宝。", codes), spoken("再见。", codes[:8]))
    with talking_to(StepAudioServer(backend), STEP_AUDIO, stream=stream) as models:
        dialogue = ModelDialogue(models, "小跃", tools, spoken=True, token2wav=token2wav, voice=voice)
        assert dialogue.voice is token2wav.voice(voice)
        events = list(dialogue.answer(AudioPart(torch.zeros(16_000))))
        assert dialogue.voice is token2wav.voice(other_voice)
        list(dialogue.answer("再见"))
    assert [event.text for event in events if isinstance(event, SpeechDelta)]
    assert words_of(events) == "请稍等。我是海绵宝宝。"
    assert results_of(events) == [VOICE_CHANGED]
    heard = [code for event in events if isinstance(event, AudioCodes) for code in event.codes]
    assert heard == codes[:30] + codes
    assert sum(len(event.waveform) for event in events if isinstance(event, Sound)) == 960 * 90
    # What was said stands in the history in the model's own codes, the call after it, and the result alone.
    history = prompt_of(backend.requests[-1])
    said = re.escape(lead_in.partition("<tts_end>")[0])
    call = re.escape(CALLS[4].text)
    assert re.search(f"<tts_start>{said}.*<tts_end>{call}<\\|EOT\\|><\\|BOT\\|>input\n{VOICE_CHANGED}<\\|EOT", history)
    assert "".join(f"<audio_{code}>" for code in codes[:4]) in history


def test_of_codes_that_nobody_heard_nothing_is_remembered(token2wav: Token2Wav, voice: Path) -> None:
    backend = scripted(spoken("one two three four", list(range(100))), spoken("yes", [1, 2, 3]))
    with talking_to(StepAudioServer(backend), STEP_AUDIO) as models:
        dialogue = ModelDialogue(models, spoken=True, token2wav=token2wav, voice=voice)
        list(dialogue.answer("count"))
        dialogue.interrupt(played=1.0)  # of four seconds
        (_, said) = dialogue.history.messages
        assert said.content == ("one ",)
        assert json.loads(said.tokens)["tts_audio"].count("<audio_") == 25
        list(dialogue.answer("go on"))
    history = prompt_of(backend.requests[-1])
    assert "<audio_24>" in history
    assert "<audio_25>" not in history
    assert "two" not in history


@pytest.mark.parametrize("stream", [False, True])
def test_a_thought_is_told_apart_and_forgotten(stream: bool) -> None:
    backend = scripted("\nhmm well\n", "yes", "\nnow?\n", "no")
    with talking_to(StepAudioServer(backend), STEP_AUDIO, thinking=True, stream=stream) as models:
        dialogue = ModelDialogue(models)
        first, *events = dialogue.answer("sure?")
        list(dialogue.answer("really?"))
    assert isinstance(first, Thought)
    assert first.text.strip() == "hmm well"
    assert first.tokens >= 2
    assert first.seconds > 0
    assert words_of(events) == "yes"
    assert "hmm" not in prompt_of(backend.requests[2])


@pytest.fixture
def server() -> Iterator[StepAudioServer]:
    with StepAudioServer(scripted(spoken("好。", list(range(30))), "好")) as server:
        yield server


@pytest.mark.slow
def test_the_words_of_a_run_open_it_with_a_voice_for_every_conversation(
    server: StepAudioServer, tiny_step_audio_2: Path, voice: Path
) -> None:
    speech = [f"model.token2wav={tiny_step_audio_2 / TOKEN2WAV}", f"model.voice={voice}"]
    words = ["model=step_audio_2_mini_server", f"model.base_url={server.base_url}", *speech]
    opened = open_model(words)
    try:
        assert opened.spoken
        assert opened.token2wav is not None
        settings: Any = {"token2wav": opened.token2wav, "voice": opened.voice, "generation": opened.generation}
        one, other = (ModelDialogue(opened.models, spoken=True, **settings) for _ in range(2))
        one.voice = None  # whatever becomes of the voice of one
        assert other.voice is opened.voice
        assert any(isinstance(event, Sound) for event in other.answer("你好"))
    finally:
        opened.models.close()
    written = open_model(words, written=True)
    try:
        assert (written.spoken, written.token2wav) == (False, None)
        assert words_of(ModelDialogue(written.models, generation=written.generation).answer("你好")) == "好"
    finally:
        written.models.close()
    assert server.journal.violations == []
