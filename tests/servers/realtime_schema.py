"""The events that a client may send to the Realtime API: OpenAI's own by its client's types, the beta's by hand.

The beta: StepFun's and DashScope's documentation of their Realtime services, and dashscope's omni_realtime.py.
"""

from typing import Annotated, Any, Literal

from openai.types.realtime import RealtimeClientEventParam
from pydantic import ConfigDict, Field, TypeAdapter

from tests.servers.messages import Strict


class BetaTool(Strict):
    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class BetaSession(Strict):
    modalities: Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)]
    instructions: str | None = None
    voice: str | None = None
    input_audio_format: Literal["pcm16"]
    output_audio_format: Literal["pcm16"] | None = None
    turn_detection: None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_response_output_tokens: Annotated[int, Field(ge=1, le=4096)] | Literal["inf"] | None = None
    tools: list[BetaTool] | None = None
    tool_choice: str | None = None


class BetaPart(Strict):
    type: Literal["input_text", "input_audio", "text"]
    text: str | None = None
    audio: str | None = None


class BetaMessage(Strict):
    type: Literal["message"]
    role: Literal["user", "assistant", "system"]
    content: Annotated[list[BetaPart], Field(min_length=1)]


class BetaCall(Strict):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str


class BetaResult(Strict):
    type: Literal["function_call_output"]
    call_id: str
    output: str


class SessionUpdate(Strict):
    type: Literal["session.update"]
    session: BetaSession


class ItemCreate(Strict):
    type: Literal["conversation.item.create"]
    item: Annotated[BetaMessage | BetaCall | BetaResult, Field(discriminator="type")]


class BufferAppend(Strict):
    type: Literal["input_audio_buffer.append"]
    audio: str


class BufferCommit(Strict):
    type: Literal["input_audio_buffer.commit"]


class ResponseCreate(Strict):
    type: Literal["response.create"]


CLIENT_EVENTS: dict[str, TypeAdapter[Any]] = {
    "ga": TypeAdapter(RealtimeClientEventParam, config=ConfigDict(extra="forbid")),
    "beta": TypeAdapter(
        Annotated[
            SessionUpdate | ItemCreate | BufferAppend | BufferCommit | ResponseCreate, Field(discriminator="type")
        ]
    ),
}
"""By dialect, what checks an event and raises ``ValidationError`` for one that is not documented."""
