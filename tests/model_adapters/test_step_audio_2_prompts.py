"""Step-Audio 2 is asked as in its authors' examples: words, room and sampling, by the tables of its description."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import pytest
from omegaconf import OmegaConf

from evalkit.prompts import Prompt
from evalkit.run.composition import compose_configuration
from evalkit.types import Request

MINI, SERVER, BASE, THINK = (f"step_audio_2_mini{which}" for which in ("", "_server", "_base", "_think"))
FIELDS = {"target_language": "Chinese", "target_language_in_chinese": "中文", "question": "Q?", "choices": "a, b"}
TRANSLATE = "请仔细聆听这段语音，然后将其内容翻译成中文"
LISTEN = "Please listen carefully to this audio and then translate its content into Chinese"
CAPTION = "Please briefly explain the important events involved in this audio clip."
EXPERT = "你是一位经验丰富的音频分析专家，"


def sampled(tokens: int, temperature: float, **further: float) -> dict[str, Any]:
    return {"max_new_tokens": tokens, "temperature": temperature, "do_sample": True, **further}


def request(
    model: str, kind: str, output: Literal["text", "speech"] = "text", profile: str | None = None, content: str = "…"
) -> Request:
    entry = prompts(model, profile)[kind]
    return Prompt.from_entry(kind, entry).request([content], language="zh", fields=FIELDS, output=output)


@cache
def prompts(model: str, profile: str | None) -> Mapping[str, Any]:
    words = [f"model={model}", "task=demo_clean", *([f"prompts@model.prompts={profile}"] if profile else [])]
    return OmegaConf.to_container(compose_configuration(words).model.prompts)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("model", "kind", "output", "system", "settings"),
    [
        (MINI, "asr", "text", "请记录下你所听到的语音内容。", {"max_new_tokens": 256}),
        (SERVER, "asr", "text", "请记录下你所听到的语音内容。", {"max_new_tokens": 1024}),
        (BASE, "asr", "text", "请记录下你所听到的语音内容。", sampled(256, 0.1)),
        (MINI, "translation", "text", f"{TRANSLATE}。", sampled(256, 0.1)),
        (SERVER, "translation", "text", f"{TRANSLATE}。", sampled(1024, 0.1)),
        (BASE, "translation", "text", TRANSLATE, sampled(256, 0.1)),
        (MINI, "spoken_translation", "speech", f"{TRANSLATE}并用语音播报。", sampled(2048, 0.7)),
        (MINI, "audio_caption", "text", CAPTION, sampled(256, 0.1)),
        (SERVER, "audio_caption", "text", CAPTION, sampled(1024, 0.1)),
        (MINI, "universal_caption", "text", EXPERT, sampled(1024, 0.5, top_p=0.9)),
        (SERVER, "universal_caption", "text", EXPERT, sampled(1024, 0.5, top_p=0.9)),
        (MINI, "conversation", "speech", "You are a helpful assistant.", sampled(2048, 0.7)),
        (MINI, "conversation", "text", "You are a helpful assistant.", sampled(256, 0.5)),
        (SERVER, "conversation", "text", "You are a helpful assistant.", sampled(1024, 0.5)),
        (SERVER, "conversation", "speech", "You are a helpful assistant.", sampled(2048, 0.7)),
        (THINK, "conversation", "text", "你的名字叫小跃，", sampled(2048, 0.7)),
        (THINK, "conversation", "speech", "你的名字叫小跃，", sampled(2048, 0.7)),
        (MINI, "toolcall", "speech", "你的名字叫做小跃，", sampled(4096, 0.7, top_p=0.9, repetition_penalty=1.05)),
        (MINI, "paralinguistic", "speech", "请用语音与我交流。", sampled(2048, 0.7)),
        (MINI, "mmau", "text", "You are an expert", {"max_new_tokens": 256, "num_beams": 2, "do_sample": False}),
        (SERVER, "mmau", "text", "You are an expert", {"max_new_tokens": 1024, "num_beams": 2, "do_sample": False}),
    ],
)
def test_words_room_and_sampling(
    model: str, kind: str, output: Literal["text", "speech"], system: str, settings: dict[str, Any]
) -> None:
    asked = request(model, kind, output)
    (words,) = asked.messages[0].content
    assert isinstance(words, str)
    assert words.startswith(system)
    assert system[-1] in "，t" or words == system
    assert asked.generation == settings


@pytest.mark.parametrize(
    ("model", "profile", "kind", "system"),
    [
        (MINI, "step_audio_2_english", "translation", f"{LISTEN}."),
        (MINI, "step_audio_2_english", "spoken_translation", f"{LISTEN} speech."),
        (BASE, "step_audio_2_base_english", "translation", f"{LISTEN}."),
    ],
)
def test_english_wordings(model: str, profile: str, kind: str, system: str) -> None:
    asked = request(model, kind, profile=profile)
    assert asked.messages[0].content == (system,)
    assert asked.generation == request(model, kind).generation


@pytest.mark.parametrize(
    ("profile", "kind", "text"),
    [
        (None, "text_to_speech", "以自然的语速读出下面的文字。\n…"),
        ("step_audio_2_base_english", "text_to_speech", "Read this paragraph at a natural pace.\n…"),
        (None, "spoken_text_translation", "将下面的文本翻译成中文，并用语音播报。\n…"),
        (
            "step_audio_2_base_english",
            "spoken_text_translation",
            "Translate the following text into Chinese and broadcast it with voice.\n…",
        ),
    ],
)
def test_the_base_model_reads_out_and_translates_texts(profile: str | None, kind: str, text: str) -> None:
    asked = request(BASE, kind, "speech", profile)
    assert "".join(str(part) for message in asked.messages for part in message.content) == text
    assert asked.generation == sampled(2048, 0.7)
