"""Answers that are not of the documented form."""

import asyncio
import base64
import json
from typing import Any

import pytest

from evalkit.errors import TransientError
from evalkit.types import Response, Usage
from model_adapters.openai.models import ChatModel
from tests.model_adapters.serving import RawServer, ask_raw, asking, http


def _choice(**message: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def _call(**function: Any) -> dict[str, Any]:
    return _choice(content=None, tool_calls=[{"id": "a", "function": function}])


@pytest.mark.parametrize(
    "document",
    [
        [],
        None,
        "fine",
        {"choices": None},
        {"choices": [{"text": "fine"}]},
        {"choices": [{"message": None}]},
        _choice(content=[{"type": "image", "url": "x"}]),
        _choice(content={"words": "fine"}),
        _choice(content=5),
        _choice(content=None, audio={"transcript": {"x": 1}}),
        _call(arguments="{}"),
        _call(name=5, arguments="{}"),
        _choice(content=None, audio={"data": "not base64!", "transcript": ""}),
        _choice(content=None, audio={"data": base64.b64encode(b"RIFF").decode(), "transcript": ""}),
    ],
    ids=repr,
)
def test_an_answer_of_another_form_is_no_answer(document: Any) -> None:
    failure, _ = ask_raw(http(document), lambda url: ChatModel("m", url))
    assert isinstance(failure, TransientError)
    assert (failure.unavailable, failure.overloaded) == (False, False)


def _events(*chunks: Any) -> bytes:
    lines = [f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk)}\n\n" for chunk in chunks]
    return http("".join(lines).encode(), content_type="text/event-stream")


def _delta(finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


@pytest.mark.parametrize(
    "chunks",
    [
        (),
        ("[DONE]",),
        (_delta(content="half"),),
        (_delta(content="half"), {"choices": [{"delta": {}}]}),
        (_delta(content="half"), _delta(content={"x": 1}), _delta("stop"), "[DONE]"),
        (_delta(tool_calls=[{"index": 0, "function": {"arguments": {"x": 1}}}]), _delta("stop"), "[DONE]"),
        (_delta(audio={"data": "not base64!"}), _delta("stop"), "[DONE]"),
        (["x"], "[DONE]"),
        ({"object": "ping"}, "[DONE]"),
    ],
    ids=repr,
)
def test_a_stream_of_another_form_is_no_answer(chunks: tuple[Any, ...]) -> None:
    failure, _ = ask_raw(_events(*chunks), lambda url: ChatModel("m", url, stream=True))
    assert isinstance(failure, TransientError)
    assert (failure.unavailable, failure.overloaded) == (False, False)


def test_a_stream_that_comes_without_usage_or_an_end_mark_but_finished_is_an_answer() -> None:
    response, _ = ask_raw(
        _events(_delta(content="Good "), _delta(content="day"), _delta("stop")),
        lambda url: ChatModel("m", url, stream=True),
    )
    assert isinstance(response, Response)
    assert (response.text, response.usage) == ("Good day", Usage(requests=1))


def test_a_stream_that_is_given_up_gives_its_connection_back() -> None:
    """More failures than connections: one that a failure kept would be missing in the end."""
    server = RawServer(_events(_delta(content="half"), {"object": "ping"}, *[_delta(content="x" * 1000)] * 500))

    async def main() -> list[Exception]:
        failures: list[Exception] = []
        async with server.running():
            model = ChatModel("m", server.base_url, stream=True, limits={"concurrency": 2})
            for _ in range(5):
                try:
                    async with asyncio.timeout(5):
                        await model.answer(asking())
                except (TransientError, TimeoutError) as error:
                    failures.append(error)
            await model.close()
        return failures

    assert [type(failure) for failure in asyncio.run(main())] == [TransientError] * 5
