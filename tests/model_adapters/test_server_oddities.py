"""Good answers in the odd forms that servers give them, and errors that stand where answers should."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.audio import Audio
from evalkit.audio.wav import wav_of_samples
from evalkit.errors import PermanentError, TransientError
from evalkit.types import Response, ToolCall, Usage
from model_adapters.openai.models import ChatModel, TranscriptionModel
from tests.conftest import DEMO_SPEECH
from tests.model_adapters.serving import Backend, ask, ask_raw, asking, http, outcomes
from tests.servers import oddities
from tests.servers.backends import Answer, Called, ServedRequest
from tests.servers.errors import ApiError
from tests.servers.oddities import Oddity
from tests.servers.openai_server import OpenAIServer
from tests.servers.sound import tone

TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
CALLS = (Called("get_weather", '{"city": "Ulm", "days": {"city": [1]}}'), Called("get_weather", '{"city": "Rom"}'))
WORDS = "  Ça va,\n是的 [DONE]. "


def _answer(oddity: Oddity | None, answer: Answer, request: Any = None, **settings: Any) -> Response:
    """What a model is read to have answered, without what stands beside the answer."""
    with OpenAIServer(Backend(answer), oddity=oddity or (lambda reply: reply)) as server:
        (response,) = ask(ChatModel("m", server.base_url, **settings), request or asking())
    assert server.journal.violations == []
    return replace(response, usage=None, notes=(), finish_reason=None, logprobs=())


def _named(*groups: Mapping[str, Oddity]) -> Any:
    named = [(name, oddity) for group in groups for name, oddity in group.items()]
    return pytest.mark.parametrize("oddity", [oddity for _, oddity in named], ids=[name for name, _ in named])


@_named(oddities.WHOLE, oddities.WIRE)
def test_words_are_read_in_every_form(oddity: Oddity) -> None:
    assert _answer(oddity, Answer((WORDS,))) == Response(text=WORDS)


@_named(oddities.STREAMED)
def test_streamed_words_are_read_in_every_form(oddity: Oddity) -> None:
    assert _answer(oddity, Answer((WORDS,)), stream=True) == Response(text=WORDS)


@_named(oddities.CALLS, oddities.WIRE)
def test_calls_are_read_in_every_form(oddity: Oddity) -> None:
    answer, request = Answer(("",), tool_calls=CALLS), asking(tools=(TOOL,))
    assert _answer(oddity, answer, request) == _answer(None, answer, request)


@_named(oddities.STREAMED_CALLS)
def test_streamed_calls_are_read_in_every_form(oddity: Oddity) -> None:
    answer, request = Answer(("",), tool_calls=CALLS), asking(tools=(TOOL,))
    read = _answer(oddity, answer, request, stream=True)
    expected = _answer(None, answer, request, stream=True)
    assert [(call.name, call.arguments) for call in read.tool_calls] == [(call.name, call.arguments) for call in CALLS]
    assert [call.id for call in read.tool_calls] in (
        [call.id for call in expected.tool_calls],
        ["call_0", "call_1"],  # where the server gives none
    )


@_named(oddities.ABSENT_ARGUMENTS)
def test_a_call_without_arguments_has_an_empty_object_of_them(oddity: Oddity) -> None:
    answer = Answer(("",), tool_calls=(Called("get_time", "{}"),))
    assert _answer(oddity, answer, asking(tools=(TOOL,))).tool_calls == (ToolCall("get_time", "{}", "call_0_0"),)


def test_calls_without_ids_of_their_own_get_some_by_which_tools_can_answer() -> None:
    calls = [{"id": identifier, "function": {"name": "f"}} for identifier in (None, "x", "x", 7)]
    document = {"choices": [{"message": {"tool_calls": calls}}]}
    response, _ = ask_raw(http(document), lambda url: ChatModel("m", url))
    assert isinstance(response, Response)
    assert [call.id for call in response.tool_calls] == ["call_0", "x", "call_2", "7"]


def test_the_form_of_calls_before_there_were_several_is_read() -> None:
    document = {"choices": [{"message": {"content": None, "function_call": {"name": "f", "arguments": "{}"}}}]}
    response, _ = ask_raw(http(document), lambda url: ChatModel("m", url))
    assert isinstance(response, Response)
    assert response.tool_calls == (ToolCall("f", "{}", "call_0"),)


@_named(oddities.SPOKEN, oddities.WIRE)
def test_spoken_answers_are_heard_in_every_form(oddity: Oddity) -> None:
    speech = tone(0.21)
    answer = Answer(("Good morning.",), speech=speech)
    response = _answer(oddity, answer, asking(output="speech"), speech_output=True)
    assert response.text == "Good morning."
    assert response.speech is not None
    expected = np.frombuffer(speech, "<i2") / 32_768
    np.testing.assert_allclose(response.speech.waveform(24_000), expected, atol=1e-6)


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_only_streams_or_never_does_is_read_as_it_answers(stream: bool) -> None:
    chunks = b'data: {"choices": [{"delta": {"content": "fine"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    whole = {"choices": [{"message": {"content": "fine"}}]}
    for answer in (http(chunks, content_type="text/plain"), http(whole, content_type="text/event-stream")):
        response, _ = ask_raw(answer, lambda url: ChatModel("m", url, stream=stream))
        assert isinstance(response, Response)
        assert response.text == "fine"


@_named(oddities.ERRORS)
def test_an_error_inside_a_good_status_is_a_failed_attempt(oddity: Oddity) -> None:
    with OpenAIServer(Backend(), oddity=oddity) as server:
        (failure,) = outcomes(ChatModel("m", server.base_url), asking())
    assert isinstance(failure, TransientError)
    assert "the server answered with an error" in str(failure)
    assert not failure.unavailable  # it was there, so the attempt counts


@_named(oddities.STREAMED_ERRORS)
def test_an_error_inside_a_stream_is_a_failed_attempt(oddity: Oddity) -> None:
    with OpenAIServer(Backend(), oddity=oddity) as server:
        (failure,) = outcomes(ChatModel("m", server.base_url, stream=True), asking())
    assert isinstance(failure, TransientError)
    assert "the server answered with an error" in str(failure)


@pytest.mark.parametrize(
    ("usage", "expected", "noted"),
    [
        ('{"prompt_tokens": -5, "completion_tokens": 3}', Usage(1, output_tokens=3), "prompt_tokens is -5"),
        ('{"prompt_tokens": NaN, "completion_tokens": 3}', Usage(1, output_tokens=3), None),
        ('{"prompt_tokens": "12"}', Usage(1), "prompt_tokens is '12'"),
        ('"free"', Usage(1), "usage is 'free'"),
        ('{"prompt_tokens": 4.0}', Usage(1, input_tokens=4), None),
        (
            '{"prompt_tokens": 4, "prompt_tokens_details": {"audio_tokens": 9}}',
            Usage(1, input_tokens=4, input_audio_tokens=4),
            None,
        ),
        ('{"input_tokens": 4, "output_tokens": 2}', Usage(1, input_tokens=4, output_tokens=2), None),
    ],
)
def test_what_can_be_read_of_the_usage_is_counted_and_the_rest_noted(
    usage: str, expected: Usage, noted: str | None
) -> None:
    with OpenAIServer(Backend(), oddity=oddities.with_usage(usage)) as server:
        (response,) = ask(ChatModel("m", server.base_url), asking())
    assert (response.text, response.usage) == ("fine", expected)
    assert len(response.notes) == (noted is not None)
    assert all(noted is not None and noted in line for line in response.notes)


def test_a_refusal_among_the_parts_is_a_refusal() -> None:
    parts = [{"type": "refusal", "refusal": "I can't help with that."}]
    failure, _ = ask_raw(http({"choices": [{"message": {"content": parts}}]}), lambda url: ChatModel("m", url))
    assert isinstance(failure, PermanentError)
    assert str(failure) == "the model refused: I can't help with that."


def test_half_a_surrogate_pair_is_replaced_before_anybody_keeps_it() -> None:
    document = {"choices": [{"message": {"content": "a \ud83d b", "tool_calls": [{"function": {"name": "\udc00"}}]}}]}
    response, _ = ask_raw(http(document), lambda url: ChatModel("m", url))
    assert isinstance(response, Response)
    assert (response.text, response.tool_calls[0].name) == ("a \ufffd b", "\ufffd")


@pytest.mark.parametrize("stream", [False, True])
def test_nesting_without_end_is_a_failed_attempt(stream: bool) -> None:
    body = b'{"choices": ' + b"[" * 100_000
    answer = http(b"data: " + body + b"\n\n", content_type="text/event-stream") if stream else http(body)
    failure, _ = ask_raw(answer, lambda url: ChatModel("m", url, stream=stream))
    assert isinstance(failure, TransientError)
    assert len(str(failure)) < 700


def test_sound_that_cannot_be_read_beside_good_words_is_noted_and_left() -> None:
    message = {"content": "fine", "audio": {"data": "no base64!"}}
    response, _ = ask_raw(http({"choices": [{"message": message}]}), lambda url: ChatModel("m", url))
    assert isinstance(response, Response)
    assert (response.text, response.speech) == ("fine", None)
    assert response.notes == ("the sound beside the answer cannot be read: its sound is no base64",)
    failure, _ = ask_raw(
        http({"choices": [{"message": message}]}),
        lambda url: ChatModel("m", url, speech_output=True),
        asking(output="speech"),
    )
    assert isinstance(failure, TransientError)
    assert str(failure) == "the spoken answer cannot be read: its sound is no base64"


@pytest.mark.parametrize("part", ["base64", "data_url", "audio_url"])
def test_a_recording_is_sent_in_the_form_that_the_server_takes(part: Any) -> None:
    path = sorted((DEMO_SPEECH / "audio").iterdir())[0]
    bodies: list[bytes] = []

    async def main() -> None:
        model = ChatModel("m", "http://127.0.0.1:1/v1", audio_part=part)
        bodies.append(await model._format.body(asking(Audio("a", path)), 1))
        await model.close()

    asyncio.run(main())
    (content,) = json.loads(bodies[0])["messages"][0]["content"]
    url = content["audio_url"]["url"] if part == "audio_url" else content["input_audio"]["data"]
    if part != "base64":
        assert url.startswith("data:audio/wav;base64,")
    assert base64.b64decode(url.rpartition(",")[2], validate=True).startswith(b"RIFF")


@pytest.mark.parametrize("first", ["header", "bare"])
def test_streamed_speech_may_be_cut_anywhere_and_be_a_file(first: str) -> None:
    samples = tone(0.1)
    content = wav_of_samples(samples, 16_000) if first == "header" else samples
    text = base64.b64encode(content).decode()
    pieces = [text[start : start + 1001] for start in range(0, len(text), 1001)]
    deltas: list[dict[str, Any]] = [{"audio": {"data": piece}} for piece in pieces]
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in [*deltas, {"audio": {"transcript": "hi"}}]]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    response, _ = ask_raw(
        http(body.encode(), content_type="text/event-stream"),
        lambda url: ChatModel("m", url, stream=True, speech_output=True, speech_rate=8_000),
        asking(output="speech"),
    )
    assert isinstance(response, Response), response
    assert response.speech is not None
    response.speech.waveform(16_000)
    assert response.speech.duration == pytest.approx(len(samples) / 2 / (16_000 if first == "header" else 8_000))


# --- transcriptions


def _recording() -> Audio:
    path: Path = sorted((DEMO_SPEECH / "audio").iterdir())[0]
    return Audio(path.name, path)


@_named(
    oddities.WIRE,
    {name: oddity for name, oddity in oddities.WHOLE.items() if name.startswith(("usage", "no usage", "error null"))},
)
def test_transcriptions_are_read_in_every_form(oddity: Oddity) -> None:
    with OpenAIServer(Backend("two words"), oddity=oddity) as server:
        (response,) = ask(TranscriptionModel("gpt-4o-transcribe", server.base_url), asking(_recording()))
    assert response.text == "two words"
    assert response.usage is not None
    assert response.usage.requests == 1


@pytest.mark.parametrize("document", [{"text": None}, {"text": 5}, {}, "two words", {"error": "busy", "text": ""}])
def test_what_is_no_transcription_is_a_failed_attempt(document: Any) -> None:
    failure, _ = ask_raw(http(document), lambda url: TranscriptionModel("m", url), asking(_recording()))
    assert isinstance(failure, TransientError)


@pytest.mark.parametrize(("known", "asked", "requests"), [(("zh",), "as 'zh'", 2), ((), "without a hint", 3)])
def test_a_recogniser_that_does_not_know_a_language_is_asked_another_way(
    known: tuple[str, ...], asked: str, requests: int
) -> None:
    hints: list[Any] = []

    def backend(request: ServedRequest) -> Answer:
        hints.append(request.fields.get("language"))
        if hints[-1] not in (None, *known):
            raise ApiError(400, f"Unsupported language: {hints[-1]}.", param="language")
        return Answer(("好",))

    request = asking(_recording(), language="yue")  # which the strict server itself refuses
    with OpenAIServer(backend) as server:
        first, second = ask(TranscriptionModel("m", server.base_url), request, request)
    assert hints == (["zh", "zh"] if known else ["zh", None, None]), "what was learnt is not asked again"
    assert first.text == second.text == "好"
    assert first.notes == (f"the server does not know the language 'yue': asked {asked}",) == second.notes
    assert first.usage is not None
    assert first.usage.requests == requests
    assert second.usage is not None
    assert second.usage.requests == 1
