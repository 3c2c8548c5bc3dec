"""evalkit's requests as Step-Audio 2's conversations, for the model in this process."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.types import Message, Request
from step_audio_2 import chat
from step_audio_2.assistant import Question
from step_audio_2.tool_calls import ToolCall

SAMPLE_RATE = 16_000

_SETTINGS = (
    "max_new_tokens",
    "do_sample",
    "temperature",
    "top_p",
    "top_k",
    "repetition_penalty",
    "num_beams",
    "stop",
)


def question_of(request: Request, seed: int) -> Question:
    """What the model is asked.

    Args:
        request: with decoded or readable recordings.
        seed: of a run; with what is asked, it decides what a sampled answer draws.

    Raises:
        AudioError: a recording cannot be read.
    """
    return Question(
        messages=list(_messages(request)),
        spoken=request.output == "speech",
        tool_names=[tool["function"]["name"] for tool in request.tools],
        seeds=[_seed(request, seed, number) for number in range(request.replies)],
    )


def generation_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A prompt profile's decoding settings as ``StepAudio2ForCausalLM.generate`` takes them.

    Raises:
        ConfigurationError: one is not known.
    """
    wanted = dict(settings)
    for name in wanted:
        if name not in _SETTINGS:
            raise ConfigurationError(
                f"'{name}' is no decoding setting of Step-Audio 2{hint(name, _SETTINGS)}; "
                f"there are {', '.join(_SETTINGS)}"
            )
    sample = wanted.pop("do_sample", "temperature" in wanted) and wanted.get("temperature") != 0
    if not sample:
        for name in ("temperature", "top_p", "top_k"):
            wanted.pop(name, None)
    if "stop" in wanted:
        stop = wanted.pop("stop")
        wanted["stop_strings"] = [stop] if isinstance(stop, str) else list(stop)
    return {**wanted, "do_sample": bool(sample)}


def _messages(request: Request) -> Iterator[chat.Message]:
    tools = [chat.tool_schemas(request.tools)] if request.tools else []
    for message in request.messages:
        if message.role != "system":
            yield from tools
            tools = []
        yield _message(message)
    yield from tools


def _message(message: Message) -> chat.Message:
    if message.role == "assistant":
        if message.tokens:
            return chat.spoken_turn(json.loads(message.tokens))
        calls = "".join(ToolCall(call.name, call.arguments).text for call in message.tool_calls)
        # Sound that is not in the model's own codes cannot be put in its mouth.
        return chat.Message("assistant", _text(message.content) + calls)
    if message.role == "tool":
        return chat.tool_result(_text(message.content))
    role = "human" if message.role == "user" else message.role
    if all(isinstance(part, str) for part in message.content):
        return chat.Message(role, _text(message.content))
    return chat.Message(role, [_part(part) for part in message.content])


def _text(content: Sequence[str | Audio]) -> str:
    return "".join(part for part in content if isinstance(part, str))


def _part(part: str | Audio) -> chat.Part:
    import torch

    return part if isinstance(part, str) else chat.AudioPart(torch.from_numpy(part.waveform(SAMPLE_RATE)))


def _seed(request: Request, seed: int, number: int) -> int:
    """63 bits of what is asked, in which run, and which of several answers it is."""
    identity = f"{request.content_hash()} {seed} {number}"
    return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest(), "little") >> 1
