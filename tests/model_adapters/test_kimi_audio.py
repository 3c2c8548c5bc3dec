"""Kimi-Audio in a Python of its own, against a stand-in of its authors' package that takes nothing undocumented."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from evalkit.adapter import ServedModelAdapter
from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.inference.batching import answer_batch
from evalkit.inference.packing import Packing
from evalkit.inference.processes.worker import WorkerModel, WorkerSettings
from evalkit.inference.work_clock import WorkClock
from evalkit.prompts import Prompts
from evalkit.run.composition import compose_configuration
from evalkit.run.plan import plan_from_config
from evalkit.types import Failure, Message, Request, Response
from tests.conftest import DEMO_SPEECH
from tests.model_adapters.serving import Backend, ask
from tests.servers.openai_server import OpenAIServer

RECORDING = Audio("a", DEMO_SPEECH / "audio" / "clean-awb-01.flac")
PACKAGE = """
import inspect, json, wave
import torch

SETTINGS = {"audio_temperature", "audio_top_k", "text_temperature", "text_top_k", "audio_repetition_penalty",
            "audio_repetition_window_size", "text_repetition_penalty", "text_repetition_window_size", "max_new_tokens"}


class KimiAudio:
    def __init__(self, model_path, load_detokenizer=True):
        self.detokenizer = load_detokenizer

    def generate(self, chats, output_type="text", **settings):
        assert output_type in ("text", "both")
        assert output_type == "text" or self.detokenizer, "no detokenizer was loaded"
        assert set(settings) <= SETTINGS, settings
        assert chats and chats[-1]["role"] == "user"
        heard = []
        for message in chats:
            assert set(message) == {"role", "message_type", "content"}
            assert message["role"] in ("user", "assistant")
            assert message["message_type"] in ("text", "audio")
            assert isinstance(message["content"], str)
            if message["message_type"] == "audio":
                with wave.open(message["content"]) as file:
                    assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
                    heard.append(file.getnframes())
        told = [message["content"] for message in chats if message["message_type"] == "text"]
        kinds = [message["message_type"] for message in chats]
        text = json.dumps({"told": told, "heard": heard, "kinds": kinds, "settings": settings,
                           "drawn": torch.rand(1).item()}, sort_keys=True)
        return (torch.full((1, 4800), 0.25) if output_type == "both" else None), text
"""


@pytest.fixture
def kimi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerModel]:
    """The model of the configuration, in a worker."""
    pytest.importorskip("torch")
    (tmp_path / "kimia_infer" / "api").mkdir(parents=True)
    (tmp_path / "kimia_infer" / "api" / "kimia.py").write_text(PACKAGE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    words = ["model=kimi_audio_7b", f"model.python={sys.executable}", "task=demo_clean"]
    spec = plan_from_config(compose_configuration(words), {"model": "kimi_audio_7b"}).models["model"]
    model = spec.make()
    assert isinstance(model, WorkerModel)
    yield model
    model.close()


def asking(*parts: Any, **settings: Any) -> Request:
    return Request((Message("user", parts),), **settings)


def read(response: Response) -> dict[str, Any]:
    assert response.failure is None, response.failure
    return dict(json.loads(response.text))


@pytest.mark.slow
def test_it_is_asked_as_its_authors_ask_it(kimi: WorkerModel) -> None:
    assert kimi.capabilities.batch_size == 1
    assert kimi.capabilities.longest_audio == 590
    assert kimi.fingerprint()["path"] == "moonshotai/Kimi-Audio-7B-Instruct"
    prompt = Prompts({"model": compose_prompts()}).of("asr")
    english, chinese = (prompt.request((RECORDING,), language=language) for language in ("en", "zh"))
    first, again = (read(kimi.generate([english])[0]) for _ in range(2))
    assert first == again, "nothing that is drawn depends on what was asked before"
    assert first["told"] == ["Please transcribe the spoken content into written text."]
    assert first["kinds"] == ["text", "audio"], "the instruction goes first"
    assert first["heard"] == [len(RECORDING.waveform(16_000))]
    assert first["settings"] == {
        "text_temperature": 0.0,
        "text_top_k": 5,
        "text_repetition_penalty": 1.1,
        "text_repetition_window_size": 16,
        "audio_temperature": 0.8,
        "audio_top_k": 10,
        "audio_repetition_penalty": 1.0,
        "audio_repetition_window_size": 64,
        "max_new_tokens": -1,
    }
    assert read(kimi.generate([chinese])[0])["told"] == ["请把这段语音转录成文本。"]
    (several,) = kimi.generate([asking(RECORDING, replies=2, generation={"do_sample": False, "max_new_tokens": 9})])
    assert len(set(several.replies)) == 2
    assert '"max_new_tokens": 9' in several.replies[1]
    (spoken,) = kimi.generate([asking(RECORDING, output="speech")])
    assert spoken.speech is not None
    samples, rate = spoken.speech.read_mono()
    assert (len(samples), rate) == (4800, 24_000)
    assert np.allclose(samples, 0.25)


@pytest.mark.slow
def test_what_it_cannot_be_asked_is_refused(kimi: WorkerModel) -> None:
    history = (Message("user", (RECORDING,)), Message("assistant", ("Yes.", RECORDING)), Message("user", (RECORDING,)))
    assert read(kimi.generate([Request(history)])[0])["kinds"] == ["audio", "text", "audio"]
    system = Request((Message("system", ("Be brief.",)), *history))
    (refused,) = answer_batch(kimi, [system], Packing(1), WorkClock())
    assert refused.error == "WorkerError: ValueError: Kimi-Audio takes no message of the role 'system'"
    long = Audio.of_waveform("long", np.zeros(91 * 16_000, np.float32), 16_000)
    written, spoken = kimi.generate([asking(long), asking(long, output="speech")])
    assert written.failure is None
    assert spoken.failure == Failure("too_long", "91.0 s of recordings, and it answers no more than 90 s by speech")
    half = Audio.of_waveform("half", np.zeros(300 * 16_000, np.float32), 16_000)
    (both,) = kimi.generate([asking(half, half)])
    assert both.failure == Failure("too_long", "600.0 s of recordings, and it answers no more than 590 s by text")
    with pytest.raises(ConfigurationError, match="Kimi-Audio has no decoding setting 'num_beams'"):
        kimi.generate([asking(RECORDING, generation={"num_beams": 2})])


def test_without_its_package_it_says_where_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    settings = WorkerSettings("model", sys.executable, "model_adapters.kimi_audio.KimiAudio", {"path": "x"}, {}, 60)
    with pytest.raises(ConfigurationError, match=r"kimia_infer in the environment that model\.python= names"):
        WorkerModel(settings)


def test_behind_vllm_the_instruction_goes_first_too(tmp_path: Path) -> None:
    backend = Backend("Welcome.")
    with OpenAIServer(backend, vllm=True) as server:
        words = ["model=kimi_audio_7b_server", f"model.base_url={server.base_url}", "task=demo_clean"]
        spec = plan_from_config(compose_configuration(words), {"model": "kimi_audio_7b_server"}).models["model"]
        model = spec.make()
        assert isinstance(model, ServedModelAdapter)
        prompt = Prompts({"model": compose_prompts()}).of("asr")
        (response,) = ask(model, prompt.request((RECORDING,), language="en"))
    assert response.text == "Welcome."
    (message,) = backend.request.fields["messages"]
    assert [part["type"] for part in message["content"]] == ["text", "input_audio"]
    assert backend.request.fields["temperature"] == 0, "unsaid, vLLM takes what the checkpoint says"
    assert not model.capabilities.tools
    assert not model.capabilities.speech_output


def compose_prompts() -> dict[str, Any]:
    words = ["model=kimi_audio_7b", f"model.python={sys.executable}"]
    prompts: Any = OmegaConf.to_container(compose_configuration(words).model.prompts)
    return dict(prompts)
