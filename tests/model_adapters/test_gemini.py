"""Gemini by its own protocol, put to a server that checks every field and answers in the documented form."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.adapter import ServedModelAdapter
from evalkit.audio import Audio
from evalkit.errors import ConfigurationError, PermanentError, RejectedError, ServerUnavailableError, TransientError
from evalkit.testing import check_adapter
from evalkit.types import Message, Request, Response, ToolCall
from model_adapters.gemini.files import SentFiles
from model_adapters.gemini.models import GeminiModel
from model_adapters.shared.server import Server
from tests.conftest import DEMO_SPEECH
from tests.model_adapters.serving import Backend, ask, ask_raw, asking, configured, http, outcomes
from tests.servers.backends import Answer, Called
from tests.servers.gemini_server import MODEL, GeminiServer
from tests.servers.hosted_errors import BUSY, ERRORS, ITEM, KEY, LATER, STOP, ServiceError, google_error

API_KEY = "AIza-0123456789abcdefghij"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", API_KEY)


def _demo(number: int = 0) -> Audio:
    path = sorted((DEMO_SPEECH / "audio").iterdir())[number]
    return Audio(path.name, path)


def _exchange(backend: Backend, *requests: Request, change: Any = lambda document: None, **settings: Any) -> list[Any]:
    """What requests come to at a server that takes nothing but what is documented."""
    with GeminiServer(backend, change=change) as server:
        answers = outcomes(GeminiModel(MODEL, server.base_url, **settings), *requests)
    assert server.journal.violations == []
    return answers


def _answered(backend: Backend, *requests: Request, **settings: Any) -> list[Response]:
    answers = _exchange(backend, *requests, **settings)
    assert all(isinstance(answer, Response) for answer in answers), answers
    return answers


# --- what is sent


def test_a_bare_question_is_one_turn() -> None:
    backend = Backend()
    _answered(backend, asking("Wie heißt 你?"))
    assert json.loads(backend.request.body) == {"contents": [{"role": "user", "parts": [{"text": "Wie heißt 你?"}]}]}


_THINKING: Mapping[str, tuple[dict[str, Any], int]] = {
    "gemini_2_0_flash": ({}, 0),
    "gemini_2_5_flash": ({"thinkingConfig": {"thinkingBudget": 0}}, 0),
    "gemini_2_5_pro": ({}, 32_768),  # it cannot be kept from thinking
    "gemini_3_5_flash_lite": ({"thinkingConfig": {"thinkingLevel": "MINIMAL"}}, 8_192),
    "gemini_3_8_flash": ({"thinkingConfig": {"thinkingLevel": "MINIMAL"}}, 8_192),
}


@pytest.mark.parametrize("name", _THINKING)
@both_ways
def test_the_configurations_send_what_the_service_takes(name: str, stream: bool) -> None:
    backend = Backend("Guten Morgen")
    request = asking(_demo(), generation={"max_new_tokens": 100, "temperature": 0, "stop": "\n"})
    with GeminiServer(backend, key=API_KEY) as server:
        model = configured(name, base_url=server.base_url, stream=stream)
        (response,) = ask(model, request)
    assert server.journal.violations == []
    assert response.text == "Guten Morgen"
    fields = backend.request.fields
    assert [setting["threshold"] for setting in fields["safetySettings"]] == ["OFF"] * 4
    thinking, room = _THINKING[name]
    assert fields["generationConfig"] == {
        "maxOutputTokens": 100 + room,
        "temperature": 0,
        "stopSequences": ["\n"],
        **thinking,
    }
    (sound,) = backend.request.sounds
    assert (sound.sample_rate, sound.samples.shape[1]) == (16_000, 1)


def test_every_setting_arrives_under_the_name_of_the_protocol_and_others_stop_the_run() -> None:
    backend = Backend()
    generation = {"max_new_tokens": 9, "temperature": 1, "top_p": 0.5, "top_k": 3, "seed": 7, "stop": ["a"]}
    further = {"presence_penalty": 0.5, "frequency_penalty": -0.5}
    answered, refused = _exchange(
        backend,
        asking(generation={**generation, **further}, attempt=2),
        asking(generation={"num_beams": 2}),
        thinking_level="LOW",
    )
    assert isinstance(answered, Response)
    assert backend.request.fields["generationConfig"] == {
        "maxOutputTokens": 9,
        "temperature": 1,
        "topP": 0.5,
        "topK": 3,
        "seed": 9,
        "stopSequences": ["a"],
        "presencePenalty": 0.5,
        "frequencyPenalty": -0.5,
        "thinkingConfig": {"thinkingLevel": "LOW"},
    }
    assert isinstance(refused, ConfigurationError)
    assert "'num_beams' is no setting of Gemini" in str(refused)


def test_a_budget_and_a_level_together_are_refused_before_the_service_does() -> None:
    with pytest.raises(ConfigurationError, match="thinking_budget= or thinking_level=, not both"):
        GeminiModel(MODEL, "http://127.0.0.1", thinking_budget=1, thinking_level="LOW")


def test_recordings_stand_in_their_places_and_the_models_own_turns_are_words() -> None:
    backend = Backend()
    conversation = Request(
        (
            Message("system", ("Listen.",)),
            Message("user", ("First: ", _demo(), " then: ", _demo(1))),
            Message("assistant", ("Yes.", _demo(2))),
            Message("user", (_demo(2),)),
        )
    )
    _answered(backend, conversation)
    fields = backend.request.fields
    assert fields["systemInstruction"] == {"parts": [{"text": "Listen."}]}
    kinds = [(turn["role"], [next(iter(part)) for part in turn["parts"]]) for turn in fields["contents"]]
    assert kinds == [
        ("user", ["text", "inlineData", "text", "inlineData"]),
        ("model", ["text"]),
        ("user", ["inlineData"]),
    ]
    for sound, number in zip(backend.request.sounds, (0, 1, 2), strict=True):
        assert len(sound.samples) == len(_demo(number).waveform(16_000))


def test_a_model_knows_its_own_calls_again_and_those_made_at_once_are_answered_in_one_turn() -> None:
    calls = (Called("get_weather", '{"city": "Ulm"}'), Called("get_weather", '{"city": "Bonn"}'))
    backend = Backend(lambda request: Answer(("",), tool_calls=() if len(backend.requests) > 1 else calls))
    with GeminiServer(backend) as server:
        question = asking("Weather?", tools=(WEATHER,))
        (first,) = ask(GeminiModel(MODEL, server.base_url), question)
        results = [Message("tool", ("sunny",), tool_call_id=call.id) for call in first.tool_calls]
        messages = (*question.messages, first.message, *results, Message("user", ("Thanks.",)))
        (second,) = ask(GeminiModel(MODEL, server.base_url), Request(messages, tools=(WEATHER,)))
    assert server.journal.violations == []
    assert [call.arguments for call in first.tool_calls] == ['{"city": "Ulm"}', '{"city": "Bonn"}']
    assert isinstance(second, Response)
    _, own, answers, thanks = backend.requests[1].fields["contents"]
    assert [part["thoughtSignature"] for part in own["parts"]] == ["c2ln", "c2ln"]
    assert [part["functionResponse"]["response"] for part in answers["parts"]] == [{"result": "sunny"}] * 2
    assert thanks["parts"] == [{"text": "Thanks."}]
    assert (
        backend.requests[0].fields["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]
        == (
            WEATHER["function"]["parameters"]  # type: ignore[index]
        )
    )


@pytest.mark.parametrize(("arguments", "sent"), [('{"city": "Ulm"}', True), ("not JSON", False), ("[1]", False)])
def test_calls_of_another_models_history_are_sent_where_the_service_can_take_them(arguments: str, sent: bool) -> None:
    messages = (
        Message("user", ("Weather?",)),
        Message("assistant", ("",), (ToolCall("get_weather", arguments, "c1"),)),
        Message("tool", ("sunny",), tool_call_id="c1"),
    )
    backend = Backend()
    (outcome,) = _exchange(backend, Request(messages, tools=(WEATHER,)))
    assert isinstance(outcome, Response if sent else PermanentError)
    assert len(backend.requests) == sent


@both_ways
def test_what_the_engine_relies_on_holds(stream: bool) -> None:
    with GeminiServer() as server:
        check_adapter(GeminiModel(MODEL, server.base_url, stream=stream), [asking(_demo(number)) for number in (0, 1)])
    assert server.journal.violations == []


# --- what comes back, alike whole and streamed


@both_ways
def test_thoughts_are_no_part_of_the_words_and_count_as_written(stream: bool) -> None:
    (response,) = _answered(Backend("one two three"), asking(_demo()), stream=stream)
    assert (response.text, response.finish_reason, response.answered_by) == ("one two three", "stop", MODEL)
    assert response.usage is not None
    assert response.usage.output_tokens == 3 + 3
    assert response.usage.input_tokens == response.usage.input_audio_tokens > 0
    assert response.message == Message("assistant", ("one two three",))


@both_ways
def test_several_replies_are_asked_for_one_by_one_with_other_seeds(stream: bool) -> None:
    backend = Backend(lambda request: Answer((f"draw {request.fields['generationConfig']['seed']}",)))
    (response,) = _answered(backend, asking(replies=3, generation={"seed": 7}), stream=stream)
    assert response.replies == ("draw 7", "draw 8", "draw 9")
    assert response.usage is not None
    assert response.usage.requests == 3


def _ended(reason: str, **content: Any) -> Any:
    def change(document: dict[str, Any]) -> None:
        candidate = document["candidates"][0]
        candidate["finishReason"] = reason
        if content:
            candidate.update(content)

    return change


@pytest.mark.parametrize(
    "reason",
    [
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "LANGUAGE",
        "MODEL_ARMOR",
    ],
)
@both_ways
def test_an_answer_that_the_service_keeps_back_is_a_failure_whatever_was_written(reason: str, stream: bool) -> None:
    (outcome,) = _exchange(Backend("half an answer"), asking(), change=_ended(reason), stream=stream)
    assert isinstance(outcome, PermanentError)
    assert str(outcome) == f"the service kept the answer back: {reason}"


@pytest.mark.parametrize(
    "reason",
    ["OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE", "NEW"],
)
def test_other_ends_are_answers_that_say_how_they_ended(reason: str) -> None:
    (response,) = _answered(Backend("words"), asking(), change=_ended(reason))
    assert (response.text, response.finish_reason) == ("words", reason)
    assert response.notes == (f"the service says that the answer ended by '{reason}'",)


@both_ways
def test_an_answer_that_was_all_thoughts_is_empty_cut_short_and_says_why(stream: bool) -> None:
    (response,) = _answered(
        Backend(""), asking(), change=_ended("MAX_TOKENS", content={"role": "model"}), stream=stream
    )
    assert (response.text, response.finish_reason) == ("", "length")
    assert "thoughts took all of max_new_tokens (3 tokens)" in response.notes[0]


@pytest.mark.parametrize("content", [{}, {"content": None}, {"content": {"role": "model"}}, {"content": {"parts": []}}])
def test_an_answer_without_content_or_parts_is_empty(content: dict[str, Any]) -> None:
    document = {"candidates": [{**content, "finishReason": "STOP"}], "modelVersion": MODEL}
    outcome, _ = ask_raw(http(document), lambda url: GeminiModel(MODEL, url))
    assert isinstance(outcome, Response)
    assert (outcome.text, outcome.failure) == ("", None)


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "MODEL_ARMOR", "JAILBREAK"])
@both_ways
def test_a_blocked_prompt_is_a_failure_that_names_the_reason(reason: str, stream: bool) -> None:
    document = {"promptFeedback": {"blockReason": reason}, "modelVersion": MODEL}
    body = f"data: {json.dumps(document)}\n\n".encode() if stream else document
    outcome, _ = ask_raw(http(body), lambda url: GeminiModel(MODEL, url, stream=stream))
    assert isinstance(outcome, PermanentError)
    assert str(outcome) == f"the service blocked the prompt: '{reason}'"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"[]",
        b'{"status": "ok"}',
        b'{"candidates": []}',
        b'{"candidates": [7]}',
        b'{"candidates": [{"content": {"parts": [{"functionCall": {}}]}}]}',
        b'data: {"candidates": [{"content": {"parts": [{"text": "half"}]}}]}\n\n',
        b'data: {"promptFeedback": {"x": 1}, "candidates": [{"content": {"parts": [{"text": "half"}]}}]}\n\n',
        b'data: {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}\n\n',
        b'{"error": {"code": 500, "message": "broken", "status": "INTERNAL"}}',
    ],
)
def test_what_is_no_answer_is_a_failed_attempt(body: bytes) -> None:
    outcome, _ = ask_raw(http(body), lambda url: GeminiModel(MODEL, url))
    assert isinstance(outcome, TransientError), outcome


@both_ways
def test_an_answer_of_another_model_stops_the_run(stream: bool) -> None:
    settings = {"answered_by": r"gemini-2[.]5-flash(-\d+)?", "stream": stream}
    for version in (MODEL, f"{MODEL}-001", f"models/{MODEL}"):
        _answered(Backend(), asking(), change=lambda document: document.update(modelVersion=version), **settings)  # noqa: B023
    (outcome,) = _exchange(
        Backend(), asking(), change=lambda document: document.update(modelVersion="gemini-3.5-flash-lite"), **settings
    )
    assert isinstance(outcome, RejectedError)
    assert f"{MODEL} was asked, but gemini-3.5-flash-lite answers" in str(outcome)


# --- files


def _long(folder: Path, seconds: float) -> Audio:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, round(16_000 * seconds))
    soundfile.write(folder / "long.wav", samples, 16_000, subtype="PCM_16")
    return Audio("long.wav", folder / "long.wav")


def test_recordings_too_long_for_a_request_are_sent_once_in_pieces_and_referred_to(tmp_path: Path) -> None:
    long = _long(tmp_path, 440)  # 14.1 MB: more than is sent with a request, and two pieces of an upload
    backend = Backend()
    with GeminiServer(backend, key=API_KEY) as server:
        model = configured("gemini_2_5_flash", base_url=server.base_url)
        ask(model, asking("What is said?", long), asking("Who speaks?", long), asking(_demo()))
    assert server.journal.violations == []
    assert server.uploads == 1
    parts = [request.fields["contents"][0]["parts"][-1] for request in backend.requests]
    assert [next(iter(part)) for part in parts] == ["fileData", "fileData", "inlineData"]
    assert parts[0] == parts[1]
    assert len(backend.requests[0].sounds[0].samples) == 440 * 16_000


def test_one_upload_is_enough_for_many_who_want_it_at_once_and_processing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_adapters.gemini.files._POLL_SECONDS", 0.01)
    long = _long(tmp_path, 1)

    async def main(url: str) -> list[Response]:
        model = GeminiModel(MODEL, url, inline_bytes=1000)
        try:
            return await asyncio.gather(*(model.answer(asking(f"{number}", long)) for number in range(8)))
        finally:
            await model.close()

    with GeminiServer(Backend(), processing=3) as server:
        responses = asyncio.run(main(server.base_url))
    assert server.journal.violations == []
    assert (server.uploads, [response.text for response in responses]) == (1, ["fine"] * 8)


def test_a_file_that_the_service_cannot_use_fails_its_sample_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_adapters.gemini.files._POLL_SECONDS", 0.01)
    with GeminiServer(Backend(), processing=1, unusable="no sound in it") as server:
        (outcome,) = outcomes(GeminiModel(MODEL, server.base_url, inline_bytes=100), asking(_long(tmp_path, 0.2)))
    assert server.journal.violations == []
    assert isinstance(outcome, PermanentError)
    assert str(outcome) == "the service cannot make use of the recording: 'no sound in it'"


def test_a_file_is_sent_again_before_the_service_forgets_it() -> None:
    now = 0.0

    async def main(url: str) -> list[str]:
        nonlocal now
        connection = Server(url, concurrency=1, answer_bytes=1 << 20)
        files = SentFiles(connection, "v1beta", now=lambda: now)
        try:
            addresses = [await files.uri(b"a"), await files.uri(b"b"), await files.uri(b"a")]
            now = 47 * 3600.0 - 1
            addresses.append(await files.uri(b"a"))
            now += 1
            return [*addresses, await files.uri(b"a")]
        finally:
            await connection.close()

    with GeminiServer() as server:
        first, other, *again, late = asyncio.run(main(server.base_url))
    assert again == [first, first]
    assert len({first, other, late}) == 3


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (
            http({}, x_goog_upload_url="https://elsewhere.example/upload?key=x"),
            RejectedError,
            "sent to https://elsewhere",
        ),
        (http({}), RejectedError, "wants recordings sent to nowhere"),
        (http({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "m"}}, 429), TransientError, "429: m"),
    ],
)
def test_a_recording_goes_to_nobody_but_the_service(
    answer: bytes, kind: type[Exception], message: str, tmp_path: Path
) -> None:
    request = asking(_long(tmp_path, 0.2))
    outcome, server = ask_raw(answer, lambda url: GeminiModel(MODEL, url, inline_bytes=100), request)
    assert isinstance(outcome, kind)
    assert message in str(outcome)
    assert len(server.heads) == 1


# --- errors, as the service documents them


_KINDS: Mapping[str, type[Exception]] = {
    BUSY: TransientError,
    LATER: TransientError,
    STOP: ServerUnavailableError,
    KEY: RejectedError,
    ITEM: PermanentError,
}


@pytest.mark.parametrize("error", ERRORS["gemini_2_5_flash"], ids=str)
@both_ways
def test_every_documented_error_means_what_the_service_says(error: ServiceError, stream: bool) -> None:
    def model(url: str) -> ServedModelAdapter:
        return configured("gemini_2_5_flash", base_url=url, stream=stream)

    outcome, _ = ask_raw(http(error.body, error.status), model)
    assert isinstance(outcome, _KINDS[error.meaning]), outcome
    assert getattr(outcome, "overloaded", False) == (error.meaning == BUSY)
    assert getattr(outcome, "retry_after", None) == (37 if error.meaning == BUSY and "37s" in str(error.body) else None)
    assert "why" in str(outcome)


def test_a_balance_that_is_used_up_stops_the_run_though_its_code_is_that_of_a_throttle() -> None:
    body = google_error(429, "RESOURCE_EXHAUSTED")
    body["error"]["message"] = "Your prepayment credits are depleted. Go to AI Studio."
    outcome, _ = ask_raw(http(body, 429), lambda url: configured("gemini_2_5_flash", base_url=url))
    assert isinstance(outcome, ServerUnavailableError)
    assert "prepayment credits are depleted" in str(outcome)


def test_a_key_is_sent_in_its_header_and_a_wrong_one_stops_the_run_without_being_repeated() -> None:
    with GeminiServer(Backend(), key="AIza-another") as server:
        model = GeminiModel(MODEL, server.base_url, api_key_variable="GEMINI_API_KEY")
        (outcome,) = outcomes(model, asking())
    assert isinstance(outcome, RejectedError)
    assert "API key not valid: (key removed)" in str(outcome)
    assert API_KEY not in str(outcome) + str(model.fingerprint()) + repr(model)


def test_a_model_that_is_gone_stops_the_run_before_anything_is_asked() -> None:
    async def identified(url: str, name: str) -> Any:
        model = GeminiModel(name, url)
        try:
            return await model.identify()
        finally:
            await model.close()

    with GeminiServer(Backend(), models=[MODEL]) as server:
        assert asyncio.run(identified(server.base_url, MODEL)) == {"name": f"models/{MODEL}", "version": "001"}
        with pytest.raises(RejectedError, match="gemini-2.0-flash is not found"):
            asyncio.run(identified(server.base_url, "gemini-2.0-flash"))
    assert server.journal.hits == []
