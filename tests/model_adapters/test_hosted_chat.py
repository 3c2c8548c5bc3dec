"""Services whose chat completions are not quite OpenAI's: StepFun, DashScope, SGLang's older form, vllm-omni."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError, PermanentError, RejectedError, ServerUnavailableError, TransientError
from evalkit.prompts import Prompts
from evalkit.run.composition import compose_configuration
from evalkit.types import Message, Request, Response
from model_adapters.openai.models import ChatModel
from tests.conftest import DEMO_SPEECH
from tests.model_adapters.serving import Backend, ask, ask_raw, asking, configured, http, outcomes
from tests.servers.backends import Answer
from tests.servers.connection import Reply
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
    settings: tuple[str, ...] = ()
    speaks: bool = True

    def __str__(self) -> str:
        return " ".join((self.name, *self.settings))


SERVICES = (
    Service("gpt_audio", ChatRequest),
    Service("gpt_audio", ChatRequest, ("model.stream=true",)),
    Service("step_audio_2", StepFunRequest),
    Service("step_audio_2", StepFunRequest, ("model.stream=true", "model.speech_format=pcm")),
    Service("step_audio_2_mini_hosted", StepFunRequest),
    Service("qwen_omni_turbo", DashScopeRequest),
    Service("qwen3_omni_flash", DashScopeRequest),
    Service("qwen3_asr_flash", DashScopeAsrRequest, speaks=False),
    Service("vllm_omni", VllmOmniRequest),
    Service("vllm_omni", VllmOmniRequest, ("model.stream=true", "model.speech_format=pcm")),
    Service(
        "openai_chat",
        SglangRequest,
        ("model.model=m", "model.audio_part=audio_url", "model.base_url=http://127.0.0.1"),
        speaks=False,
    ),
)
every_service = pytest.mark.parametrize("service", SERVICES, ids=str)


def _demo(number: int = 0) -> Audio:
    path = sorted((DEMO_SPEECH / "audio").iterdir())[number]
    return Audio(path.name, path)


def _exchange(service: Service, backend: Backend, *requests: Request, **server_settings: Any) -> list[Any]:
    """What requests come to at a server that takes nothing but what the service documents."""
    with OpenAIServer(backend, chat=service.chat, **server_settings) as server:
        model = configured(service.name, *service.settings, base_url=server.base_url)
        answers = outcomes(model, *requests)
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
        (SERVICES[2], "model.audio_part=base64"),
        (SERVICES[2], "model.audio_part=data_url"),
        (SERVICES[2], "~model.extra_body.modalities"),
        (SERVICES[3], "model.speech_format=null"),
        (SERVICES[5], "model.stream=false"),
        (SERVICES[5], "model.audio_part=base64"),
        (SERVICES[5], "model.speech_format=pcm16"),
        (SERVICES[7], "model.audio_part=data_url"),
        (SERVICES[8], "~model.extra_body.modalities"),
        (SERVICES[10], "model.audio_part=base64"),
    ],
    ids=str,
)
def test_the_servers_here_refuse_any_other_form(service: Service, setting: str) -> None:
    with OpenAIServer(Backend(), chat=service.chat) as server:
        model = configured(service.name, *service.settings, setting, base_url=server.base_url)
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


def test_the_wordings_at_the_service_are_those_of_the_checkpoint() -> None:
    hosted, local = (
        compose_configuration([f"model={name}", "task=demo_clean"]).model.prompts
        for name in ("step_audio_2", "step_audio_2_mini")
    )
    assert set(hosted) == set(local)
    for kind, entry in hosted.items():
        for part in ("system", "user"):
            assert entry.get(part) == local[kind].get(part), (kind, part)


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


# --- errors, as each service documents them


def _openai(code: str, kind: str = "invalid_request_error", message: str = "why") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


BUSY, LATER, STOP, KEY, ITEM = "busy", "later", "no credit", "rejected", "item"
_KINDS: Mapping[str, type[Exception]] = {
    BUSY: TransientError,
    LATER: TransientError,
    STOP: ServerUnavailableError,
    KEY: RejectedError,
    ITEM: PermanentError,
}
ERRORS = (
    # OpenAI, "Error codes"
    *[
        ("gpt_audio", status, _openai(code, kind), meaning)
        for status, code, kind, meaning in (
            (429, "rate_limit_exceeded", "requests", BUSY),
            (429, "slow_down", "requests", BUSY),
            (429, "insufficient_quota", "insufficient_quota", STOP),
            (429, "credit_balance_exhausted", "insufficient_quota", STOP),
            (429, "organization_spend_limit_exceeded", "insufficient_quota", STOP),
            (429, "project_spend_limit_exceeded", "insufficient_quota", STOP),
            (429, "organization_usage_limit_exceeded", "insufficient_quota", STOP),
            (503, "server_is_overloaded", "server_error", BUSY),
            (500, "", "server_error", LATER),
            (401, "invalid_api_key", "invalid_request_error", KEY),
            (403, "unsupported_country_region_territory", "request_forbidden", KEY),
            (404, "model_not_found", "invalid_request_error", KEY),
            (400, "content_policy_violation", "invalid_request_error", ITEM),
            (413, "", "invalid_request_error", ITEM),
            (422, "", "invalid_request_error", ITEM),
        )
    ],
    # StepFun, "error codes"
    *[
        ("step_audio_2", status, {"error": {"message": "why", "type": kind}}, meaning)
        for status, kind, meaning in (
            (400, "request_params_invalid", ITEM),
            (401, "invalid_api_key", KEY),
            (402, "quota_exceeded", STOP),
            (404, "model_not_found", KEY),
            (429, "rate_limit_exceeded", BUSY),
            (451, "censorship_block", ITEM),
            (500, "unexpected_error", LATER),
            (503, "server_overloaded", BUSY),
            (504, "timeout", LATER),
        )
    ],
    # DashScope, "Error codes"
    *[
        ("qwen3_omni_flash", status, _openai(code, code), meaning)
        for status, code, meaning in (
            (429, "Throttling", BUSY),
            (429, "Throttling.RateQuota", BUSY),
            (429, "limit_requests", BUSY),
            (429, "Throttling.BurstRate", BUSY),
            (429, "limit_burst_rate", BUSY),
            (429, "Throttling.AllocationQuota", BUSY),
            (429, "insufficient_quota", BUSY),
            (429, "PrepaidBillOverdue", STOP),
            (429, "PostpaidBillOverdue", STOP),
            (429, "CommodityNotPurchased", STOP),
            (400, "Arrearage", STOP),
            (403, "AllocationQuota.FreeTierOnly", STOP),
            (401, "InvalidApiKey", KEY),
            (401, "invalid_api_key", KEY),
            (403, "AccessDenied", KEY),
            (403, "AccessDenied.Unpurchased", KEY),
            (403, "Model.AccessDenied", KEY),
            (404, "model_not_found", KEY),
            (404, "model_not_supported", KEY),
            (400, "DataInspectionFailed", ITEM),
            (400, "data_inspection_failed", ITEM),
            (400, "InvalidParameter", ITEM),
            (400, "InvalidParameter.NotSupportEnableThinking", ITEM),
            (500, "InternalError", LATER),
            (500, "RequestTimeOut", LATER),
            (503, "ModelServingError", BUSY),
            (503, "ModelUnavailable", BUSY),
            (200, "data_inspection_failed", ITEM),
            (200, "Throttling.RateQuota", BUSY),
        )
    ],
)


@pytest.mark.parametrize(("name", "status", "body", "meaning"), ERRORS)
def test_every_documented_error_means_what_the_service_says(
    name: str, status: int, body: dict[str, Any], meaning: str
) -> None:
    outcome, _ = ask_raw(http(body, status), lambda url: configured(name, base_url=url))
    assert isinstance(outcome, _KINDS[meaning]), outcome
    assert getattr(outcome, "overloaded", False) == (meaning == BUSY)
    assert "why" in str(outcome)


def test_content_that_is_moderated_midway_fails_the_item_and_leaves_no_words() -> None:
    def moderated(reply: Reply) -> Reply:
        return streamed(lambda chunks: [*chunks[:2], _openai("data_inspection_failed", message="unsafe output")])(reply)

    (outcome,) = _exchange(SERVICES[6], Backend("half of an answer"), asking(_demo()), oddity=moderated)
    assert isinstance(outcome, PermanentError)
    assert "unsafe output" in str(outcome)
