"""evalkit's requests as Step-Audio 2's conversations, for the model in this process."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.types import Message, Request
from model_adapters.shared.seeds import seed_of
from step_audio_2 import chat
from step_audio_2.tool_calls import ToolCall

SAMPLE_RATE = 16_000

# Decoding settings, and what must hold of them.
_SETTINGS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "max_new_tokens": (lambda value: value >= 1, "at least 1"),
    "do_sample": (lambda value: isinstance(value, bool), "true or false"),
    "temperature": (lambda value: value >= 0, "at least 0"),
    "top_p": (lambda value: 0 < value <= 1, "above 0 and at most 1"),
    "top_k": (lambda value: value >= 0, "at least 0"),
    "repetition_penalty": (lambda value: value > 0, "above 0"),
    "num_beams": (lambda value: value >= 1, "at least 1"),
    "stop": (lambda value: bool(value), "a text or several"),
}


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
        seeds=[seed_of(request, seed, number) for number in range(request.replies)],
    )


def generation_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Translate a prompt profile's decoding settings to what ``StepAudio2ForCausalLM.generate`` takes.

    Raises:
        ConfigurationError: one is not known, or out of its range.
    """
    wanted = dict(settings)
    for name, value in wanted.items():
        if name not in _SETTINGS:
            raise ConfigurationError(
                f"'{name}' is no decoding setting of Step-Audio 2{hint(name, _SETTINGS)}; "
                f"there are {', '.join(_SETTINGS)}"
            )
        holds, requirement = _SETTINGS[name]
        if (isinstance(value, str) and name != "stop") or value is None or not holds(value):
            raise ConfigurationError(f"the decoding setting {name} is {value!r}; it must be {requirement}")
    sample = wanted.pop("do_sample", "temperature" in wanted) and wanted.get("temperature") != 0
    if not sample:
        for name in ("temperature", "top_p", "top_k"):
            wanted.pop(name, None)
    if "stop" in wanted:
        stop = wanted.pop("stop")
        wanted["stop_strings"] = [stop] if isinstance(stop, str) else list(stop)
    if sample and wanted.get("num_beams", 1) > 1:
        raise ConfigurationError("beams cannot be sampled from seeds: choose num_beams=1 or do_sample=false")
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
        # As it stands: a data set decides what its tools say, and whoever wants more of the model adds to it.
        return chat.Message("input", (_text(message.content),))
    role = "human" if message.role == "user" else message.role
    if all(isinstance(part, str) for part in message.content):
        return chat.Message(role, _text(message.content))
    return chat.Message(role, [_part(part) for part in message.content])


def _text(content: Sequence[str | Audio]) -> str:
    return "".join(part for part in content if isinstance(part, str))


def _part(part: str | Audio) -> chat.Part:
    import torch

    return part if isinstance(part, str) else chat.AudioPart(torch.from_numpy(part.waveform(SAMPLE_RATE)))
