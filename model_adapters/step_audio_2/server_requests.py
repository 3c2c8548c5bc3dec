"""Requests in the words of StepFun's vLLM server: roles, pieces of audio, and flags that say how the answer begins.

The protocol is that of the client which StepFun publishes (repository stepfun-ai/Step-Audio2, stepaudio2vllm.py and
examples-vllm.py) and of its server (repository stepfun-ai/vllm, branch step-audio2-mini).
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from evalkit.audio import Audio
from evalkit.audio.wav import wav_of_samples
from evalkit.errors import PermanentError
from evalkit.types import Message, Request
from model_adapters.openai.chat_format import tool_fields
from model_adapters.shared.settings import protocol_settings

SAMPLE_RATE = 16_000
"""At which recordings are sent, in hertz."""

SPEECH_BEGINS = "<tts_start>"
"""What an answer begins with that is to be spoken; without it the model writes."""

THOUGHT_BEGINS, THOUGHT_ENDS = "<think>", "</think>"
"""What stands around the thought that goes before an answer of the thinking model."""

_PIECE = 25 * SAMPLE_RATE  # samples; the encoder's positions end at 30 s, and the model was trained on pieces of 25 s
_ROLES = {"system": "system", "user": "human", "assistant": "assistant", "tool": "input"}

# Decoding settings of the server, by the names that requests use.
_SETTINGS = {"max_new_tokens": "max_tokens"} | {
    name: name
    for name in (
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "frequency_penalty",
        "presence_penalty",
        "repetition_penalty",
        "length_penalty",
        "min_tokens",
        "seed",
        "stop",
        "stop_token_ids",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "tool_choice",
    )
}
_BEAMS = ("n", "best_of", "use_beam_search")


class StepAudio2Format:
    """How requests are put to one model.

    Args:
        model: its name on the server.
        generation: decoding settings that hold where a request says nothing else.
        extra_body: further fields of every request body, as the server's documentation has them.
        stream: whether answers are sent piece by piece.
    """

    def __init__(
        self, model: str, *, generation: Mapping[str, Any], extra_body: Mapping[str, Any], stream: bool
    ) -> None:
        self._model = model
        self._generation = dict(generation)
        self._extra_body = dict(extra_body)
        self._stream = stream

    def settings(self, request: Request, given: int = 0) -> dict[str, Any]:
        """Return the decoding settings of a request, as fields of the body.

        Args:
            request: what is asked.
            given: how many replies the server has given already, which it is not to repeat.

        Raises:
            ConfigurationError: a decoding setting is not one of the server's.
        """
        wanted = {**self._generation, **request.generation}
        beams = wanted.pop("num_beams", 1)
        # The prompts are those of the authors' own code, which samples only if told to; their server does so by itself.
        if "temperature" not in wanted:
            wanted.setdefault("do_sample", False)
        settings = protocol_settings(
            wanted,
            _SETTINGS,
            model=self._model,
            protocol="Step-Audio 2's server",
            remedy="if the server takes it, put it into the model's extra_body=, else drop it from the prompt profile",
        )
        if beams > 1:
            # StepFun's examples say best_of, but its server takes the width of the beam from n.
            settings |= {"n": beams, "best_of": beams, "use_beam_search": True}
        if (further := request.attempt + given) and "seed" in settings:
            settings["seed"] += further  # the same seed would bring the same answer
        return settings

    def body(
        self, request: Request, messages: Sequence[Mapping[str, Any]], opening: str, settings: Mapping[str, Any]
    ) -> bytes:
        """Return the request as JSON.

        Args:
            request: what is asked.
            messages: its messages as ``server_messages`` gives them.
            opening: what the answer begins with; empty to leave that to the model.
            settings: decoding settings as ``settings`` gives them.
        """
        answer = [{"role": "assistant", "content": opening, "eot": False}] if opening else []
        body = {
            "model": self._model,
            "messages": [*messages, *answer],
            "stream": self._stream,
            "continue_final_message": bool(opening),
            "add_generation_prompt": not opening,
            "skip_special_tokens": False,  # the tokens of speech and of tool calls are among them
            **settings,
            **self._extra_body,
        }
        if request.tools:
            body |= {"tools": [dict(tool) for tool in request.tools], "parallel_tool_calls": False}
        if self._stream:
            body["stream_options"] = {"include_usage": True}
        return json.dumps(body).encode()


def thought_settings(settings: Mapping[str, Any], has_tools: bool) -> dict[str, Any]:
    """Return the decoding settings of a thought, made of those of the answer that follows it (examples-think.py).

    Args:
        settings: of the answer.
        has_tools: whether tools are offered.
    """
    # A search over beams knows no stop strings, and would think for ever.
    thought = {name: value for name, value in settings.items() if name not in _BEAMS}
    thought |= {"max_tokens": 2048, "stop": [THOUGHT_ENDS]}
    # A call that is only thought about is not to be cut out of the thought.
    return {**thought, "tool_choice": "none"} if has_tools else thought


async def server_messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Return a conversation in the words of the server; recordings are decoded in a thread.

    Raises:
        AudioError: a recording cannot be read.
        PermanentError: a recording stands where the server takes none.
    """
    return [await _server_message(message) for message in messages]


async def _server_message(message: Message) -> dict[str, Any]:
    record: dict[str, Any] = {"role": _ROLES[message.role]}
    # The server joins the texts of a message with line breaks; one text it leaves as it is.
    text = "".join(part for part in message.content if isinstance(part, str))
    recordings = [part for part in message.content if isinstance(part, Audio)]
    if message.role == "user" and recordings:
        # The server puts audio before text, wherever it stands.
        parts = [part for recording in recordings for part in await asyncio.to_thread(_audio_parts, recording)]
        record["content"] = [*parts, {"type": "text", "text": text}] if text else parts
    elif message.tokens:
        record["tts_content"] = json.loads(message.tokens)  # as the server gave it, so that it writes the same tokens
    elif recordings and message.role == "system":  # of the assistant and of a tool, the words are enough
        raise PermanentError(f"Step-Audio 2's server takes recordings of a user only, not of a {message.role}")
    else:
        record["content"] = [{"type": "text", "text": text}] if message.role == "tool" else text
    return record | tool_fields(message)


def audio_pieces(audio: Audio) -> list[bytes]:
    """Return a recording's mono mix as consecutive WAV files of 25 s, the last one being shorter.

    Samples in -1..1 times 32767, cut to whole numbers, as the published client makes them.

    Raises:
        AudioError: the recording cannot be read.
    """
    samples = (audio.waveform(SAMPLE_RATE).clip(-1, 1) * np.float32(32_767)).astype("<i2")
    audio.release()
    return [
        wav_of_samples(samples[start : start + _PIECE].tobytes(), SAMPLE_RATE)
        for start in range(0, len(samples), _PIECE)
    ]


def _audio_parts(audio: Audio) -> list[dict[str, Any]]:
    import pybase64

    return [
        {"type": "input_audio", "input_audio": {"data": pybase64.b64encode_as_string(piece), "format": "wav"}}
        for piece in audio_pieces(audio)
    ]
