"""Services whose chat completions are not quite OpenAI's: StepFun, DashScope, SGLang's older form, vllm-omni."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from evalkit.adapter import ServedModelAdapter
from evalkit.audio import Audio
from evalkit.audio.wav import wav_of_samples
from evalkit.errors import ConfigurationError, PermanentError, RejectedError, ServerUnavailableError, TransientError
from evalkit.prompts import Prompts
from evalkit.run.composition import compose_configuration
from evalkit.types import Message, Request, Response
from model_adapters.openai.models import ChatModel
from tests.conftest import DEMO_SPEECH
from tests.model_adapters.serving import Backend, ask, ask_raw, asking, configured, http, outcomes
from tests.servers.backends import Answer
from tests.servers.hosted_errors import BUSY, ERRORS, ITEM, KEY, LATER, STOP, ServiceError, openai_error
from tests.servers.hosted_schema import (
    DashScopeAsrRequest,
    DashScopeRequest,
    SglangRequest,
    StepFunRequest,
    VllmOmniRequest,
)
from tests.servers.oddities import SPOKEN, streamed
from tests.servers.openai_server import OpenAIServer
from tests.servers.schema import ChatRequest
from tests.servers.sound import tone

KEYS = ("OPENAI_API_KEY", "DASHSCOPE_API_KEY", "STEPFUN_API_KEY")


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, "sk-hosted-0123456789abcdef")


@dataclass(frozen=True)
class Service:
    """A configuration, the form that its server takes, and settings of the former."""

    name: str
    chat: type[ChatRequest]
    settings: Mapping[str, Any] = field(default_factory=dict)
    speaks: bool = True

    def model(self, base_url: str, **settings: Any) -> ServedModelAdapter:
        """Its model, put to a server."""
        generic = ("model.model=m", "model.base_url=http://127.0.0.1/v1") if self.name == "openai_chat" else ()
        return configured(self.name, *generic, **{**self.settings, "base_url": base_url, **settings})

    def __str__(self) -> str:
        return " ".join((self.name, *map(str, self.settings.values())))


SERVICES = (
    Service("gpt_audio", ChatRequest),
    Service("gpt_audio", ChatRequest, {"stream": True}),
    Service("step_audio_2", StepFunRequest),
    Service("step_audio_2", StepFunRequest, {"stream": True}),
    Service("step_audio_2_mini_hosted", StepFunRequest),
    Service("qwen_omni_turbo", DashScopeRequest),
    Service("qwen3_omni_flash", DashScopeRequest),
    Service("qwen3_asr_flash", DashScopeAsrRequest, speaks=False),
    Service("vllm_omni", VllmOmniRequest),
    Service("vllm_omni", VllmOmniRequest, {"stream": True}),
    Service("openai_chat", SglangRequest, {"audio_part": "audio_url"}, speaks=False),
)
every_service = pytest.mark.parametrize("service", SERVICES, ids=str)


def _demo(number: int = 0) -> Audio:
    path = sorted((DEMO_SPEECH / "audio").iterdir())[number]
    return Audio(path.name, path)


def _exchange(service: Service, backend: Backend, *requests: Request, **server_settings: Any) -> list[Any]:
    """What requests come to at a server that takes nothing but what the service documents."""
    with OpenAIServer(backend, chat=service.chat, **server_settings) as server:
        answers = outcomes(service.model(server.base_url), *requests)
    assert server.journal.violations == []
    return answers


@every_service
def test_a_recording_is_sent_in_the_form_that_the_service_documents_and_its_answer_is_read(service: Service) -> None:
    backend = Backend("Guten Morgen, 你好")
    (response,) = _exchange(service, backend, asking(_demo()))
    assert isinstance(response, Response), response
    assert (response.text, response.failure) == ("Guten Morgen, 你好", None)
    assert response.usage is not None
    assert response.usage.input_tokens >= response.usage.input_audio_tokens > 0
    (sound,) = backend.request.sounds
    assert sound.sample_rate == 16_000
    assert sound.samples.shape == (len(_demo().waveform(16_000)), 1)


@pytest.mark.parametrize("service", [service for service in SERVICES if service.speaks], ids=str)
def test_a_spoken_answer_is_heard_whole_in_whatever_form_it_comes(service: Service) -> None:
    speech = tone(0.53)
    backend = Backend(Answer(("Good morning.",), speech=speech))
    (response,) = _exchange(service, backend, asking(_demo(), output="speech"))
    assert isinstance(response, Response), response
    assert response.text == "Good morning."
    assert response.speech is not None
    np.testing.assert_allclose(response.speech.waveform(24_000), np.frombuffer(speech, "<i2") / 32_768, atol=1e-6)
    assert backend.request.fields["modalities"] == ["text", "audio"]


@pytest.mark.parametrize(
    ("service", "setting"),
    [
        (SERVICES[2], {"audio_part": "base64"}),
        (SERVICES[2], {"audio_part": "data_url"}),
        (SERVICES[2], {"extra_body": {}}),
        (SERVICES[3], {"streamed_speech_format": "pcm16"}),
        (SERVICES[5], {"stream": False}),
        (SERVICES[5], {"audio_part": "base64"}),
        (SERVICES[5], {"speech_format": "pcm16"}),
        (SERVICES[7], {"audio_part": "data_url"}),
        (SERVICES[8], {"extra_body": {}}),
        (SERVICES[10], {"audio_part": "base64"}),
    ],
    ids=str,
)
def test_the_servers_here_refuse_any_other_form(service: Service, setting: dict[str, Any]) -> None:
    with OpenAIServer(Backend(), chat=service.chat) as server:
        model = service.model(server.base_url, **setting)
        answers = outcomes(model, asking(_demo()), asking(_demo(), output="speech"))
    assert any(isinstance(answer, PermanentError) for answer in answers)
    assert server.journal.violations


# --- StepFun


def _step_fun_stream(chunks: list[dict[str, Any]]) -> None:
    for chunk in chunks:
        chunk["usage"] = {"prompt_tokens": 9, "cached_tokens": 0, "completion_tokens": 4, "total_tokens": 13}
        for choice in chunk["choices"]:
            choice["finish_reason"] = choice["finish_reason"] or ""
            if "content" in choice["delta"]:
                choice["delta"]["reasoning"] = "thinking about it"


def test_a_stream_of_step_fun_has_usage_in_every_chunk_thoughts_and_empty_finish_reasons() -> None:
    (response,) = _exchange(SERVICES[3], Backend("one two"), asking(_demo()), oddity=streamed(_step_fun_stream))
    assert isinstance(response, Response)
    assert (response.text, response.finish_reason) == ("one two", "stop")
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (9, 4)


def test_a_call_beside_speech_without_content_and_finish_reason_is_read() -> None:
    message = {
        "role": "assistant",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"q": 1}'}}],
        "audio": {"data": "data:audio/wav;base64,", "transcript": "One moment."},
    }
    document = {"model": "step-audio-2", "choices": [{"index": 0, "message": message, "finish_reason": None}]}
    response, _ = ask_raw(http(document), lambda url: configured("step_audio_2", base_url=url))
    assert isinstance(response, Response), response
    assert (response.text, response.tool_calls[0].name, response.finish_reason) == ("One moment.", "search", None)


@pytest.mark.parametrize(("name", "other"), [("step_audio_2", "step_audio_2_mini"), ("gpt_realtime", "gpt_audio")])
def test_profiles_that_differ_in_decoding_alone_have_the_same_wordings(name: str, other: str) -> None:
    profile, like = (
        compose_configuration([f"model={each}", "task=demo_clean"]).model.prompts for each in (name, other)
    )
    assert set(profile) == set(like)
    for kind, entry in profile.items():
        for part in ("system", "user", "languages"):
            assert entry.get(part) == like[kind].get(part), (kind, part)


# --- DashScope


def test_the_recogniser_is_told_the_language_and_leaves_numbers_as_they_are_spoken() -> None:
    backend = Backend("heard")
    requests = [Request((Message("user", (_demo(),)),), language=code) for code in ("yue", "de", None)]
    _exchange(SERVICES[7], backend, *requests)
    options = [request.fields["asr_options"] for request in backend.requests]
    assert options == [
        {"enable_itn": False, "language": "yue"},
        {"enable_itn": False, "language": "de"},
        {"enable_itn": False},
    ]


@pytest.mark.slow
def test_no_spoken_answer_of_qwen_omni_is_asked_for_with_a_system_message() -> None:
    prompts = compose_configuration(["model=qwen_omni_turbo", "task=demo_clean"]).model.prompts
    profile = Prompts({"model": prompts})
    kinds = ("spoken_question", "paralinguistic", "spoken_translation", "conversation")
    requests = [
        profile.of(kind).request((_demo(),), language="en", output="speech", fields={"target_language": "Chinese"})
        for kind in kinds
    ]
    answers = _exchange(SERVICES[5], Backend(), *requests)
    assert [answer.text for answer in answers] == ["fine"] * len(kinds)


def test_two_recordings_in_a_request_are_refused_before_they_are_sent() -> None:
    conversation = Request((Message("user", (_demo(),)), Message("assistant", ("Yes?",)), Message("user", (_demo(1),))))
    backend = Backend()
    (refusal,) = _exchange(SERVICES[6], backend, conversation)
    assert isinstance(refusal, PermanentError)
    assert str(refusal) == "not sent: 2 recordings, the service takes 1 (request_limits.recordings)"
    assert backend.requests == []


# --- vllm-omni and SGLang


def _speech_as_content(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A stream as vllm-omni sends it: base64 where words stand, told apart by ``modality``."""
    told = []
    for chunk in chunks:
        for choice in chunk["choices"]:
            audio = choice["delta"].pop("audio", {})
            if "data" in audio:
                choice["delta"]["content"] = audio["data"]
            elif "transcript" in audio:
                choice["delta"]["content"] = audio["transcript"]
            told.append({**chunk, "modality": "audio" if "data" in audio else "text"})
        if not chunk["choices"]:
            told.append(chunk)
    return told


@pytest.mark.parametrize(
    ("service", "oddity"),
    [
        (SERVICES[9], streamed(_speech_as_content)),
        (SERVICES[8], SPOKEN["sound in a second choice"]),
        (SERVICES[8], SPOKEN["words in a second choice's place"]),
    ],
    ids=["streamed in the place of words", "in the second choice", "in the first choice"],
)
def test_speech_of_vllm_omni_is_no_part_of_the_words(service: Service, oddity: Any) -> None:
    speech = tone(0.41)
    backend = Backend(Answer(("Good morning.",), speech=speech))
    (response,) = _exchange(service, backend, asking(_demo(), output="speech"), oddity=oddity)
    assert isinstance(response, Response), response
    assert response.text == "Good morning."
    assert response.replies == ()
    assert response.speech is not None
    np.testing.assert_allclose(response.speech.waveform(24_000), np.frombuffer(speech, "<i2") / 32_768, atol=1e-6)


def _speech_as_files(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A stream as vllm-omni sends it where it was asked for WAV: every piece is a file."""
    told = _speech_as_content(chunks)
    for chunk in told:
        if chunk.get("modality") == "audio":
            delta = chunk["choices"][0]["delta"]
            delta["content"] = base64.b64encode(wav_of_samples(base64.b64decode(delta["content"]), 24_000)).decode()
    return told


def test_speech_of_vllm_omni_that_comes_as_a_file_for_each_piece_is_heard_whole() -> None:
    speech = tone(0.41)
    service = Service("vllm_omni", VllmOmniRequest, {"stream": True, "streamed_speech_format": "wav"})
    backend = Backend(Answer(("Good morning.",), speech=speech))
    (response,) = _exchange(service, backend, asking(_demo(), output="speech"), oddity=streamed(_speech_as_files))
    assert isinstance(response, Response), response
    assert response.text == "Good morning."
    assert response.speech is not None
    np.testing.assert_allclose(response.speech.waveform(24_000), np.frombuffer(speech, "<i2") / 32_768, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["vllm_omni", "kimi_audio_7b_server", "qwen3_32b", "step_audio_2", "qwen_omni_turbo", "gemini_2_5_flash"]
)
def test_every_question_says_its_temperature_since_servers_have_others_of_their_own(name: str) -> None:
    model = compose_configuration([f"model={name}", "task=demo_clean"]).model
    assert "asr" in model.prompts
    questions = {kind: entry for kind, entry in model.prompts.items() if kind != "search_result"}  # of a tool
    for kind, entry in questions.items():
        assert "temperature" in {**entry.get("generation", {}), **model.generation}, kind


# --- bounds and the answering model


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"recordings": 1}, "not sent: 2 recordings, the service takes 1 (request_limits.recordings)"),
        ({"recording_bytes": 1000}, "bytes in one recording, the service takes 1000 (request_limits.recording_bytes)"),
        ({"request_bytes": 1000}, "bytes in all, the service takes 1000 (request_limits.request_bytes)"),
    ],
)
def test_what_the_service_would_refuse_for_its_size_is_not_sent(limits: dict[str, int], message: str) -> None:
    with OpenAIServer(Backend()) as server:
        (refusal,) = outcomes(ChatModel("m", server.base_url, request_limits=limits), asking(_demo(), _demo(1)))
        (answer,) = ask(ChatModel("m", server.base_url, request_limits=dict.fromkeys(limits, 10**7)), asking())
    assert isinstance(refusal, PermanentError)
    assert message in str(refusal)
    assert answer.text == "fine"
    assert len(server.journal.hits) == 1


@pytest.mark.parametrize("limits", [{"recordings": 0}, {"request_bytes": "many"}, {"recording_bytes": 0.5}])
def test_a_bound_that_is_none_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"request_limits.{next(iter(limits))} is "):
        ChatModel("m", "http://127.0.0.1/v1", request_limits=limits)


@pytest.mark.parametrize("stream", [False, True])
def test_another_model_than_the_one_asked_stops_the_run(stream: bool) -> None:
    with OpenAIServer(Backend()) as server:
        url = server.base_url
        for pattern in (None, "m", r"m|n", r"[a-z](-\d{4})?"):
            (response,) = ask(ChatModel("m", url, answered_by=pattern, stream=stream), asking())
            assert response.text == "fine"
        (outcome,) = outcomes(ChatModel("m", url, answered_by="n", stream=stream), asking())
    assert isinstance(outcome, RejectedError)
    assert "m was asked, but m answers" in str(outcome)


def test_a_server_that_does_not_say_who_answers_is_believed() -> None:
    document = {"choices": [{"index": 0, "message": {"content": "fine"}, "finish_reason": "stop"}]}
    response, _ = ask_raw(http(document), lambda url: ChatModel("m", url, answered_by="m"))
    assert isinstance(response, Response)


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"answered_by: '\(' is no regular expression"):
        ChatModel("m", "http://127.0.0.1/v1", answered_by="(")


@pytest.mark.parametrize("name", ["qwen_omni_turbo", "qwen3_omni_flash", "qwen3_asr_flash", "gemini_2_5_pro"])
def test_what_the_card_says_of_long_recordings_is_what_the_engine_is_told(name: str) -> None:
    model = compose_configuration([f"model={name}", "task=demo_clean"]).model
    assert (model.longest_audio, model.beyond) == (model.card.longest_audio, model.card.beyond)
    capabilities = configured(name, api_key_variable=None).capabilities
    assert (capabilities.longest_audio, capabilities.beyond) == (model.longest_audio, "refuses")


# --- errors, as each service documents them


_KINDS: Mapping[str, type[Exception]] = {
    BUSY: TransientError,
    LATER: TransientError,
    STOP: ServerUnavailableError,
    KEY: RejectedError,
    ITEM: PermanentError,
}


@pytest.mark.parametrize(
    ("name", "error"),
    [(name, error) for name in ("gpt_audio", "step_audio_2", "qwen3_omni_flash") for error in ERRORS[name]],
    ids=str,
)
def test_every_documented_error_means_what_the_service_says(name: str, error: ServiceError) -> None:
    outcome, _ = ask_raw(http(error.body, error.status), lambda url: configured(name, base_url=url))
    assert isinstance(outcome, _KINDS[error.meaning]), outcome
    assert getattr(outcome, "overloaded", False) == (error.meaning == BUSY)
    assert "why" in str(outcome)


def test_content_that_is_moderated_midway_fails_the_item_and_leaves_no_words() -> None:
    error = openai_error("data_inspection_failed", message="unsafe output")
    moderated = streamed(lambda chunks: [*chunks[:2], error])
    (outcome,) = _exchange(SERVICES[6], Backend("half of an answer"), asking(_demo()), oddity=moderated)
    assert isinstance(outcome, PermanentError)
    assert "unsafe output" in str(outcome)
