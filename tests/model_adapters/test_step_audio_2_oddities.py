"""Odd answers of servers of Step-Audio 2: what its protocol shares with the plain one is read alike."""

import json
from typing import Any

import pytest

from evalkit.errors import TransientError
from evalkit.types import Response, ToolCall, Usage
from model_adapters.step_audio_2.served import StepAudio2Server
from tests.model_adapters.serving import ask_raw, asking, http

TOOL = {"type": "function", "function": {"name": "search", "parameters": {"type": "object", "properties": {}}}}


def _choice(finish_reason: Any = "stop", **message: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]}


def _read(document: Any, *, stream: bool = False, **request: Any) -> Response | Exception:
    if stream:
        body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in document) + "data: [DONE]\n\n"
        answer = http(body.encode(), content_type="text/event-stream")
    else:
        answer = http(document, content_type="text/plain")
    response, _ = ask_raw(answer, lambda url: StepAudio2Server("m", url, stream=stream), asking(**request))
    return response


@pytest.mark.parametrize(
    "document",
    [
        _choice(content=[{"type": "text", "text": "fine"}]),
        _choice(content="fine", tts_content={"tts_text": None, "tts_audio": None}),
        _choice(content="fine", tts_content={"tts_audio": "", "tts_seconds": 1.5}),
        {**_choice(content="fine"), "usage": {"prompt_tokens": "many"}},
        {**_choice(content="fine"), "error": None},
        {"choices": [None, *_choice(0, content="fine")["choices"]]},
    ],
    ids=repr,
)
def test_words_are_read_in_every_form(document: Any) -> None:
    response = _read(document)
    assert isinstance(response, Response), response
    assert (response.text, response.usage) == ("fine", Usage(requests=1))


@pytest.mark.parametrize("arguments", [{"q": "a"}, '{"q": "a"}'])
def test_calls_are_read_in_every_form(arguments: Any) -> None:
    call = {"function": {"name": "search", "arguments": arguments}}
    response = _read(_choice(content=None, tool_calls=[call]), tools=(TOOL,))
    assert isinstance(response, Response), response
    assert response.tool_calls == (ToolCall("search", '{"q": "a"}', "call_0"),)
    chunks = [{"choices": [{"delta": {"tool_calls": [call]}}]}]
    streamed = _read(chunks, stream=True, tools=(TOOL,))
    assert isinstance(streamed, Response), streamed
    assert streamed.tool_calls == response.tool_calls


def test_a_stream_may_leave_fields_null() -> None:
    chunks = [
        {"choices": [{"index": None, "delta": {"content": "fi", "tts_content": None}}]},
        {"choices": None, "usage": "none"},
        {"choices": [{"delta": {"content": "ne", "tts_content": {"tts_text": None, "tts_audio": None}}}]},
    ]
    response = _read(chunks, stream=True)
    assert isinstance(response, Response), response
    assert response.text == "fine"


def test_an_error_inside_a_good_status_is_a_failed_attempt() -> None:
    error = {"code": 500, "message": "CUDA"}
    for document in ({"error": error}, {**_choice("error", content=""), "error": error}, _choice("error", content="")):
        assert isinstance(_read(document), TransientError)
    chunk = {"choices": [{"delta": {"content": ""}, "finish_reason": "error"}]}
    assert isinstance(_read([chunk], stream=True), TransientError)
