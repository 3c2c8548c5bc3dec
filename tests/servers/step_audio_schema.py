"""What a request to StepFun's vLLM server may hold, checked whole.

By the published client (repository stepfun-ai/Step-Audio2, stepaudio2vllm.py, examples-vllm.py) and the server itself
(repository stepfun-ai/vllm, branch step-audio2-mini). The server is more lenient than this: it takes other roles and
fields, and ignores some. What it would not understand as it is meant is a violation here.
"""

import io
import json
import wave
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tests.servers.connection import HttpRequest
from tests.servers.errors import ViolationError
from tests.servers.messages import AudioPart, InputAudio, NamedTool, Strict, TextPart, Tool, ToolCall
from tests.servers.reading import CHAT
from tests.servers.schema import StreamOptions, parse_body
from tests.servers.sound import Sound

_LONGEST = 29.98  # seconds; the encoder has 1,500 positions of 20 ms


class Piece(InputAudio):
    """Audio as the published client sends it: WAV, 16 kHz, mono, 16 bits, short enough for the encoder."""

    format: Literal["wav"]

    @model_validator(mode="after")
    def _fits_the_encoder(self) -> "Piece":
        with wave.open(io.BytesIO(self.sound.data)) as file:
            form = (file.getframerate(), file.getnchannels(), 8 * file.getsampwidth())
        if form != (16_000, 1, 16):
            raise ValueError("audio of {} Hz, {} channels and {} bits; it must be of 16000 Hz, 1 and 16".format(*form))
        if self.sound.seconds > _LONGEST:
            raise ValueError(
                f"Audio duration {self.sound.seconds:.2f} seconds exceeds the maximum allowed duration of "
                f"{_LONGEST} seconds"
            )
        return self


class PiecePart(AudioPart):
    input_audio: Piece


class SystemMessage(Strict):
    role: Literal["system"]
    content: str


class HumanMessage(Strict):
    role: Literal["human"]
    content: str | Annotated[list[Annotated[TextPart | PiecePart, Field(discriminator="type")]], Field(min_length=1)]


class TtsContent(Strict):
    tts_text: str
    tts_audio: Annotated[str, Field(pattern=r"^(<audio_\d+>)*$")]


class AssistantMessage(Strict):
    role: Literal["assistant"]
    content: str | None = None
    tts_content: TtsContent | None = None
    tool_calls: Annotated[list[ToolCall], Field(min_length=1)] | None = None
    eot: bool = True

    @model_validator(mode="after")
    def _says_something(self) -> "AssistantMessage":
        if self.content is None and self.tts_content is None and not self.tool_calls:
            raise ValueError("an assistant message without content is to be removed, not sent")
        if not self.eot and not self.content:
            raise ValueError("an open message needs content to go on from")
        for call in self.tool_calls or ():
            json.loads(call.function.arguments)  # the template has them written out again
        return self


class InputMessage(Strict):
    role: Literal["input"]
    tool_call_id: str
    content: str | Annotated[list[TextPart], Field(min_length=1)]


Message = Annotated[SystemMessage | HumanMessage | AssistantMessage | InputMessage, Field(discriminator="role")]


class StepAudioChat(Strict):
    """The body of ``POST /v1/chat/completions``."""

    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[list[Message], Field(min_length=1)]
    stream: bool
    continue_final_message: bool
    add_generation_prompt: bool
    skip_special_tokens: Literal[False]
    stream_options: StreamOptions | None = None
    tools: Annotated[list[Tool], Field(min_length=1)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: Literal[False] | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    best_of: Annotated[int, Field(ge=1)] | None = None
    use_beam_search: bool = False
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    min_tokens: Annotated[int, Field(ge=0)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0)] | None = None
    length_penalty: float | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0)] | None = None

    @property
    def sounds(self) -> list[Sound]:
        """The audio of all messages, in order."""
        contents = [message.content for message in self.messages if isinstance(message, HumanMessage)]
        parts = [part for content in contents if not isinstance(content, str) for part in content]
        return [part.input_audio.sound for part in parts if isinstance(part, PiecePart)]

    @property
    def texts(self) -> list[str]:
        """The texts of all messages, in order."""
        return [text for message in self.messages for text in _texts(message)]


def parse_step_audio(http: HttpRequest) -> tuple[StepAudioChat, dict[str, Any]]:
    """Read and check a request.

    Returns:
        Its body, and the JSON object as it was sent.

    Raises:
        ViolationError: it breaks the protocol; names the first place that does.
    """
    if (http.method, http.path) != ("POST", CHAT):
        raise ViolationError(f"Invalid URL ({http.method} {http.path})", status=404)
    chat, fields = parse_body(http.headers.get("content-type", ""), http.body, StepAudioChat)
    _check_flags(chat)
    _check_tools(chat)
    if chat.use_beam_search and not chat.n == chat.best_of != 1:
        raise ViolationError("the width of the beam is n; best_of must say the same", param="n")
    if not chat.use_beam_search and (chat.best_of is not None or (chat.n or 1) != 1):
        raise ViolationError("n and best_of are only understood as the width of a beam search", param="best_of")
    if chat.stream_options is not None and not chat.stream:
        raise ViolationError("Stream options can only be defined when `stream=True`.", param="stream_options")
    return chat, fields


def _texts(message: Message) -> Iterator[str]:
    if isinstance(message, AssistantMessage) and message.tts_content is not None:
        yield message.tts_content.tts_text
    if isinstance(message.content, str):
        yield message.content
    else:
        yield from (part.text for part in message.content or () if isinstance(part, TextPart))


def _check_flags(chat: StepAudioChat) -> None:
    """The flags say what the last message says: left open, it is to be continued."""
    if chat.continue_final_message and chat.add_generation_prompt:
        raise ViolationError(
            "Cannot set both `continue_final_message` and `add_generation_prompt` to True.",
            param="continue_final_message",
        )
    *earlier, last = chat.messages
    if any(isinstance(message, AssistantMessage) and not message.eot for message in earlier):
        raise ViolationError("only the last message may be open", param="messages")
    is_open = isinstance(last, AssistantMessage) and not last.eot
    if is_open != chat.continue_final_message:
        state = "open" if is_open else "not open"
        raise ViolationError(f"the last message is {state}, the flag says otherwise", param="continue_final_message")
    if is_open == chat.add_generation_prompt:
        raise ViolationError(
            "a generation prompt is added where the last message is not open, and only there",
            param="add_generation_prompt",
        )


def _check_tools(chat: StepAudioChat) -> None:
    """Results answer calls that were made, and the fields about tools come together."""
    known: set[str] = set()
    for index, message in enumerate(chat.messages):
        if isinstance(message, AssistantMessage):
            known |= {call.id for call in message.tool_calls or ()}
        elif isinstance(message, InputMessage) and message.tool_call_id not in known:
            raise ViolationError(
                "a message of role 'input' must answer a call", param=f"messages[{index}].tool_call_id"
            )
    if (chat.tools is None) != (chat.parallel_tool_calls is None):
        raise ViolationError("parallel_tool_calls goes with tools, and must be false", param="parallel_tool_calls")
    if chat.tools is None and chat.tool_choice not in (None, "none"):
        raise ViolationError("When using `tool_choice`, `tools` must be set.", param="tool_choice")
