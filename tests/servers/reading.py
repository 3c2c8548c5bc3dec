"""From what came over HTTP to a request that passed every check."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.servers.backends import ServedRequest
from tests.servers.connection import HttpRequest, parse_form
from tests.servers.errors import ViolationError
from tests.servers.messages import Message, TextPart
from tests.servers.schema import ChatRequest, SpeechRequest, parse_body, parse_chat, parse_transcription
from tests.servers.sound import Sound

CHAT = "/v1/chat/completions"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
SPEECH = "/v1/audio/speech"


def read_request(http: HttpRequest, kind: type[ChatRequest] = ChatRequest) -> ServedRequest:
    """Check a request by the documents.

    Args:
        http: as it came.
        kind: what the server takes to be completed.

    Raises:
        ViolationError: it breaks them.
    """
    if http.path not in (CHAT, TRANSCRIPTIONS, SPEECH):
        raise ViolationError(f"Invalid URL ({http.method} {http.path})", status=404)
    if http.method != "POST":
        raise ViolationError(f"Not allowed to {http.method} on {http.path}", status=405)
    content_type = http.headers.get("content-type", "")
    texts: tuple[str, ...]
    sounds: tuple[Sound, ...]
    if http.path == CHAT:
        chat, fields = parse_chat(content_type, http.body, kind)
        texts, sounds = tuple(_texts(chat.messages)), tuple(_sounds(chat.messages))
    elif http.path == SPEECH:
        speech, fields = parse_body(content_type, http.body, SpeechRequest)
        texts, sounds = (speech.input,), ()
    else:
        fields, sound = parse_transcription(*parse_form(content_type, http.body))
        texts, sounds = ((fields["prompt"],) if "prompt" in fields else ()), (sound,)
    content = request_digest(http.path, fields, sounds[0].data if http.path == TRANSCRIPTIONS else b"")
    return ServedRequest(http.path, http.headers, fields, http.body, texts, sounds, content)


def _texts(messages: list[Message]) -> Iterator[str]:
    for message in messages:
        if isinstance(message.content, str):
            yield message.content
        else:
            yield from (part.text for part in message.content or () if isinstance(part, TextPart))


def _sounds(messages: list[Message]) -> Iterator[Sound]:
    for message in messages:
        if not isinstance(message.content, str):
            for part in message.content or ():
                if recording := getattr(part, "input_audio", None):
                    yield recording.sound


def request_digest(path: str, fields: Mapping[str, Any], file: bytes = b"") -> str:
    """By which repetitions of a request are known; see ``ServedRequest.content``."""
    digest = hashlib.sha256(path.encode())
    digest.update(json.dumps(fields, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass"))
    digest.update(file)
    return digest.hexdigest()
