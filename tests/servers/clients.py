"""A client without opinions: raw HTTP to a server under test, so that nothing is put right on the way."""

import base64
import http.client
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soundfile

from tests.servers.openai_server import OpenAIServer


@dataclass(frozen=True)
class Received:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def events(self) -> list[str]:
        """What the server-sent events of the body carry."""
        return [part.removeprefix("data: ") for part in self.body.decode().split("\n\n")[:-1]]


def connect(server: OpenAIServer, timeout: float = 60) -> http.client.HTTPConnection:
    """A connection that may be used for several requests."""
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)


def exchange(
    connection: http.client.HTTPConnection,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    method: str = "POST",
) -> Received:
    """Send a request and read the answer whole."""
    connection.request(method, f"/v1{path}", body, dict(headers))
    response = connection.getresponse()
    return Received(response.status, {name.lower(): value for name, value in response.headers.items()}, response.read())


def post_chat(server: OpenAIServer, request: object, timeout: float = 10, **headers: str) -> Received:
    """Send a chat request by a connection of its own; a request that is not bytes becomes JSON."""
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    return exchange(
        connect(server, timeout), "/chat/completions", body, {"content-type": "application/json", **headers}
    )


def post_form(server: OpenAIServer, *parts: tuple[str, bytes], boundary: str = "b0undary") -> Received:
    """Send a transcription form of parts, each the text of its headers and its content."""
    body = b"".join(f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts)
    body += f"--{boundary}--\r\n".encode()
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    return exchange(connect(server), "/audio/transcriptions", body, headers)


def text_part(name: str, value: str) -> tuple[str, bytes]:
    """A text field of a form."""
    return f'content-disposition: form-data; name="{name}"', value.encode()


def file_part(data: bytes, filename: str = "speech.wav") -> tuple[str, bytes]:
    """The recording of a form."""
    return f'content-disposition: form-data; name="file"; filename="{filename}"\r\ncontent-type: audio/wav', data


def recording(seconds: float = 0.5, container: str = "WAV", seed: int = 0) -> bytes:
    """A file of noise at 16 kHz."""
    noise = np.random.default_rng(seed).normal(size=round(16_000 * seconds)) * 0.1
    file = io.BytesIO()
    soundfile.write(file, noise, 16_000, format=container)
    return file.getvalue()


def chat(*parts: str | bytes, **fields: Any) -> dict[str, Any]:
    """A chat request of one user turn; bytes are WAV."""
    content = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "input_audio", "input_audio": {"data": base64.b64encode(part).decode(), "format": "wav"}}
        for part in parts or ("What is said?",)
    ]
    return {"model": "m", "messages": [{"role": "user", "content": content}], **fields}


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "of a town",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}
