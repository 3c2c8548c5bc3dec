"""The server behind the official client, and what its journal says of it."""

import asyncio
import base64
import io
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import openai
import pytest
import soundfile
from openai.types import Model
from openai.types.audio import Transcription, TranscriptionVerbose
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from tests.conftest import DEMO_SPEECH
from tests.servers.backends import Answer, Called, Tokens, digest_answer, scripted_backend, transcriber_backend
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
from tests.servers.faults import Fault, Faults
from tests.servers.openai_server import OpenAIServer
from tests.servers.sound import SPEECH_RATE, decode, tone

T = TypeVar("T")

SPEECH = tone(0.5)
SPOKEN = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
CALLS = Answer(("",), tool_calls=(Called("weather", '{"town": "Zürich"}'), Called("weather", '{"town": "Bern"}')))
NOISE = recording()


def ask(server: OpenAIServer, question: Callable[[openai.AsyncOpenAI], Awaitable[T]]) -> T:
    """Put a question through the official client."""

    async def asking() -> T:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="sk-test", max_retries=0) as client:
            return await question(client)

    return asyncio.run(asking())


def stream(server: OpenAIServer, **fields: Any) -> list[ChatCompletionChunk]:
    """The chunks that the official client makes of a streamed answer."""

    async def question(client: openai.AsyncOpenAI) -> list[ChatCompletionChunk]:
        chunks: AsyncIterator[ChatCompletionChunk] = await client.chat.completions.create(**fields, stream=True)
        return [chunk async for chunk in chunks]

    return ask(server, question)


def undocumented(value: object) -> Iterator[str]:
    """Names of fields that the official types do not have, at any depth."""
    if isinstance(value, BaseModel):
        yield from value.model_extra or ()
        yield from (name for field in value.__dict__.values() for name in undocumented(field))
    elif isinstance(value, list):
        yield from (name for item in value for name in undocumented(item))


def check(document: object, kind: type[BaseModel]) -> None:
    """Hold an answer against the official type; the client itself takes anything."""
    assert list(undocumented(kind.model_validate(document, strict=True))) == []


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        (Answer(("two words",)), {}),
        (Answer(("one", "two", "three")), {"n": 3, "logprobs": True, "top_logprobs": 2}),
        (Answer(("spoken words",), speech=SPEECH), SPOKEN),
        (CALLS, {"tools": [WEATHER]}),
        (Answer(refusal="I would rather not."), {}),
        (Answer(("cut",), finish_reason="length", tokens=Tokens(10, 5, 3, 0)), {}),
    ],
)
def test_chat_answers_are_of_the_documented_form(streamed: bool, answer: Answer, fields: dict[str, Any]) -> None:
    if streamed:
        fields = {**fields, "stream": True, "stream_options": {"include_usage": True}}
        if "audio" in fields:
            fields["audio"] = {"voice": "alloy", "format": "pcm16"}
    with OpenAIServer(scripted_backend([answer])) as server:
        received = post_chat(server, chat(**fields))
    if not streamed:
        check(received.json, ChatCompletion)
        return
    *events, end = received.events
    assert end == "[DONE]"
    chunks = [json.loads(event) for event in events]
    for chunk in chunks:
        check(chunk, ChatCompletionChunk)
    assert [chunk["usage"] is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert chunks[-1]["choices"] == []
    for choice in range(fields.get("n", 1)):
        own = [part for chunk in chunks for part in chunk["choices"] if part["index"] == choice]
        assert own[0]["delta"]["role"] == "assistant"
        assert [part["finish_reason"] is None for part in own] == [True] * (len(own) - 1) + [False]


def test_other_answers_are_of_the_documented_form() -> None:
    form = [text_part("model", "gpt-4o-transcribe"), file_part(NOISE)]
    whisper = [text_part("model", "whisper-1"), file_part(NOISE)]
    with OpenAIServer() as server:
        check(post_form(server, *form).json, Transcription)
        check(post_form(server, *form, text_part("include[]", "logprobs")).json, Transcription)
        check(post_form(server, *whisper).json, Transcription)
        check(post_form(server, *whisper, text_part("response_format", "verbose_json")).json, TranscriptionVerbose)
        plain = post_form(server, *whisper, text_part("response_format", "text"))
        (model,) = exchange(connect(server), "/models", b"", {}, "GET").json["data"]
        check(model, Model)
    assert plain.headers["content-type"].startswith("text/plain")
    assert plain.body.decode() == digest_answer((), [decode(NOISE, "wav")]) + "\n"


def test_the_official_client_gets_each_question_its_own_answers() -> None:
    with OpenAIServer(key="sk-test") as server:

        async def question(client: openai.AsyncOpenAI) -> list[ChatCompletion]:
            asked = [chat(f"question {number}", recording(seed=number), n=2) for number in range(8)]
            return list(await asyncio.gather(*(client.chat.completions.create(**fields) for fields in asked)))

        for number, completion in enumerate(ask(server, question)):
            sound = decode(recording(seed=number), "wav")
            expected = [digest_answer([f"question {number}"], [sound], choice) for choice in range(2)]
            assert [choice.message.content for choice in completion.choices] == expected
        assert not server.journal.violations
        assert set(server.journal.answered().values()) == {1}


def test_the_official_client_streams_text_of_several_choices_by_turns() -> None:
    with OpenAIServer() as server:
        chunks = stream(server, **chat("a", n=2), logprobs=True)
        fields = chat("a", n=2, logprobs=True)
        whole = ask(server, lambda client: client.chat.completions.create(**fields))
    for choice in whole.choices:
        own = [part for chunk in chunks for part in chunk.choices if part.index == choice.index]
        assert "".join(part.delta.content or "" for part in own) == choice.message.content
        entries = [entry for part in own if part.logprobs for entry in part.logprobs.content or ()]
        assert choice.logprobs is not None
        assert entries == choice.logprobs.content
    order = [part.index for chunk in chunks for part in chunk.choices]
    assert order[:4] == [0, 1, 0, 1]


def test_the_official_client_puts_tool_calls_together_from_pieces() -> None:
    with OpenAIServer(scripted_backend([CALLS, CALLS])) as server:
        chunks = stream(server, **chat(tools=[WEATHER]))
        whole = ask(server, lambda client: client.chat.completions.create(**chat(tools=[WEATHER])))
    arguments = {0: "", 1: ""}
    pieces = [call for chunk in chunks for part in chunk.choices for call in part.delta.tool_calls or ()]
    for piece in pieces:
        assert piece.function is not None
        arguments[piece.index] += piece.function.arguments or ""
    assert len(pieces) > 4
    assert list(arguments.values()) == [call.arguments for call in CALLS.tool_calls]
    assert whole.choices[0].finish_reason == "tool_calls"
    assert whole.choices[0].message.content is None
    calls = whole.choices[0].message.tool_calls
    assert calls is not None
    assert [call.model_dump()["function"]["arguments"] for call in calls] == list(arguments.values())


def test_the_official_client_hears_speech_streamed_and_whole() -> None:
    with OpenAIServer(scripted_backend([Answer(("spoken words",), speech=SPEECH)] * 5)) as server:
        spoken = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}}
        chunks = stream(server, **chat(), **spoken, stream_options={"include_usage": True})
        files = {}
        for format_ in ("wav", "flac", "mp3", "opus"):
            fields = chat(**{**SPOKEN, "audio": {"voice": "alloy", "format": format_}})
            completion = post_chat(server, fields).json
            files[format_] = base64.b64decode(completion["choices"][0]["message"]["audio"]["data"])
    audio = [part.delta.audio for chunk in chunks for part in chunk.choices if part.delta.audio]
    assert audio[0].id
    assert audio[-1].expires_at
    assert "".join(part.transcript or "" for part in audio) == "spoken words"
    assert b"".join(base64.b64decode(part.data) for part in audio if part.data) == SPEECH
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens_details is not None
    assert chunks[-1].usage.completion_tokens_details.audio_tokens == 5
    expected = np.frombuffer(SPEECH, "<i2")
    for format_, data in files.items():
        samples, rate = soundfile.read(io.BytesIO(data), dtype="int16")
        assert rate == SPEECH_RATE
        if format_ in ("wav", "flac"):
            np.testing.assert_array_equal(samples, expected)


@pytest.mark.slow
def test_a_real_recogniser_behind_the_transcription_endpoint() -> None:
    pytest.importorskip("pocketsphinx", reason="pocketsphinx is not installed")
    from evalkit.audio import Audio
    from evalkit.types import Message, Request
    from model_adapters.pocketsphinx import PocketSphinx

    paths = sorted((DEMO_SPEECH / "audio").glob("clean-slt-0[1-2].flac"))
    model = PocketSphinx()
    with OpenAIServer(transcriber_backend(model)) as server:

        async def question(client: openai.AsyncOpenAI) -> list[str]:
            transcribe = client.audio.transcriptions.create
            heard = (transcribe(model="gpt-4o-transcribe", file=path, language="en") for path in paths)
            return [transcription.text for transcription in await asyncio.gather(*heard)]

        texts = ask(server, question)
        assert not server.journal.violations
    direct = model.generate([Request((Message("user", (Audio(path.name, path),)),)) for path in paths])
    assert texts == [response.text for response in direct]
    assert len(set(texts)) == 2


def test_the_journal_counts_connections_and_concurrency() -> None:
    with OpenAIServer(latency=0.2, keep_bodies=True) as server:

        async def question(client: openai.AsyncOpenAI) -> None:
            for _ in range(2):
                asked = (client.chat.completions.create(**chat(f"{number}")) for number in range(6))
                await asyncio.gather(*asked)

        ask(server, question)
        journal = server.journal
        assert (journal.connections, journal.peak_concurrency, journal.in_flight) == (6, 6, 0)
        assert sorted(journal.answered().values()) == [2] * 6
        hits = journal.hits
        assert all(hit.finished - hit.arrived >= 0.2 for hit in hits)
        assert json.loads(hits[0].body)["model"] == "m"


def test_more_than_the_capacity_is_turned_away() -> None:
    with OpenAIServer(latency=0.3, capacity=2) as server:

        async def question(client: openai.AsyncOpenAI) -> list[object]:
            asked = (client.chat.completions.create(**chat(f"{number}")) for number in range(5))
            return list(await asyncio.gather(*asked, return_exceptions=True))

        results = ask(server, question)
    assert sum(isinstance(result, openai.RateLimitError) for result in results) == 3
    assert server.journal.outcomes() == {"answered": 2, "busy": 3}


def test_an_outage_closes_new_connections_and_old_ones() -> None:
    down = threading.Event()
    with OpenAIServer(outage=down.is_set) as server:
        connection = connect(server)
        body, headers = json.dumps(chat()).encode(), {"content-type": "application/json"}
        assert exchange(connection, "/chat/completions", body, headers).status == 200
        down.set()
        with pytest.raises(ConnectionError):
            exchange(connection, "/chat/completions", body, headers)
        with pytest.raises(ConnectionError):
            post_chat(server, chat())
        down.clear()
        assert post_chat(server, chat()).status == 200
        assert server.journal.turned_away == 2


@pytest.mark.slow
def test_the_official_client_gets_through_a_rain_of_faults() -> None:
    rates = dict.fromkeys(
        (Fault.TOO_MANY_MILLISECONDS, Fault.SERVER_ERROR, Fault.RESET_BEFORE, Fault.UNAVAILABLE), 0.15
    )
    with OpenAIServer(faults=Faults(3, rates, per_request_limit=2), retry_after=0.01) as server:

        async def question(client: openai.AsyncOpenAI) -> list[str | None]:
            patient = client.with_options(max_retries=2)
            asked = (patient.chat.completions.create(**chat(f"{number}")) for number in range(12))
            return [completion.choices[0].message.content for completion in await asyncio.gather(*asked)]

        assert ask(server, question) == [digest_answer([f"{number}"]) for number in range(12)]
        assert set(server.journal.answered().values()) == {1}
        assert sum(server.journal.outcomes().values()) > 12


def test_a_failing_backend_is_an_error_of_the_test() -> None:
    served = OpenAIServer(scripted_backend([]))
    with pytest.raises(LookupError, match="no answer left"), served, pytest.raises(ConnectionError):
        post_chat(served, chat())


def test_a_port_in_use_is_an_error_at_once() -> None:
    with OpenAIServer() as server, pytest.raises(OSError, match="in use"), OpenAIServer(port=server.port):
        pass
