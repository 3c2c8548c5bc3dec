"""evalkit's requests as Step-Audio 2's conversations, for the model in this process."""

import json
from collections.abc import Iterator, Sequence

from evalkit.audio import Audio
from evalkit.types import Message, Request
from model_adapters.shared.decoding import request_seed
from step_audio_2 import chat
from step_audio_2.tool_calls import ToolCall

SAMPLE_RATE = 16_000


def question_of(request: Request, seed: int) -> chat.Question:
    """Turn a request into what the model is asked.

    Args:
        request: with decoded or readable recordings.
        seed: of a run; with what is asked, it decides what a sampled answer draws.

    Raises:
        AudioError: a recording cannot be read.
    """
    return chat.Question(
        messages=list(_messages(request)),
        spoken=request.output == "speech",
        tool_names=[tool["function"]["name"] for tool in request.tools],
        seeds=[request_seed(request, seed, number) for number in range(request.replies)],
    )


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
        # As it stands: a data set decides what its tools say, and whoever wants more of the model adds another text.
        return chat.Message("input", tuple(part for part in message.content if isinstance(part, str)))
    role = "human" if message.role == "user" else message.role
    if all(isinstance(part, str) for part in message.content):
        return chat.Message(role, _text(message.content))
    return chat.Message(role, [_part(part) for part in message.content])


def _text(content: Sequence[str | Audio]) -> str:
    return "".join(part for part in content if isinstance(part, str))


def _part(part: str | Audio) -> chat.Part:
    import torch

    return part if isinstance(part, str) else chat.AudioPart(torch.from_numpy(part.waveform(SAMPLE_RATE)))
