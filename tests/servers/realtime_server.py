"""A strict server of the Realtime API on 127.0.0.1, in a thread of a test: OpenAI's own events or the beta's.

with RealtimeServer(digest_backend, dialect="beta") as server:
    model = RealtimeModel("m", server.base_url, dialect="beta")
    ...
    assert not server.journal.violations
"""

import asyncio
import base64
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from aiohttp import WSMsgType, web
from pydantic import ValidationError

from tests.servers.backends import Answer, Backend, ServedRequest, digest_backend
from tests.servers.completions import prompt_tokens, words
from tests.servers.errors import ViolationError
from tests.servers.journal import Journal
from tests.servers.reading import request_digest
from tests.servers.realtime_schema import CLIENT_EVENTS
from tests.servers.sound import Sound
from tests.servers.threaded import ThreadedServer

Event = dict[str, Any]

_NAMES = {
    "ga": {"sound": "response.output_audio", "transcript": "response.output_audio_transcript", "text": "output_text"},
    "beta": {"sound": "response.audio", "transcript": "response.audio_transcript", "text": "text"},
}
_PIECE = 3_200


class RealtimeServer(ThreadedServer):
    """The server, and a context manager that runs it in a thread.

    Args:
        backend: what it answers.
        dialect: ``ga`` or ``beta``.
        key: that clients must send; None for no check.
        rate: of the samples that it hears, in hertz.
        fault: what goes wrong with a request, if anything: a status of HTTP in place of the conversation, or an event
            after which it is closed; ``{}`` closes it without a word.
        change: made to the events of every good answer before they are sent.
        model: that it says it is; None for the one that is asked for.

    Attributes:
        journal: what it saw.
    """

    def __init__(
        self,
        backend: Backend = digest_backend,
        *,
        dialect: str = "ga",
        key: str | None = None,
        rate: int = 24_000,
        fault: Callable[[], int | Event | None] = lambda: None,
        change: Callable[[list[Event]], Any] = lambda events: None,
        model: str | None = None,
    ) -> None:
        super().__init__()
        self.journal = Journal()
        self.base_url = ""
        self._backend = backend
        self._dialect = dialect
        self._key = key
        self._rate = rate
        self._fault = fault
        self._change = change
        self._model = model

    async def serve(self, started: Callable[[], None]) -> None:
        """Serve until cancelled; ``started`` is called once connections are accepted."""
        app = web.Application()
        app.router.add_get("/v1/realtime", self._converse)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        started()
        try:
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _converse(self, http: web.Request) -> web.StreamResponse:
        self.journal.connected()
        if self._key is not None and http.headers.get("authorization") != f"Bearer {self._key}":
            return web.json_response({"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, status=401)
        fault = self._fault()
        if isinstance(fault, int):
            return web.json_response({"error": {"message": "not now"}}, status=fault)
        socket = web.WebSocketResponse()
        await socket.prepare(http)
        model = self._model or http.query["model"]
        await socket.send_json({"type": "session.created", "event_id": "e0", "session": {"model": model}})
        conversation = _Conversation(self._dialect, self._rate, http.query["model"])
        arrived = self.journal.arrive()
        outcome = "abandoned"
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
                if not conversation.take(message.data):
                    continue
                request = conversation.request(dict(http.headers))
                if fault is not None:
                    outcome = "fault"
                    if fault:
                        await socket.send_json(fault)
                    break
                result = self._backend(request)
                answer = result if isinstance(result, Answer) else await result
                events = list(conversation.events(request, answer))
                self._change(events)
                outcome = "answered"
                for event in events:
                    await socket.send_json(event)
        except ViolationError as violation:
            outcome = "invalid"
            self.journal.violate(violation)
            error = {"type": "invalid_request_error", "code": "invalid_value", "message": str(violation)}
            await socket.send_json({"type": "error", "event_id": "e9", "error": error})
        finally:
            self.journal.note(conversation.content, outcome, arrived, b"")
            self.journal.depart()
        await socket.close()
        return socket


class _Conversation:
    """What a client has said so far, and how it is answered."""

    def __init__(self, dialect: str, rate: int, model: str) -> None:
        self._dialect = dialect
        self._rate = rate
        self._session: Event = {}
        self._sent: list[Event] = []
        self._buffer = b""
        self._texts: list[str] = []
        self._sounds: list[Sound] = []
        self._calls: set[str] = set()
        self._model = model

    @property
    def content(self) -> str:
        """The digest of all that was sent."""
        return request_digest("realtime", {"events": self._sent})

    def take(self, data: str) -> bool:
        """Take an event in, and tell whether it calls for an answer.

        Raises:
            ViolationError: it is not documented, or comes at the wrong time.
        """
        event = json.loads(data)
        try:
            CLIENT_EVENTS[self._dialect].validate_python(event)
        except ValidationError as error:
            raise ViolationError(f"{event.get('type')}: {error.errors()[0]['msg']}") from error
        self._sent.append(event)
        match event["type"]:
            case "session.update":
                self._session |= event["session"]
            case "conversation.item.create":
                self._item(event["item"])
            case "input_audio_buffer.append":
                self._buffer += base64.b64decode(event["audio"], validate=True)
            case "input_audio_buffer.commit":
                self._hear(self._buffer)
                self._buffer = b""
            case "response.create":
                if not self._session or self._buffer:
                    raise ViolationError("a session without settings, or sound that was not committed")
                return True
        return False

    def request(self, headers: dict[str, str]) -> ServedRequest:
        """All of it as a request."""
        lower = {name.lower(): value for name, value in headers.items()}
        session = {**self._session, "modalities": self._modalities, "model": self._model, "sent": self._sent}
        return ServedRequest("/v1/realtime", lower, session, b"", tuple(self._texts), tuple(self._sounds), self.content)

    @property
    def _modalities(self) -> list[str]:
        return list(self._session.get("output_modalities") or self._session["modalities"])

    def _item(self, item: Event) -> None:
        if item["type"] == "function_call":
            self._calls.add(item["call_id"])
        elif item["type"] == "function_call_output" and item["call_id"] not in self._calls:
            raise ViolationError(f"no call has the id {item['call_id']}")
        for part in item.get("content", ()):
            if "audio" in part:
                self._hear(base64.b64decode(part["audio"], validate=True))
            elif item["role"] == "user":
                self._texts.append(part["text"])

    def _hear(self, samples: bytes) -> None:
        if not samples or len(samples) % 2:
            raise ViolationError("no sound, or half a sample")
        self._sounds.append(Sound(samples, "pcm16", np.frombuffer(samples, "<i2")[:, None], self._rate))

    def events(self, request: ServedRequest, answer: Answer) -> Iterator[Event]:
        """The events of a whole answer."""
        names = _NAMES[self._dialect]
        text = answer.text(0)
        numbers = itertools.count(1)

        def event(kind: str, **fields: Any) -> Event:
            return {"type": kind, "event_id": f"e{next(numbers)}", "response_id": "r", **fields}

        yield event("session.updated", session=self._session)
        yield event("response.created", response={"id": "r", "status": "in_progress"})
        yield event("rate_limits.updated", rate_limits=[])
        if "audio" in self._modalities:
            speech = answer.speech or b""
            pieces = [speech[start : start + _PIECE] for start in range(0, len(speech), _PIECE)]
            for word, piece in itertools.zip_longest(words(text), pieces):
                if word is not None:
                    yield event(f"{names['transcript']}.delta", delta=word)
                if piece is not None:
                    yield event(f"{names['sound']}.delta", delta=base64.b64encode(piece).decode())
            yield event(f"{names['transcript']}.done", transcript=text)
        else:
            yield from (event(f"response.{names['text']}.delta", delta=word) for word in words(text))
            yield event(f"response.{names['text']}.done", text=text)
        read, heard = prompt_tokens(request)
        output = [
            {"type": "function_call", "call_id": f"c{number}", "name": call.name, "arguments": call.arguments}
            for number, call in enumerate(answer.tool_calls)
        ]
        usage = {
            "total_tokens": read + heard + 5,
            "input_tokens": read + heard,
            "output_tokens": 5,
            "input_token_details": {"text_tokens": read, "audio_tokens": heard, "cached_tokens": 0},
            "output_token_details": {"text_tokens": 2, "audio_tokens": 3},
        }
        yield event("response.done", response={"id": "r", "status": "completed", "output": output, "usage": usage})
