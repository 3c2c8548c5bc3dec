"""The strict server of the Realtime API converses with OpenAI's own client, and refuses what is not documented."""

import asyncio
import base64
import json
from typing import Any

import aiohttp
import openai
import pytest

from tests.servers.backends import Answer
from tests.servers.realtime_server import RealtimeServer
from tests.servers.sound import tone

_GA = {"type": "session.update", "session": {"type": "realtime", "output_modalities": ["text"]}}
_BETA = {
    "type": "session.update",
    "session": {"modalities": ["text"], "input_audio_format": "pcm16", "turn_detection": None},
}


def _answers(server: RealtimeServer, *events: Any) -> list[Any]:
    """What the server sends until it closes, or has answered."""

    async def main() -> list[Any]:
        answers = []
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{server.base_url}/realtime", params={"model": "m"}) as socket,
        ):
            for event in events:
                await socket.send_json(event)
            async for message in socket:
                answers.append(json.loads(message.data))
                if answers[-1]["type"] == "response.done":
                    break
        return answers

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("dialect", "events"),
    [
        ("ga", [_BETA]),
        ("beta", [_GA]),
        ("ga", [{"type": "response.create"}]),
        ("ga", [{**_GA, "session": {**_GA["session"], "temperature": 1}}]),  # type: ignore[dict-item]
        ("ga", [{**_GA, "session": {**_GA["session"], "output_modalities": ["text", "audio", "smell"]}}]),  # type: ignore[dict-item]
        ("beta", [{**_BETA, "session": {**_BETA["session"], "turn_detection": "server_vad"}}]),  # type: ignore[dict-item]
        ("beta", [_BETA, {"type": "input_audio_buffer.commit"}]),
        ("beta", [_BETA, {"type": "input_audio_buffer.append", "audio": "AAAA"}, {"type": "response.create"}]),
        (
            "ga",
            [
                {
                    "type": "conversation.item.create",
                    "item": {"type": "function_call_output", "call_id": "c", "output": ""},
                }
            ],
        ),
    ],
)
def test_what_is_not_documented_is_refused(dialect: str, events: list[Any]) -> None:
    with RealtimeServer(dialect=dialect) as server:
        answers = _answers(server, *events)
    assert answers[-1]["type"] == "error"
    assert len(server.journal.violations) == 1


def test_openais_own_client_converses_with_it() -> None:
    pytest.importorskip("websockets")
    speech = tone(0.2)
    with RealtimeServer(lambda request: Answer(("one two",), speech=speech), key="sk-test") as server:
        client = openai.OpenAI(api_key="sk-test", base_url=server.base_url)
        words, sound = "", b""
        with client.realtime.connect(model="m") as connection:
            connection.session.update(session={"type": "realtime", "output_modalities": ["audio"]})
            part: Any = {"type": "input_audio", "audio": base64.b64encode(tone(0.1)).decode()}
            connection.conversation.item.create(item={"type": "message", "role": "user", "content": [part]})
            connection.response.create()
            for event in connection:
                if event.type == "response.output_audio_transcript.delta":
                    words += event.delta
                elif event.type == "response.output_audio.delta":
                    sound += base64.b64decode(event.delta)
                elif event.type == "response.done":
                    assert event.response.status == "completed"
                    break
    assert (words, sound) == ("one two", speech)
    assert server.journal.violations == []
