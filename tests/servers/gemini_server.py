"""A strict server of Gemini's protocol on 127.0.0.1: ``generateContent``, its stream, files, one model's entry.

By https://ai.google.dev/api (generate-content, files, models) and the client google-genai 3.6.1, which
``tests.servers.test_gemini_server`` lets converse with it.
"""

import base64
import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PrivateAttr, model_validator
from pydantic.alias_generators import to_camel

from tests.servers.backends import Answer, Backend, ServedRequest, digest_backend
from tests.servers.completions import event, prompt_tokens, words
from tests.servers.connection import HttpRequest, Reply
from tests.servers.errors import ApiError, ViolationError
from tests.servers.messages import Strict
from tests.servers.openai_server import OpenAIServer
from tests.servers.reading import request_digest
from tests.servers.schema import parse_body
from tests.servers.sound import Sound, decode

MODEL = "gemini-2.5-flash"
_METHOD = re.compile(r"/v1beta/models/([a-z0-9.-]+):(generateContent|streamGenerateContent)")
_UPLOAD = "/upload/v1beta/files"
_MIME_TYPES = {"audio/wav": "wav", "audio/mp3": "mp3", "audio/flac": "flac"}
_CATEGORIES = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")


class GoogleError(ApiError):
    """An error as google.rpc.Status has it."""

    def __init__(self, status: int, message: str, code: str, *details: Any, outcome: str = "refused") -> None:
        super().__init__(status, message, code=code, outcome=outcome)
        error = {"code": status, "message": message, "status": code, "details": list(details)}
        self.body = json.dumps({"error": error}).encode()


class CamelCase(Strict):
    """A JSON object whose fields are in camel case; as everywhere in protocol buffers, underscores are taken too."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class InlineData(CamelCase):
    mime_type: Literal["audio/wav", "audio/mp3", "audio/flac"]
    data: str
    _sound: Sound = PrivateAttr()

    @model_validator(mode="after")
    def _is_audio(self) -> "InlineData":
        data = self.data.replace("-", "+").replace("_", "/")  # Google's client writes it in the letters of URLs
        self._sound = decode(base64.b64decode(data, validate=True), _MIME_TYPES[self.mime_type])
        return self

    @property
    def sound(self) -> Sound:
        """What ``data`` stands for."""
        return self._sound


class FileData(CamelCase):
    mime_type: Literal["audio/wav", "audio/mp3", "audio/flac"]
    file_uri: str


class FunctionCall(CamelCase):
    name: Annotated[str, Field(min_length=1)]
    args: dict[str, Any]
    id: str | None = None


class FunctionResponse(CamelCase):
    name: Annotated[str, Field(min_length=1)]
    response: dict[str, Any]
    id: str | None = None


class Part(CamelCase):
    text: str | None = None
    inline_data: InlineData | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    thought_signature: str | None = None

    @model_validator(mode="after")
    def _holds_one(self) -> "Part":
        if sum(value is not None for name, value in self if name != "thought_signature") != 1:
            raise ValueError("a part holds exactly one kind of data")
        return self


class Content(CamelCase):
    role: Literal["user", "model"]
    parts: Annotated[list[Part], Field(min_length=1)]


class Instruction(CamelCase):
    role: Literal["user"] | None = None
    parts: Annotated[list[Part], Field(min_length=1)]


class ThinkingConfig(CamelCase):
    thinking_budget: Annotated[int, Field(ge=-1, le=32_768)] | None = None
    thinking_level: Literal["MINIMAL", "LOW", "MEDIUM", "HIGH"] | None = None
    include_thoughts: bool | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "ThinkingConfig":
        if self.thinking_budget is not None and self.thinking_level is not None:
            raise ValueError("thinking_budget and thinking_level exclude one another")
        return self


class GenerationConfig(CamelCase):
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=1)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=65_536)] | None = None
    stop_sequences: Annotated[list[str], Field(max_length=5)] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    thinking_config: ThinkingConfig | None = None


class SafetySetting(CamelCase):
    category: str
    threshold: Literal["OFF", "BLOCK_NONE", "BLOCK_ONLY_HIGH", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_LOW_AND_ABOVE"]

    @model_validator(mode="after")
    def _is_known(self) -> "SafetySetting":
        if self.category.removeprefix("HARM_CATEGORY_") not in _CATEGORIES:
            raise ValueError(f"no such category: {self.category}")
        return self


class FunctionDeclaration(CamelCase):
    name: Annotated[str, Field(min_length=1)]
    description: str | None = None
    parameters_json_schema: dict[str, Any] | None = None


class Tool(CamelCase):
    function_declarations: Annotated[list[FunctionDeclaration], Field(min_length=1)]


class GenerateRequest(CamelCase):
    """The body of ``generateContent``."""

    contents: Annotated[list[Content], Field(min_length=1)]
    system_instruction: Instruction | None = None
    generation_config: GenerationConfig | None = None
    safety_settings: list[SafetySetting] | None = None
    tools: list[Tool] | None = None

    @model_validator(mode="after")
    def _answers_every_call(self) -> "GenerateRequest":
        for turn, following in itertools.pairwise([*self.contents, None]):
            assert turn is not None
            calls = [(part.function_call.id, part.function_call.name) for part in turn.parts if part.function_call]
            results = [part.function_response for part in (following.parts if following else ())]
            if calls and calls != [(each.id, each.name) for each in results if each]:
                raise ValueError("the function responses must be those of the calls of the turn before, in one turn")
        return self


class GeminiServer(OpenAIServer):
    """The server.

    Args:
        backend: what it answers.
        change: made to every whole answer, or to the last piece of a stream, as JSON values, before it is sent.
        processing: how often a file is said to be in processing before it can be used.
        unusable: why no file can be used; empty where all can.
        **settings: see ``OpenAIServer``; ``models`` are those that it has.

    Attributes:
        uploads: how many files were sent to it, whole.
    """

    def __init__(
        self,
        backend: Backend = digest_backend,
        *,
        change: Callable[[dict[str, Any]], Any] = lambda document: None,
        processing: int = 0,
        unusable: str = "",
        **settings: Any,
    ) -> None:
        super().__init__(backend, **settings)
        self.uploads = 0
        self._change = change
        self._processing = processing
        self._unusable = unusable
        self._parts: dict[str, bytearray] = {}
        self._sizes: dict[str, int] = {}
        self._asked: dict[str, int] = {}

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _check_key(self, http: HttpRequest) -> None:
        if self._key is not None and http.headers.get("x-goog-api-key") != self._key:
            info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            given = http.headers.get("x-goog-api-key")
            raise GoogleError(400, f"API key not valid: {given}", "INVALID_ARGUMENT", info, outcome="unauthorised")

    def _aside(self, http: HttpRequest) -> Reply | None:
        try:
            if http.method == "GET" and http.path.startswith("/v1beta/models/"):
                self._check_key(http)
                return self._model(http.path.removeprefix("/v1beta/models/"))
            if http.method == "GET" and http.path.startswith("/v1beta/files/"):
                self._check_key(http)
                return _json(self._file(http.path.removeprefix("/v1beta/")))
            if http.path == _UPLOAD:
                return self._upload(http)
        except ApiError as error:
            if isinstance(error, ViolationError):
                self.journal.violate(error)
            return Reply(error.status, "application/json", (error.body,))
        return None

    def _model(self, name: str) -> Reply:
        if self._models is not None and name not in self._models:
            raise GoogleError(404, f"models/{name} is not found for API version v1beta", "NOT_FOUND")
        return _json({"name": f"models/{name}", "version": "001", "displayName": name})

    def _upload(self, http: HttpRequest) -> Reply:
        command = http.headers.get("x-goog-upload-command", "")
        if command == "start":
            self._check_key(http)  # the pieces that follow are known by the address that they are sent to
            if http.headers.get("x-goog-upload-protocol") != "resumable" or not isinstance(json.loads(http.body), dict):
                raise ViolationError("an upload begins with its protocol and a JSON object")
            if http.headers.get("x-goog-upload-header-content-type") not in _MIME_TYPES:
                raise ViolationError("an upload begins with the type of its content")
            name = f"files/f-{len(self._sizes)}"
            self._sizes[name] = int(http.headers["x-goog-upload-header-content-length"])
            self._parts[name] = bytearray()
            place = f"{self.base_url}{_UPLOAD}?upload_id={name.removeprefix('files/')}&upload_protocol=resumable"
            return _json({}, ("x-goog-upload-url", place), ("x-goog-upload-status", "active"))
        name = "files/" + re.sub(r".*upload_id=([a-z0-9-]+).*", r"\1", http.query)
        content = self._parts[name]
        if command not in ("upload", "upload, finalize") or int(http.headers["x-goog-upload-offset"]) != len(content):
            raise ViolationError("a piece of an upload says what is to be done and where it begins")
        content += http.body
        if command == "upload":
            return _json({}, ("x-goog-upload-status", "active"))
        if len(content) != self._sizes[name]:
            raise ViolationError("the upload has not the length that was said")
        self.uploads += 1
        return _json({"file": self._file(name)}, ("x-goog-upload-status", "final"))

    def _file(self, name: str) -> dict[str, Any]:
        self._asked[name] = self._asked.get(name, 0) + 1
        state = "PROCESSING" if self._asked[name] <= self._processing else "ACTIVE"
        uri = f"{self.base_url}/v1beta/{name}"
        file = {"name": name, "uri": uri, "mimeType": "audio/wav", "state": state, "sizeBytes": str(self._sizes[name])}
        if state == "ACTIVE" and self._unusable:
            return {**file, "state": "FAILED", "error": {"code": 3, "message": self._unusable}}
        return file

    def _read(self, http: HttpRequest) -> ServedRequest:
        match = _METHOD.fullmatch(http.path)
        streams = match is not None and match[2] == "streamGenerateContent"
        if match is None or http.method != "POST" or http.query != ("alt=sse" if streams else ""):
            raise ViolationError(f"Invalid URL ({http.method} {http.path}?{http.query})", status=404)
        body, fields = parse_body(http.headers.get("content-type", ""), http.body, GenerateRequest)
        if self._models is not None and match[1] not in self._models:
            raise GoogleError(404, f"models/{match[1]} is not found for API version v1beta", "NOT_FOUND")
        parts = [part for content in body.contents for part in content.parts]
        return ServedRequest(
            path=http.path,
            headers=http.headers,
            fields={**fields, "model": match[1], "stream": streams},
            body=http.body,
            texts=tuple(part.text for part in parts if part.text is not None),
            sounds=tuple(self._sounds(parts)),
            content=request_digest(http.path, fields),
        )

    def _sounds(self, parts: list[Part]) -> Iterator[Sound]:
        for part in parts:
            if part.inline_data is not None:
                yield part.inline_data.sound
            if part.file_data is not None:
                name = part.file_data.file_uri.removeprefix(f"{self.base_url}/v1beta/")
                if name not in self._parts or self._asked[name] <= self._processing:
                    raise ViolationError(f"the file {name} is not there, or not active yet")
                yield decode(bytes(self._parts[name]), _MIME_TYPES[part.file_data.mime_type])

    def _reply(self, request: ServedRequest, answer: Answer, identifier: str) -> Reply:
        parts: list[dict[str, Any]] = [{"text": "Let me think.", "thought": True}]
        parts += [{"text": piece} for piece in words(answer.text(0))]
        parts += [
            {"functionCall": {"name": call.name, "args": json.loads(call.arguments)}, "thoughtSignature": "c2ln"}
            for call in answer.tool_calls
        ]
        text, heard = prompt_tokens(request)
        document: dict[str, Any] = {
            "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {
                "promptTokenCount": text + heard,
                "candidatesTokenCount": len(parts) - 1,
                "thoughtsTokenCount": 3,
                "totalTokenCount": text + heard + len(parts) + 2,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": text},
                    {"modality": "AUDIO", "tokenCount": heard},
                ],
            },
            "modelVersion": request.fields["model"],
            "responseId": identifier,
        }
        if not request.streamed:
            self._change(document)
            return _json(document)
        pieces = [
            {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}], "modelVersion": "x"}
            for part in parts[:-1]
        ]
        pieces = [{**piece, "modelVersion": document["modelVersion"]} for piece in pieces]
        last = json.loads(json.dumps(document))
        last["candidates"][0]["content"]["parts"] = parts[-1:]
        self._change(last)
        return Reply(200, "text/event-stream", tuple(map(event, [*pieces, last])), streamed=True)


def _json(document: dict[str, Any], *headers: tuple[str, str]) -> Reply:
    return Reply(200, "application/json", (json.dumps(document, ensure_ascii=False).encode(),), headers=headers)
