"""The documented shapes of the messages and tools of a chat request.

https://platform.openai.com/docs/api-reference/chat/create. Image and file parts, custom tools and the deprecated
functions are documented too, but no model served here takes them: they are violations.
"""

import base64
import binascii
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from tests.servers.sound import Sound, decode

FunctionName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class Strict(BaseModel):
    """A JSON object that may hold nothing beyond its fields, whose values are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    never_null: ClassVar[tuple[str, ...]] = ()  # fields that may be left out, but are not documented as nullable

    @model_validator(mode="before")
    @classmethod
    def _refuse_nulls(cls, value: Any) -> Any:
        nulls = [name for name in cls.never_null if isinstance(value, dict) and value.get(name, "") is None]
        if nulls:
            raise ValueError(f"{nulls[0]} may be left out, but is not null")
        return value


class TextPart(Strict):
    type: Literal["text"]
    text: str


class RefusalPart(Strict):
    type: Literal["refusal"]
    refusal: str


class InputAudio(Strict):
    data: str
    format: Literal["wav", "mp3"]
    _sound: Sound = PrivateAttr()

    @model_validator(mode="after")
    def _is_audio(self) -> "InputAudio":
        try:
            data = base64.b64decode(self.data, validate=True)
        except binascii.Error as error:
            raise ValueError(f"data is not base64: {error}") from error
        self._sound = decode(data, self.format)
        return self

    @property
    def sound(self) -> Sound:
        """What ``data`` stands for."""
        return self._sound


class AudioPart(Strict):
    type: Literal["input_audio"]
    input_audio: InputAudio


class CalledFunction(Strict):
    name: FunctionName
    arguments: str


class ToolCall(Strict):
    id: Annotated[str, Field(min_length=1)]
    type: Literal["function"]
    function: CalledFunction


class SpokenBefore(Strict):
    id: str


class _Message(Strict):
    never_null: ClassVar[tuple[str, ...]] = ("name",)

    name: Annotated[str, Field(pattern=r"^[^\s<|\\/>]{1,64}$")] | None = None


TextParts = Annotated[list[TextPart], Field(min_length=1)]


class InstructionMessage(_Message):
    role: Literal["system", "developer"]
    content: str | TextParts


class UserMessage(_Message):
    role: Literal["user"]
    content: str | Annotated[list[Annotated[TextPart | AudioPart, Field(discriminator="type")]], Field(min_length=1)]


class AssistantMessage(_Message):
    never_null = ("name", "tool_calls")

    role: Literal["assistant"]
    content: str | list[Annotated[TextPart | RefusalPart, Field(discriminator="type")]] | None = None
    refusal: str | None = None
    tool_calls: Annotated[list[ToolCall], Field(min_length=1)] | None = None
    audio: SpokenBefore | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "AssistantMessage":
        if self.content is None and not self.tool_calls and self.audio is None and self.refusal is None:
            raise ValueError("content is required unless tool_calls is given")
        return self


class ToolMessage(Strict):
    role: Literal["tool"]
    content: str | TextParts
    tool_call_id: str


Message = Annotated[InstructionMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class Function(Strict):
    never_null = ("description", "parameters")

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    @field_validator("parameters")
    @classmethod
    def _is_object_schema(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        if schema:
            properties = schema.get("properties", {})
            if schema.get("type") != "object":
                raise ValueError("the schema of the parameters must be of type 'object'")
            if not isinstance(properties, dict) or not all(isinstance(value, dict) for value in properties.values()):
                raise ValueError("properties must map names to schemas")
            required = schema.get("required", [])
            if not isinstance(required, list) or not set(required) <= set(properties):
                raise ValueError("required must list names of properties")
        return schema


class Tool(Strict):
    type: Literal["function"]
    function: Function


class NamedFunction(Strict):
    name: FunctionName


class NamedTool(Strict):
    type: Literal["function"]
    function: NamedFunction
