"""The configurations of chat checkpoints, and what their prompt profiles make the models be asked."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.prompts import Prompts
from evalkit.run.composition import compose_configuration
from evalkit.run.plan import plan_from_config
from evalkit.types import Request
from model_adapters.transformers.chat import TransformersChat
from tests.model_adapters.conftest import ChatAdapter, ChatCheckpoint, noise
from tests.model_adapters.tiny_chat_models import prompt_of

NAMES = (
    "audio_flamingo_3", "fun_asr_nano", "gemma_3n", "gemma_4", "glm_asr", "omni_r1", "phi_4_multimodal",
    "qwen2_audio_7b", "qwen2_audio_7b_instruct", "qwen3_asr", "transformers_chat",
)  # fmt: skip
AUDIO = Audio("a.wav")


def composed(name: str, *overrides: str) -> Any:
    return compose_configuration([f"model={name}", "task=demo_clean", *overrides])


@cache
def prompts(name: str) -> Prompts:
    profile: Any = OmegaConf.to_container(composed(name).model.prompts)
    return Prompts({"model": profile})


def words(request: Request) -> str:
    """The user's message, with a mark where the recording stands."""
    return "".join(part if isinstance(part, str) else "♪" for part in request.messages[-1].content)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_configuration_plans_a_run(name: str) -> None:
    path = ["model.path=folder"] if name in ("omni_r1", "transformers_chat") else []
    plan = plan_from_config(composed(name, *path), {"model": name, "task": "demo_clean"})
    assert plan.models["model"].title


def test_omni_r1_says_why_it_has_no_weights() -> None:
    with pytest.raises(ConfigurationError, match="path"):
        plan_from_config(composed("omni_r1"), {"model": "omni_r1", "task": "demo_clean"})


@pytest.mark.parametrize(
    ("name", "kind", "language", "asked"),
    [
        ("qwen2_audio_7b", "asr", "en", "♪Detect the language and recognize the speech: <|en|>"),
        ("qwen2_audio_7b", "asr", "zh", "♪Detect the language and recognize the speech: <|zh|>"),
        ("qwen2_audio_7b", "asr", "ja", "♪Detect the language and recognize the speech:"),
        ("qwen2_audio_7b", "translation", "en", "♪Detect the language and translate the speech into Mandarin: <|en|>"),
        ("qwen2_audio_7b", "asr", "yue", "♪Detect the language and recognize the speech: <|yue|>"),
        ("qwen2_audio_7b", "asr", "fr", "♪Detect the language and recognize the speech: <|fr|>"),
        ("qwen2_audio_7b", "translation", "zh", "♪Detect the language and translate the speech into English: <|zh|>"),
        ("qwen2_5_omni_7b", "asr", "en", "Transcribe the English audio into text without any punctuation marks.♪"),
        ("qwen2_5_omni_7b", "asr", "ru", "Transcribe the Russian audio into text without including any punctuation ma"),
        (
            "qwen2_5_omni_7b",
            "translation",
            "zh",
            "Listen to the provided Chinese speech and produce a translation in English text.♪",
        ),
        ("qwen3_omni_30b", "asr", "zh", "♪请将这段中文语音转换为纯文本。"),
        ("qwen3_omni_30b", "asr", "de", "♪Transcribe the German audio into text."),
        (
            "qwen3_omni_30b",
            "translation",
            "zh",
            "♪Listen to the provided Chinese speech and produce a translation in English text.",
        ),
        ("audio_flamingo_3", "asr", "en", "Transcribe the input speech.♪"),
        (
            "audio_flamingo_3",
            "mmau",
            "en",
            "{question}\nChoose the correct option from the following options:\n{lettered_choices}♪",
        ),
        ("voxtral_mini", "asr", "en", "♪[TRANSCRIBE]"),
        ("qwen3_asr", "asr", "en", "♪"),
        ("glm_asr", "asr", "zh", "♪"),
        ("fun_asr_nano", "asr", "zh", "♪"),
        ("phi_4_multimodal", "asr", "en", "♪Transcribe the audio clip into text."),
        ("gemma_4", "asr", "fr", "♪Transcribe the following speech segment in French into French text. Follow"),
        (
            "gemma_3n",
            "asr",
            "zh",
            "♪Transcribe the following speech segment in Chinese into Chinese text. Follow these",
        ),
        (
            "gemma_4",
            "translation",
            "zh",
            "♪Transcribe the following speech segment in Chinese, then translate it into E",
        ),
        ("omni_r1", "mmau", "en", "♪{question} Please choose the answer from the following options: [{choices}]."),
    ],
)
def test_questions_are_put_as_the_sources_have_them(name: str, kind: str, language: str, asked: str) -> None:
    fields = {"target_language": "English"}
    request = prompts(name).of(kind).request((AUDIO,), language=language, fields=fields)
    assert words(request).startswith(asked)
    assert not request.generation.get("temperature")
    assert request.language == (language if name in ("fun_asr_nano", "voxtral_mini") else None)


@pytest.mark.parametrize(
    ("name", "text", "translation"),
    [
        ("gemma_4", "你好，朋友。\nEnglish: Hello, friend.", "Hello, friend."),
        ("gemma_4", "Hello, friend.", "Hello, friend."),
        ("gemma_3n", "Good day.\nHaitian Creole: Bonjou.", "Bonjou."),
        ("phi_4_multimodal", "Guten Tag.<sep>Good day.", "Good day."),
    ],
)
def test_the_transcript_before_a_translation_is_no_part_of_it(name: str, text: str, translation: str) -> None:
    pattern = prompts(name).of("translation").generation["answer_after"]
    match = re.search(pattern, text)
    assert (text[match.end() :] if match else text) == translation


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("qwen2_audio_7b", 256),
        ("audio_flamingo_3", 500),
        ("qwen3_asr", 1024),
        ("voxtral_mini", 500),
        ("granite_speech", 200),
    ],
)
def test_transcripts_may_be_as_long_as_in_published_evaluations(name: str, tokens: int) -> None:
    assert prompts(name).of("asr").generation["max_new_tokens"] == tokens


def test_qwen2_5_omni_is_told_what_it_is_as_its_cookbook_does() -> None:
    told = {kind: prompts("qwen2_5_omni_7b").of(kind).system for kind in ("asr", "translation")}
    assert told == {
        "asr": "You are a speech recognition model.",
        "translation": "You are a speech translation model.",
    }


def test_qwen3_asr_is_given_as_much_of_a_recording_as_its_authors_give_it(chat_checkpoint: ChatCheckpoint) -> None:
    """Its processor would take more; their package divides at 1200 s, where it is quiet."""
    config = composed("qwen3_asr", f"model.path={chat_checkpoint('qwen3_asr')}", "model.device=cpu")
    model = plan_from_config(config, {"model": "qwen3_asr", "task": "demo_clean"}).models["model"].make()
    assert isinstance(model, TransformersChat)
    assert (model.capabilities.longest_audio, model.capabilities.beyond) == (1200, "splits")


def test_the_base_model_is_asked_without_a_conversation(tmp_path: Path, chat_checkpoint: ChatCheckpoint) -> None:
    config = composed("qwen2_audio_7b", f"model.path={chat_checkpoint('qwen2_audio')}", "model.device=cpu")
    model = plan_from_config(config, {"model": "qwen2_audio_7b", "task": "demo_clean"}).models["model"].make()
    assert isinstance(model, TransformersChat)
    recording = Audio("noise.wav", noise(tmp_path / "noise.wav", 1.0))
    request = prompts("qwen2_audio_7b").of("asr").request((recording,), language="en")
    assert prompt_of(model, request) == (
        "<|audio_bos|><|AUDIO|><|audio_eos|>Detect the language and recognize the speech: <|en|>"
    )


def test_the_profile_of_audio_flamingo_3_asks_as_its_processor_does(tmp_path: Path, chat_adapter: ChatAdapter) -> None:
    adapter = chat_adapter("audio_flamingo_3")
    recording = Audio("noise.wav", noise(tmp_path / "noise.wav", 1.0))
    request = prompts("audio_flamingo_3").of("asr").request((recording,), language="en")
    own = adapter._processor.apply_transcription_request(recording.waveform(16_000))["input_ids"][0]
    assert adapter._inputs([request])["input_ids"][0].tolist() == own.tolist()
