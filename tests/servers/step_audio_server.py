"""A strict server of StepFun's protocol for Step-Audio 2 on 127.0.0.1, in a thread of a test.

with StepAudioServer(step_audio_backend, faults=scripted_faults([Fault.TOO_MANY])) as server:
    model = StepAudio2Server("step-audio-2-mini", server.base_url)
    ...
    assert not server.journal.violations
"""

from typing import Any

from tests.servers.backends import Answer, Backend, ServedRequest
from tests.servers.connection import HttpRequest, Reply
from tests.servers.errors import ApiError
from tests.servers.openai_server import OpenAIServer
from tests.servers.reading import request_digest
from tests.servers.step_audio_answers import Parsers, StepAudioRequest, step_audio_backend, step_audio_reply
from tests.servers.step_audio_schema import parse_step_audio
from tests.servers.step_audio_template import render


class StepAudioServer(OpenAIServer):
    """The server: its requests are instances of ``StepAudioRequest``, its backend gives what the model writes.

    Args:
        backend: what the model writes, special tokens included: its end of speech, and its calls of tools.
        parsers: that it was started with.
        **settings: see ``OpenAIServer``.
    """

    def __init__(
        self, backend: Backend = step_audio_backend, *, parsers: Parsers | None = None, **settings: Any
    ) -> None:
        super().__init__(backend, **settings)
        self._parsers = parsers or Parsers()

    def _read(self, http: HttpRequest) -> ServedRequest:
        chat, fields = parse_step_audio(http)
        if chat.tools and not self._parsers.tools and chat.tool_choice != "none":
            message = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
            raise ApiError(400, message)
        return StepAudioRequest(
            path=http.path,
            headers=http.headers,
            fields=fields,
            body=http.body,
            texts=tuple(chat.texts),
            sounds=tuple(chat.sounds),
            content=request_digest(http.path, fields),
            prompt=render(chat),
        )

    def _reply(self, request: ServedRequest, answer: Answer, identifier: str) -> Reply:
        return step_audio_reply(request, answer, identifier, self._parsers)
