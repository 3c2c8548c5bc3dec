"""What chat requests to services beside OpenAI may hold: StepFun, DashScope, SGLang's older form, vllm-omni.

By StepFun's API reference (chat completion create, guide "audio chat"), Alibaba's Model Studio pages "Qwen-Omni" and
"Qwen-ASR API reference", and the repositories sgl-project/sglang and vllm-project/vllm-omni.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PrivateAttr, model_validator

from tests.servers.messages import AssistantMessage, InstructionMessage, Strict, TextPart, ToolMessage
from tests.servers.messages import AudioPart as OpenAIAudioPart
from tests.servers.messages import InputAudio as OpenAIInputAudio
from tests.servers.schema import ChatRequest, VllmChatRequest
from tests.servers.sound import Sound, decode

_DATA_URL = re.compile(r"data:(?:audio/(wav|mpeg))?;base64,(.+)", re.DOTALL)
_FORMATS = {"wav": "wav", "mpeg": "mp3", None: "wav"}


def _sound(url: str) -> Sound:
    match = _DATA_URL.fullmatch(url)
    if match is None:
        raise ValueError("it must be a data URL of base64, such as data:audio/wav;base64,…")
    try:
        return decode(base64.b64decode(match[2], validate=True), _FORMATS[match[1]])
    except binascii.Error as error:
        raise ValueError(f"it is no base64: {error}") from error


class DataUrl(Strict):
    """A recording as a data URL, with nothing beside it."""

    data: str
    _sound: Sound = PrivateAttr()

    @model_validator(mode="after")
    def _is_audio(self) -> "DataUrl":
        self._sound = _sound(self.data)
        return self

    @property
    def sound(self) -> Sound:
        """What ``data`` stands for."""
        return self._sound


class DataUrlWithFormat(DataUrl):
    format: Literal["wav", "mp3"]


class LinkedAudio(Strict):
    url: str

    @property
    def sound(self) -> Sound:
        """What ``url`` stands for."""
        return _sound(self.url)


class StepFunPart(OpenAIAudioPart):
    input_audio: DataUrl  # type: ignore[assignment]


class DashScopePart(OpenAIAudioPart):
    input_audio: DataUrlWithFormat  # type: ignore[assignment]


class AudioUrlPart(Strict):
    type: Literal["audio_url"]
    audio_url: LinkedAudio

    @property
    def input_audio(self) -> LinkedAudio:
        """The recording, by the name that the other forms have for it."""
        return self.audio_url


class _UserMessage(Strict):
    role: Literal["user"]


class StepFunUser(_UserMessage):
    content: str | Annotated[list[Annotated[TextPart | StepFunPart, Field(discriminator="type")]], Field(min_length=1)]


class DashScopeUser(_UserMessage):
    content: (
        str | Annotated[list[Annotated[TextPart | DashScopePart, Field(discriminator="type")]], Field(min_length=1)]
    )


class SglangUser(_UserMessage):
    content: str | Annotated[list[Annotated[TextPart | AudioUrlPart, Field(discriminator="type")]], Field(min_length=1)]


def _message(user: Any) -> Any:
    return Annotated[InstructionMessage | user | AssistantMessage | ToolMessage, Field(discriminator="role")]


class StepFunAudio(Strict):
    voice: Literal["wenrounansheng", "qingchunshaonv", "livelybreezy-female", "elegantgentle-female"]
    format: Literal["wav", "pcm"]


class StepFunRequest(ChatRequest):
    """A chat with step-audio-2: modalities always, data URLs without a format, pcm where it streams and wav else."""

    streamed_formats: ClassVar[tuple[str, ...]] = ("pcm",)

    messages: Annotated[list[_message(StepFunUser)], Field(min_length=1)]  # type: ignore[valid-type]
    modalities: Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)]
    audio: StepFunAudio | None = None  # type: ignore[assignment]

    @model_validator(mode="after")
    def _fits(self) -> "StepFunRequest":
        if self.audio is not None and not self.stream and self.audio.format != "wav":
            raise ValueError("audio.format must be wav without streaming")
        if len(list(_recordings(self))) > 30:
            raise ValueError("more than 30 pieces of sound")
        return self


class DashScopeAudio(Strict):
    voice: Annotated[str, Field(min_length=1)]
    format: Literal["wav"]


class DashScopeRequest(ChatRequest):
    """A chat with Qwen-Omni: streamed only, one recording, no n, wav alone to be spoken in."""

    streamed_formats: ClassVar[tuple[str, ...]] = ("wav",)

    messages: Annotated[list[_message(DashScopeUser)], Field(min_length=1)]  # type: ignore[valid-type]
    stream: Literal[True]
    n: None = None
    audio: DashScopeAudio | None = None  # type: ignore[assignment]
    enable_thinking: bool | None = None
    top_k: int | None = None

    @model_validator(mode="after")
    def _fits(self) -> "DashScopeRequest":
        speaks = "audio" in (self.modalities or ())
        if len(list(_recordings(self))) > 1:
            raise ValueError("only one recording a request")
        if self.model.startswith("qwen-omni-turbo") and speaks and isinstance(self.messages[0], InstructionMessage):
            raise ValueError("qwen-omni-turbo takes no system message where it speaks")
        if self.enable_thinking and (speaks or not self.model.startswith("qwen3-omni-flash")):
            raise ValueError("InvalidParameter.NotSupportEnableThinking")
        return self


class AsrOptions(Strict):
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$|^yue$")] | None = None
    enable_itn: bool = False
    enable_lid: bool = False


class AsrUser(_UserMessage):
    content: Annotated[list[StepFunPart], Field(min_length=1, max_length=1)]


class DashScopeAsrRequest(ChatRequest):
    """A recording for qwen3-asr-flash: nothing but it, and its options."""

    messages: Annotated[  # type: ignore[assignment]
        list[Annotated[InstructionMessage | AsrUser, Field(discriminator="role")]], Field(min_length=1, max_length=2)
    ]
    asr_options: AsrOptions | None = None


class SglangRequest(VllmChatRequest):
    """A chat with SGLang before it took ``input_audio``."""

    messages: Annotated[list[_message(SglangUser)], Field(min_length=1)]  # type: ignore[valid-type]


class OmniAudio(Strict):
    voice: str
    format: Literal["wav", "pcm"]


class VllmOmniRequest(VllmChatRequest):
    """A chat with vllm-omni, told always what to answer in."""

    streamed_formats: ClassVar[tuple[str, ...]] = ("wav", "pcm")

    modalities: Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)]
    audio: OmniAudio | None = None  # type: ignore[assignment]


def _recordings(chat: ChatRequest) -> Iterator[OpenAIInputAudio]:
    for message in chat.messages:
        if not isinstance(message.content, str):
            for part in message.content or ():
                if hasattr(part, "input_audio"):
                    yield part.input_audio
