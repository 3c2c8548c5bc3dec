"""Granite Speech: its prompt and its adapter for speech; the whole where torchaudio fits the machine."""

import dataclasses
import sys
from pathlib import Path

import pytest
import yaml

import configs
from evalkit.errors import ConfigurationError, DataError
from evalkit.testing import check_adapter
from evalkit.types import Message, Request
from model_adapters.transformers.granite import GraniteSpeech, check_adapter_weights, prompt
from tests.model_adapters.conftest import asking, noise
from tests.model_adapters.tiny_speech_models import granite_model, granite_tokenizer, save_granite

pytest.importorskip("transformers", reason="transformers is not installed")

SYSTEM = "You are Granite, developed by IBM."
QUESTION = "can you transcribe the speech into a written format?"


def asked(request: Request) -> Request:
    messages = (Message("system", (SYSTEM,)), Message("user", (*request.audio, QUESTION)))
    return dataclasses.replace(request, messages=messages)


def test_the_prompt_is_a_text_in_which_a_token_stands_for_the_recording(noise_requests: list[Request]) -> None:
    """The template fails on the parts that other models are given."""
    text = prompt(granite_tokenizer(), "<|audio|>", asked(noise_requests[0]))
    assert text == (
        f"<|start_of_role|>system<|end_of_role|>{SYSTEM}<|end_of_text|>\n"
        f"<|start_of_role|>user<|end_of_role|><|audio|>{QUESTION}<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>"
    )


def test_the_profile_asks_as_the_readme_does() -> None:
    profile = yaml.safe_load(
        (Path(next(iter(configs.__path__))) / "prompts" / "granite_speech.yaml").read_text("utf-8")
    )
    assert profile["asr"]["user"] == "{audio}" + QUESTION
    assert profile["asr"]["system"] == (
        "Knowledge Cutoff Date: April 2024.\nToday's Date: December 19, 2024.\n"
        "You are Granite, developed by IBM. You are a helpful AI assistant"
    )


def test_words_that_would_stand_for_a_recording_are_refused() -> None:
    with pytest.raises(DataError, match=r"hold <\|audio\|>, which stands for a recording"):
        prompt(granite_tokenizer(), "<|audio|>", Request((Message("user", ("What is <|audio|>?",)),)))


def test_a_checkpoint_without_its_weights_for_speech_is_refused() -> None:
    check_adapter_weights(granite_model(has_adapter=False), "granite")
    with pytest.raises(ConfigurationError, match="granite: no adapter_config.json with the weights for speech"):
        check_adapter_weights(granite_model(has_adapter=True), "granite")


@pytest.mark.parametrize("absent", ["peft", "torchaudio"])
def test_a_missing_library_is_an_error_and_no_warning(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without peft transformers would load the checkpoint without what it learnt about speech."""
    if absent == "torchaudio":
        pytest.importorskip("peft", reason="peft is not installed")
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(ConfigurationError, match=rf"Granite Speech needs the library {absent}: .*\[granite-speech\]'"):
        GraniteSpeech("ibm-granite/granite-speech-3.3-2b", device="cpu", local_files_only=True)


def test_it_writes_the_same_in_a_batch_as_alone(tmp_path: Path, noise_requests: list[Request]) -> None:
    """Its encoder sees the padding of a batch, so that only the last two share one."""
    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError):  # one built for another PyTorch raises the latter
        pytest.skip("torchaudio is not installed, or not for this PyTorch")
    pytest.importorskip("peft", reason="peft is not installed")
    adapter = GraniteSpeech(str(save_granite(tmp_path)), device="cpu", max_new_tokens=8)
    requests = [asked(request) for request in noise_requests]
    assert len({adapter._form(request) for request in requests}) == 4
    check_adapter(adapter, requests)
    click = adapter.generate([asked(asking(noise(tmp_path / "click.wav", 0.005)))])[0]
    assert not click.failed, "shorter than what its front end reflects at the end"
