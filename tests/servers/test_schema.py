"""What the server takes and what it refuses, checked from outside with raw HTTP."""

import base64
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from openai.types.audio.transcription_create_params import TranscriptionCreateParamsBase
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from tests.servers.backends import Answer, ServedRequest
from tests.servers.clients import (
    WEATHER,
    chat,
    connect,
    exchange,
    file_part,
    post_chat,
    post_form,
    recording,
    text_part,
)
from tests.servers.openai_server import OpenAIServer
from tests.servers.schema import ChatRequest, TranscriptionForm

WAV = recording()
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
USER = {"role": "user", "content": "What is the weather?"}
TOOL = {"role": "tool", "tool_call_id": "call_1", "content": "rain"}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
AUDIO = {"voice": "alloy", "format": "wav"}


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


def audio(data: str, format_: str = "wav", **more: Any) -> dict[str, Any]:
    part = {"type": "input_audio", "input_audio": {"data": data, "format": format_}, **more}
    return {"model": "m", "messages": [{"role": "user", "content": [part]}]}


def talk(*messages: object, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages), **fields}


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_every_documented_field_is_checked_or_refused_on_purpose() -> None:
    refused = {
        "function_call",
        "functions",
        "moderation",
        "prediction",
        "prompt_cache_options",
        "prompt_cache_retention",
        "web_search_options",
    }
    documented = set(CompletionCreateParamsBase.__annotations__) | {"stream"}
    assert set(ChatRequest.model_fields) == documented - refused
    refused = {"known_speaker_names", "known_speaker_references"}
    documented = set(TranscriptionCreateParamsBase.__annotations__) - {"file"}
    taken = {(field.alias or name).removesuffix("[]") for name, field in TranscriptionForm.model_fields.items()}
    assert taken == documented - refused


@pytest.mark.parametrize(
    "request_",
    [
        talk({"role": "system", "content": "Be brief."}, {"role": "developer", "content": "Really."}, USER),
        chat("Listen:", WAV, "What is said?"),
        audio(encoded(recording(container="MP3")), "mp3"),
        talk(USER, CALLING, TOOL, {"role": "assistant", "content": "Rain."}, USER, tools=[WEATHER]),
        talk(USER, tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "weather"}}),
        chat(n=3, temperature=0, top_p=1, seed=1, stop=["a", "b"], logprobs=True, top_logprobs=20),
        chat(modalities=["text", "audio"], audio=AUDIO, max_completion_tokens=5),
        chat(stream=True, stream_options={"include_usage": True}, frequency_penalty=-2, presence_penalty=2.0),
        chat("Answer in JSON.", response_format={"type": "json_object"}),
        chat(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}),
        chat(temperature=None, stop=None, n=None),
    ],
)
def test_documented_requests_are_answered(server: OpenAIServer, request_: object) -> None:
    received = post_chat(server, request_)
    assert received.status == 200, received.body


@pytest.mark.parametrize(
    ("request_", "param", "code"),
    [
        (talk(USER, model=None), "model", "invalid_type"),
        ({"messages": [USER]}, "model", "missing_required_parameter"),
        ({"model": "m"}, "messages", "missing_required_parameter"),
        (talk(), "messages", "invalid_value"),
        (chat(temprature=1), "temprature", "unknown_parameter"),
        (chat(top_k=5), "top_k", "unknown_parameter"),
        (talk({"role": "human", "content": "x"}), "messages[0]", "invalid_value"),
        (talk({"role": "user"}), "messages[0].content", "missing_required_parameter"),
        (talk({"role": "user", "content": None}), "messages[0].content", "invalid_type"),
        (talk({"role": "user", "content": []}), "messages[0].content", "invalid_value"),
        (talk({**USER, "audio": "x"}), "messages[0].audio", "unknown_parameter"),
        (talk({"role": "user", "content": [{"type": "audio"}]}), "messages[0].content[0]", "invalid_value"),
        (talk({"role": "user", "content": [{"type": "text"}]}), "messages[0].content[0].text", None),
        (audio("no base64!"), "messages[0].content[0].input_audio", "invalid_value"),
        (audio(encoded(WAV)[:-2]), "messages[0].content[0].input_audio", "invalid_value"),
        (audio(encoded(b"RIFF" + bytes(100))), "messages[0].content[0].input_audio", "invalid_value"),
        (audio(encoded(WAV[:-100])), "messages[0].content[0].input_audio", "invalid_value"),
        (audio(encoded(WAV), "mp3"), "messages[0].content[0].input_audio", "invalid_value"),
        (audio(encoded(recording(0))), "messages[0].content[0].input_audio", "invalid_value"),
        (audio(encoded(WAV), "flac"), "messages[0].content[0].input_audio.format", "invalid_value"),
        (audio(encoded(WAV), url="x"), "messages[0].content[0].url", "unknown_parameter"),
        (talk({"role": "system", "content": [chat(WAV)["messages"][0]["content"][0]]}), None, None),
        (talk({"role": "assistant", "content": None}, USER), "messages[0]", "invalid_value"),
        (talk(USER, {**CALLING, "tool_calls": None}), "messages[1]", "invalid_value"),
        (talk(USER, {**CALLING, "tool_calls": []}, USER), "messages[1].tool_calls", "invalid_value"),
        (talk(USER, TOOL), "messages[1].tool_call_id", None),
        (talk(USER, CALLING), "messages", None),
        (talk(USER, CALLING, USER), "messages[2]", None),
        (talk(USER, CALLING, TOOL, TOOL), "messages[3].tool_call_id", None),
        (chat(tools=[]), "tools", "invalid_value"),
        (chat(tools=None), None, "invalid_value"),
        (chat(tools=[WEATHER, WEATHER]), "tools", None),
        (chat(tools=[{"type": "function", "function": {"name": "two words"}}]), "tools[0].function.name", None),
        (
            chat(tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]),
            "tools[0].function.parameters",
            "invalid_value",
        ),
        (chat(tools=[WEATHER["function"]]), "tools[0].type", "missing_required_parameter"),
        (chat(tool_choice="auto"), "tool_choice", None),
        (chat(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "f"}}), "tool_choice", None),
        (chat(modalities=["text", "audio"]), "audio", "missing_required_parameter"),
        (chat(modalities=["speech"]), "modalities[0]", "invalid_value"),
        (chat(audio=AUDIO), "audio", "invalid_value"),
        (chat(modalities=["text", "audio"], audio=AUDIO, stream=True), "audio.format", "unsupported_value"),
        (chat(modalities=["text", "audio"], audio={"format": "wav"}), "audio.voice", "missing_required_parameter"),
        (chat(n=0), "n", "invalid_value"),
        (chat(n=True), "n", "invalid_type"),
        (chat(n="2"), "n", "invalid_type"),
        (chat(temperature=2.1), "temperature", "invalid_value"),
        (chat(top_p=-0.1), "top_p", "invalid_value"),
        (chat(seed=0.5), "seed", None),
        (chat(max_tokens=0), "max_tokens", "invalid_value"),
        (chat(max_tokens=5, max_completion_tokens=5), "max_tokens", None),
        (chat(stop=list("abcde")), "stop", "invalid_value"),
        (chat(top_logprobs=2), "top_logprobs", None),
        (chat(logprobs=True, top_logprobs=21), "top_logprobs", "invalid_value"),
        (chat(stream_options={"include_usage": True}), "stream_options", None),
        (chat(response_format={"type": "json_object"}), "messages", None),
        (chat(response_format={"type": "json_schema"}), "response_format", "invalid_value"),
        (b'{"model": "m", "model": "n", "messages": []}', None, None),
        (b'{"model": "m"', None, None),
        (b"[]", None, "invalid_value"),
    ],
)
def test_undocumented_requests_are_refused(
    server: OpenAIServer, request_: object, param: str | None, code: str | None
) -> None:
    before = len(server.journal.violations)
    received = post_chat(server, request_)
    assert received.status == 400
    error = received.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert param is None or error["param"] == param, error
    assert code is None or error["code"] == code, error
    assert [violation.param for violation in server.journal.violations[before:]] == [error["param"]]


def test_additions_of_vllm_are_taken_only_where_wanted() -> None:
    with OpenAIServer(vllm=True) as server:
        extras = {"top_k": 5, "repetition_penalty": 1.1, "chat_template_kwargs": {"enable_thinking": False}}
        assert post_chat(server, chat(**extras)).status == 200
        assert post_chat(server, chat(top_k="5")).json["error"]["param"] == "top_k"
        assert post_chat(server, chat(topk=5)).json["error"]["code"] == "unknown_parameter"


MODEL = text_part("model", "whisper-1")


@pytest.mark.parametrize(
    ("parts", "param", "status"),
    [
        ([file_part(WAV)], "model", 400),
        ([MODEL], "file", 400),
        ([MODEL, text_part("file", "speech")], "file", 400),
        ([MODEL, file_part(WAV), file_part(WAV)], "file", 400),
        ([MODEL, MODEL, file_part(WAV)], "model", 400),
        ([MODEL, file_part(WAV[:-10])], "file", 400),
        ([MODEL, file_part(WAV, "speech.flac")], "file", 400),
        ([MODEL, file_part(WAV, "speech")], "file", 400),
        ([MODEL, file_part(bytes(26 * 2**20))], "file", 413),
        ([MODEL, file_part(WAV), text_part("lang", "en")], "lang", 400),
        ([MODEL, file_part(WAV), text_part("language", "english")], "language", 400),
        ([MODEL, file_part(WAV), text_part("temperature", "1.5")], "temperature", 400),
        ([MODEL, file_part(WAV), text_part("temperature", "cold")], "temperature", 400),
        ([MODEL, file_part(WAV), text_part("response_format", "xml")], "response_format", 400),
        ([MODEL, file_part(WAV), text_part("timestamp_granularities[]", "word")], None, 400),
        ([text_part("model", "gpt-4o-transcribe"), file_part(WAV), text_part("response_format", "text")], None, 400),
        ([MODEL, file_part(WAV), ("content-type: text/plain", b"x")], None, 400),
    ],
)
def test_undocumented_forms_are_refused(
    server: OpenAIServer, parts: list[tuple[str, bytes]], param: str | None, status: int
) -> None:
    received = post_form(server, *parts)
    assert (received.status, received.json["error"]["param"]) == (status, param), received.body


def test_a_form_with_every_field_is_answered_and_its_file_survives_byte_by_byte() -> None:
    taken: list[ServedRequest] = []
    samples = b"\r\n--b0undar\r\n\r\n--\r\r\n\n" * 800
    header = WAV[:4] + (36 + len(samples)).to_bytes(4, "little") + WAV[8:40] + len(samples).to_bytes(4, "little")
    fields = {"language": "en", "prompt": "Ä: names", "response_format": "verbose_json", "temperature": "0.5"}

    def backend(request: ServedRequest) -> Answer:
        taken.append(request)
        return Answer(("words",))

    with OpenAIServer(backend) as server:
        parts = [MODEL, file_part(header + samples), *(text_part(name, value) for name, value in fields.items())]
        parts += [text_part("timestamp_granularities[]", name) for name in ("word", "segment")]
        received = post_form(server, *parts)
    assert received.status == 200, received.body
    assert taken[0].sounds[0].data == header + samples
    granularities = {"timestamp_granularities[]": ["word", "segment"]}
    assert taken[0].fields == {"model": "whisper-1", **fields, **granularities}
    assert set(received.json) == {"text", "language", "duration", "segments", "words", "usage"}


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/completions", "POST", 404), ("/chat/completions", "GET", 405), ("/chat/completions", "POST", 400)],
)
def test_other_addresses_methods_and_content_types(server: OpenAIServer, path: str, method: str, status: int) -> None:
    body = json.dumps(chat()).encode()
    assert exchange(connect(server), path, body, {"content-type": "text/plain"}, method).status == status


def test_a_connection_is_kept_alive_and_chunked_bodies_are_read() -> None:
    with OpenAIServer() as server:
        connection = connect(server)
        body = json.dumps(chat(WAV)).encode()
        for chunked in (False, True, False):
            sent = (body[start : start + 1000] for start in range(0, len(body), 1000)) if chunked else body
            connection.request(
                "POST", "/v1/chat/completions", sent, {"content-type": "application/json"}, encode_chunked=chunked
            )
            response = connection.getresponse()
            assert response.status == 200, response.read()
            response.read()
        assert server.journal.connections == 1
        assert list(server.journal.answered().values()) == [3]


def test_a_client_that_waits_for_permission_to_send_gets_it(server: OpenAIServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as raw:
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        body = json.dumps(chat()).encode()
        raw.sendall(f"{head}content-length: {len(body)}\r\nexpect: 100-continue\r\n\r\n".encode())
        assert raw.recv(1000).startswith(b"HTTP/1.1 100")
        raw.sendall(body)
        assert raw.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent",
    [b"nonsense\r\n\r\n", b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\nhalf"],
)
def test_what_is_not_http_is_a_violation(sent: bytes) -> None:
    with OpenAIServer() as server, socket.create_connection(("127.0.0.1", server.port), timeout=60) as raw:
        raw.sendall(sent)
        raw.shutdown(socket.SHUT_WR)
        assert raw.recv(1000).startswith(b"HTTP/1.1 400")
        assert len(server.journal.violations) == 1


def test_keys_and_models_are_checked() -> None:
    with OpenAIServer(key="sk-right", models=["m"]) as server:
        assert post_chat(server, chat(), authorization="Bearer sk-right").status == 200
        wrong = post_chat(server, chat(), authorization="Bearer sk-wrong")
        assert (wrong.status, wrong.json["error"]["code"]) == (401, "invalid_api_key")
        assert "sk-wrong" in wrong.json["error"]["message"], "some servers repeat the key: clients must not log it"
        assert post_chat(server, chat()).status == 401
        unknown = post_chat(server, chat() | {"model": "other"}, authorization="Bearer sk-right")
        assert (unknown.status, unknown.json["error"]["code"]) == (404, "model_not_found")
        assert server.journal.outcomes() == {"answered": 1, "unauthorised": 2, "refused": 1}
        listed = exchange(connect(server), "/models", b"", {"authorization": "Bearer sk-right"}, "GET")
        assert [model["id"] for model in listed.json["data"]] == ["m"]
        assert exchange(connect(server), "/models", b"", {}, "GET").status == 401
