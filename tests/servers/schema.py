"""What a request may hold, by the documents, checked whole: unknown keys, types, ranges and combinations.

https://platform.openai.com/docs/api-reference/chat/create, .../audio/createTranscription and .../audio/createSpeech.
"""

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tests.servers.errors import ViolationError
from tests.servers.messages import AssistantMessage, FunctionName, Message, NamedTool, Strict, Tool, ToolMessage
from tests.servers.sound import Sound, decode

_CODES = {
    "extra_forbidden": "unknown_parameter",
    **dict.fromkeys(("string_type", "int_type", "float_type", "bool_type", "list_type", "dict_type"), "invalid_type"),
}
_PART_TYPES = ("text", "refusal", "input_audio")

Body = TypeVar("Body", bound=BaseModel)


class Voice(Strict):
    id: str


class AudioOutput(Strict):
    voice: Annotated[str, Field(min_length=1)] | Voice
    format: Literal["wav", "mp3", "flac", "opus", "pcm16"]  # aac is documented, but cannot be written here


class StreamOptions(Strict):
    never_null = ("include_usage", "include_obfuscation")

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class JsonSchema(Strict):
    name: FunctionName
    description: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class ResponseFormat(Strict):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _schema_where_needed(self) -> "ResponseFormat":
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema goes with the type 'json_schema'")
        return self


class ChatRequest(Strict):
    """The body of ``POST /v1/chat/completions``."""

    never_null = ("parallel_tool_calls", "response_format", "tool_choice", "tools", "user")
    streamed_formats: ClassVar[tuple[str, ...]] = ("pcm16",)

    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[list[Message], Field(min_length=1)]
    audio: AudioOutput | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[str, Annotated[int, Field(ge=-100, le=100)]] | None = None
    logprobs: bool | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    metadata: Annotated[dict[str, str], Field(max_length=16)] | None = None
    modalities: Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    parallel_tool_calls: bool | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    prompt_cache_key: str | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    response_format: ResponseFormat | None = None
    safety_identifier: Annotated[str, Field(max_length=128)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    stop: str | Annotated[list[str], Field(min_length=1, max_length=4)] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    tools: Annotated[list[Tool], Field(min_length=1, max_length=128)] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    user: str | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class VllmChatRequest(ChatRequest):
    """The same with the usual additions of vLLM and SGLang."""

    add_generation_prompt: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    continue_final_message: bool | None = None
    ignore_eos: bool | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    min_tokens: Annotated[int, Field(ge=0)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0)] | None = None
    skip_special_tokens: bool | None = None
    stop_token_ids: list[int] | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None


class TranscriptionForm(BaseModel):
    """The text fields of ``POST /v1/audio/transcriptions``."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    model: Annotated[str, Field(min_length=1)]
    chunking_strategy: Literal["auto"] | None = None
    include: Annotated[list[Literal["logprobs"]], Field(alias="include[]")] = []
    keywords: Annotated[list[str], Field(alias="keywords[]")] = []
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] | None = None
    languages: Annotated[list[Annotated[str, Field(pattern=r"^[a-z]{2}$")]], Field(alias="languages[]")] = []
    prompt: str | None = None
    response_format: Literal["json", "text", "verbose_json"] = "json"
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    granularities: Annotated[list[Literal["word", "segment"]], Field(alias="timestamp_granularities[]")] = []

    @model_validator(mode="after")
    def _combines(self) -> "TranscriptionForm":
        if self.granularities and self.response_format != "verbose_json":
            raise ValueError("timestamp_granularities needs response_format verbose_json")
        if self.model.startswith("gpt-4o") and self.response_format != "json":
            raise ValueError(f"response_format '{self.response_format}' is not compatible with {self.model}; use json")
        if self.include and (self.response_format != "json" or not self.model.startswith("gpt-4o")):
            raise ValueError("include[]=logprobs needs response_format json and a model gpt-4o-...-transcribe")
        if (self.keywords or self.languages) and self.model != "gpt-transcribe":
            raise ValueError(f"keywords[] and languages[] are for gpt-transcribe, not for {self.model}")
        if self.temperature is not None and self.model == "gpt-transcribe":
            raise ValueError("temperature is not supported by gpt-transcribe")
        return self


class SpeechRequest(Strict):
    """The body of ``POST /v1/audio/speech``."""

    model: Annotated[str, Field(min_length=1)]
    input: Annotated[str, Field(min_length=1, max_length=4096)]
    voice: Annotated[str, Field(min_length=1)] | Voice
    instructions: Annotated[str, Field(max_length=4096)] | None = None
    response_format: Literal["mp3", "opus", "flac", "wav", "pcm"] = "mp3"  # aac, as of AudioOutput
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = None
    stream_format: Literal["audio", "sse"] | None = None

    @model_validator(mode="after")
    def _instructions_where_taken(self) -> "SpeechRequest":
        if self.instructions is not None and self.model.startswith("tts-1"):
            raise ValueError("instructions do not work with tts-1 or tts-1-hd")
        return self


def parse_chat(
    content_type: str, body: bytes, kind: type[ChatRequest] = ChatRequest
) -> tuple[ChatRequest, dict[str, Any]]:
    """Read and check the body of a chat request.

    Args:
        content_type: of the body.
        body: as it came.
        kind: what the server takes.

    Returns:
        It, and the JSON object as it was sent.

    Raises:
        ViolationError: it breaks the schema; names the first place that does.
    """
    chat, fields = parse_body(content_type, body, kind)
    _check_combinations(chat)
    _check_tool_order(chat.messages)
    return chat, fields


def parse_body(content_type: str, body: bytes, kind: type[Body]) -> tuple[Body, dict[str, Any]]:
    """Read a JSON object and check it against a shape.

    Returns:
        It in that shape, and as it was sent.

    Raises:
        ViolationError: it is no JSON, or not of that shape; names the first place that is not.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise ViolationError(f"the content type must be application/json, not '{content_type}'")
    try:
        fields = json.loads(body, object_pairs_hook=_without_duplicates)
    except ValueError as error:
        raise ViolationError(f"We could not parse the JSON body of your request: {error}") from error
    try:
        return kind.model_validate(fields), fields
    except ValidationError as error:
        raise _violation(error, fields) from error


def parse_transcription(
    texts: Mapping[str, list[str]], files: Mapping[str, list[tuple[str, bytes]]]
) -> tuple[dict[str, Any], Sound]:
    """Check the form of a transcription request.

    Args:
        texts: the values of each text field.
        files: the name and content of each file, by field.

    Returns:
        The text fields, lists where the name says so with ``[]``, and the recording.

    Raises:
        ViolationError: it breaks the schema.
    """
    if list(files) != ["file"] or len(files["file"]) != 1:
        raise ViolationError("exactly one file is wanted, in the field 'file'", param="file")
    for name, values in texts.items():
        if len(values) > 1 and not name.endswith("[]"):
            raise ViolationError(f"the field '{name}' occurs {len(values)} times", param=name)
    fields = {name: values if name.endswith("[]") else values[0] for name, values in texts.items()}
    try:
        TranscriptionForm.model_validate(fields)
    except ValidationError as error:
        raise _violation(error, fields) from error
    ((name, data),) = files["file"]
    if len(data) > 25 * 2**20:
        raise ViolationError("Maximum content size limit (26214400) exceeded", param="file", status=413)
    try:
        return fields, decode(data, PurePath(name).suffix.removeprefix(".").lower())
    except ValueError as error:
        raise ViolationError(f"Invalid file format of '{name}': {error}", param="file", code="invalid_value") from error


def _check_combinations(chat: ChatRequest) -> None:
    """What the documents say about fields taken together."""
    speaks = chat.modalities is not None and "audio" in chat.modalities
    if chat.modalities and len(set(chat.modalities)) < len(chat.modalities):
        raise ViolationError("modalities repeats itself", param="modalities", code="invalid_value")
    if speaks and chat.audio is None:
        raise ViolationError(
            "audio is required for the modality 'audio'", param="audio", code="missing_required_parameter"
        )
    if chat.audio is not None and not speaks:
        raise ViolationError("audio needs the modality 'audio'", param="audio", code="invalid_value")
    if speaks and chat.audio is not None and chat.stream and chat.audio.format not in chat.streamed_formats:
        raise ViolationError(
            f"Unsupported value: 'audio.format' does not support '{chat.audio.format}' when stream=true. "
            f"Supported values are: {', '.join(map(repr, chat.streamed_formats))}.",
            param="audio.format",
            code="unsupported_value",
        )
    if chat.stream_options is not None and not chat.stream:
        raise ViolationError("stream_options is only allowed when stream is true", param="stream_options")
    if chat.top_logprobs is not None and not chat.logprobs:
        raise ViolationError("top_logprobs needs logprobs to be true", param="top_logprobs")
    if chat.max_tokens is not None and chat.max_completion_tokens is not None:
        raise ViolationError("max_tokens and max_completion_tokens exclude one another", param="max_tokens")
    for name in ("tool_choice", "parallel_tool_calls"):
        if getattr(chat, name) is not None and not chat.tools:
            raise ViolationError(f"{name} is only allowed when tools are given", param=name)
    names = [tool.function.name for tool in chat.tools or ()]
    if len(set(names)) < len(names):
        raise ViolationError("two tools have one name", param="tools")
    if isinstance(chat.tool_choice, NamedTool) and chat.tool_choice.function.name not in names:
        raise ViolationError(f"no tool is named '{chat.tool_choice.function.name}'", param="tool_choice")
    wants_json = chat.response_format is not None and chat.response_format.type == "json_object"
    if wants_json and not any("json" in str(message.content).lower() for message in chat.messages):
        raise ViolationError(
            "'messages' must contain the word 'json' for response_format json_object", param="messages"
        )


def _check_tool_order(messages: list[Message]) -> None:
    """Every call of a tool is answered at once, and nothing else is."""
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in open_calls:
                raise ViolationError(
                    "messages with role 'tool' must answer a call in the preceding 'tool_calls'",
                    param=f"{where}.tool_call_id",
                )
            open_calls.remove(message.tool_call_id)
        elif open_calls:
            raise ViolationError(f"no tool message answers the calls {sorted(open_calls)}", param=where)
        elif isinstance(message, AssistantMessage):
            calls = [call.id for call in message.tool_calls or ()]
            open_calls = set(calls)
            if len(open_calls) < len(calls):
                raise ViolationError("two calls have one id", param=f"{where}.tool_calls")
    if open_calls:
        raise ViolationError(f"no tool message answers the calls {sorted(open_calls)}", param="messages")


def _violation(error: ValidationError, fields: Any) -> ViolationError:
    """The deepest of a validator's complaints, which is the most telling one, in the documented form."""
    complaints = error.errors(include_url=False)
    # A value that fits none of several types has one complaint for each: the telling one is about its content.
    worst = max(complaints, key=lambda complaint: (len(complaint["loc"]), complaint["type"] not in _CODES))
    missing = worst["type"] == "missing"
    code = "missing_required_parameter" if missing else _CODES.get(worst["type"], "invalid_value")
    param = _param(worst["loc"], fields, missing)
    return ViolationError(f"{worst['msg']}: '{param}'", param=param or None, code=code)


def _param(location: tuple[int | str, ...], value: Any, missing: bool) -> str:
    """The way through ``value``, such as ``messages[0].content``, without a validator's names of its alternatives."""
    path, tag_seen = "", False
    for depth, part in enumerate(location, start=1):
        if isinstance(value, list) and isinstance(part, int):
            value = value[part]
            path += f"[{part}]"
            tag_seen = False
        elif isinstance(value, dict) and part in _PART_TYPES and value.get("type") == part and not tag_seen:
            tag_seen = True
        elif isinstance(value, dict) and (part in value or (missing and depth == len(location))):
            value = value.get(part)
            path += f".{part}"
    return path.lstrip(".")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("an object repeats a key")
    return fields
