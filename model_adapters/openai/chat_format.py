"""Requests and answers in the words of OpenAI's chat completions."""

import json
import uuid
from collections.abc import AsyncIterable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalkit.audio import Audio
from evalkit.audio.encoding import wavs
from evalkit.audio.wav import wav_of_samples
from evalkit.errors import AudioError, PermanentError, TransientError
from evalkit.types import Message, Request, Response, ToolCall, Usage
from model_adapters.shared.settings import protocol_settings

# Decoding settings of the protocol, by the names that requests use.
_SETTINGS = {
    "max_new_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "logit_bias": "logit_bias",
    "logprobs": "logprobs",
    "top_logprobs": "top_logprobs",
    "seed": "seed",
    "stop": "stop",
    "reasoning_effort": "reasoning_effort",
    "response_format": "response_format",
    "tool_choice": "tool_choice",
    "parallel_tool_calls": "parallel_tool_calls",
}
_REMEDY = "if the server takes it, add it to the model's extensions=, else drop it from the prompt profile"
_SPEECH_RATE = 24_000  # of speech that is streamed as bare samples


class ChatFormat:
    """How requests are put to one model.

    Args:
        model: its name on the server.
        generation: decoding settings that hold where a request says nothing else.
        extensions: names of decoding settings beyond the protocol that the server takes, such as ``top_k``.
        extra_body: further fields of every request body, as the server's documentation has them.
        max_tokens_name: ``max_completion_tokens`` for servers that no longer take ``max_tokens``.
        voice: in which the model speaks.
        sample_rate: at which it is sent recordings, in hertz.
        stream: whether answers are sent piece by piece.
    """

    def __init__(
        self,
        model: str,
        *,
        generation: Mapping[str, Any],
        extensions: Collection[str],
        extra_body: Mapping[str, Any],
        max_tokens_name: str,
        voice: str,
        sample_rate: int,
        stream: bool,
    ) -> None:
        self._model = model
        self._generation = dict(generation)
        self._names = {**_SETTINGS, "max_new_tokens": max_tokens_name} | {name: name for name in extensions}
        self._extra_body = dict(extra_body)
        self._voice = voice
        self._sample_rate = sample_rate
        self._stream = stream
        self._mark = uuid.uuid4().hex  # stands for a recording, and in no text

    async def body(self, request: Request, replies: int, given: int = 0) -> bytes:
        """The request as JSON.

        Args:
            request: what is asked.
            replies: how many replies are wanted now.
            given: how many the server has given already, which it is not to repeat.

        Raises:
            AudioError: a recording cannot be read.
            ConfigurationError: a decoding setting is not one of the server's.
        """
        import pybase64

        recordings: list[Audio] = []
        # Base64 needs no escaping, and looking for what does takes longer than all else: it is put in afterwards.
        body = {
            "model": self._model,
            "messages": [self._message(message, recordings) for message in request.messages],
            **protocol_settings(
                {**self._generation, **request.generation},
                self._names,
                model=self._model,
                protocol="chat completions",
                remedy=_REMEDY,
            ),
            **self._extra_body,
        }
        if replies != 1:
            body["n"] = replies
        if (further := request.attempt + given) and "seed" in body:
            body["seed"] += further  # the same seed would bring the same answer
        if request.tools:
            body["tools"] = [dict(tool) for tool in request.tools]
        if request.output == "speech":
            body["modalities"] = ["text", "audio"]
            body["audio"] = {"voice": self._voice, "format": "pcm16" if self._stream else "wav"}
        if self._stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        pieces = json.dumps(body).encode().split(self._mark.encode())
        encoded = [pybase64.b64encode(wav) for wav in await wavs(recordings, self._sample_rate)]
        return b"".join(piece for pair in zip(pieces, [*encoded, b""], strict=True) for piece in pair)

    def _message(self, message: Message, recordings: list[Audio]) -> dict[str, Any]:
        # A server knows what its model said only by its words.
        parts = [part for part in message.content if message.role != "assistant" or isinstance(part, str)]
        record: dict[str, Any] = {"role": message.role}
        if all(isinstance(part, str) for part in parts):
            record["content"] = "".join(str(part) for part in parts)
        else:
            record["content"] = []
            for part in parts:
                if isinstance(part, str):
                    record["content"].append({"type": "text", "text": part})
                else:
                    recordings.append(part)
                    audio = {"data": self._mark, "format": "wav"}
                    record["content"].append({"type": "input_audio", "input_audio": audio})
        return record | tool_fields(message)


def tool_fields(message: Message) -> dict[str, Any]:
    """The fields of a message that are about tools: the calls that it makes, and the one that it answers."""
    fields: dict[str, Any] = {}
    if message.tool_calls:
        fields["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        fields["tool_call_id"] = message.tool_call_id
    return fields


def read_completion(completion: Any) -> Response:
    """The response that a chat completion amounts to.

    Args:
        completion: the completion as JSON values.

    Raises:
        PermanentError: the model refused, or a filter kept its answer back.
        ValueError: it is not of the documented form.
    """
    try:
        choices = completion["choices"]
        messages = [choice["message"] for choice in choices]
        first = messages[0]
        finish_reason = choices[0].get("finish_reason")
        refusal = first.get("refusal")
        audio = first.get("audio") or {}
        texts = tuple(
            (message.get("content") or (message.get("audio") or {}).get("transcript") or "") for message in messages
        )
        tool_calls = tuple(
            ToolCall(call["function"]["name"], call["function"]["arguments"], call.get("id") or "")
            for call in first.get("tool_calls") or ()
        )
        if not all(isinstance(text, str) for text in (*texts, *(call.arguments for call in tool_calls))):
            raise TypeError("what should be text is not")
        speech = _speech(audio["data"]) if audio.get("data") else None
        logprobs = (choices[0].get("logprobs") or {}).get("content") or ()
        usage = _usage(completion.get("usage") or {})
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no chat completion, {type(error).__name__}: {error}: {completion}") from error
    if refusal:
        raise PermanentError(f"the model refused: {refusal}")
    if finish_reason == "content_filter":
        raise PermanentError("a content filter of the server kept the answer back")
    return Response(
        text=texts[0],
        replies=texts if len(texts) > 1 else (),
        speech=speech,
        tool_calls=tool_calls,
        finish_reason=finish_reason,
        logprobs=tuple(logprobs),
        usage=usage,
    )


def _speech(data: str) -> Audio:
    import pybase64

    encoded = pybase64.b64decode(data, validate=True)
    audio = Audio("spoken answer", content=lambda: encoded)
    try:
        audio.waveform(_SPEECH_RATE)
    except AudioError as error:
        raise TransientError(f"the spoken answer cannot be read: {error}") from error
    audio.release()
    return audio


def _usage(usage: Mapping[str, Any]) -> Usage:
    read, written = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    return Usage(
        requests=1,
        input_tokens=usage.get("prompt_tokens") or 0,
        output_tokens=usage.get("completion_tokens") or 0,
        input_audio_tokens=read.get("audio_tokens") or 0,
        output_audio_tokens=written.get("audio_tokens") or 0,
    )


def add_delta(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Add what one chunk of a stream brings to the message so far, which ``gathered`` then closes."""
    for name in ("content", "refusal"):
        if delta.get(name):
            message[name] = (message.get(name) or "") + delta[name]
    if audio := delta.get("audio"):
        so_far = message.setdefault("audio", {"data": [], "transcript": ""})
        so_far["transcript"] += audio.get("transcript") or ""
        if audio.get("data"):
            so_far["data"].append(audio["data"])
    for piece in delta.get("tool_calls") or ():
        calls = message.setdefault("tool_calls", {})
        call = calls.setdefault(piece["index"], {"id": "", "function": {"name": "", "arguments": ""}})
        call["id"] = piece.get("id") or call["id"]
        function = piece.get("function") or {}
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""


async def gathered(
    chunks: AsyncIterable[Any], add: Callable[[dict[str, Any], Mapping[str, Any]], None] = add_delta
) -> dict[str, Any]:
    """The completion that a stream of chunks adds up to.

    Args:
        chunks: of the stream, as JSON values.
        add: another way to add a delta to a message, for servers whose messages have further fields.

    Raises:
        TransientError: the stream ended before every answer was finished, or is not of the documented form.
    """
    choices: dict[int, dict[str, Any]] = {}
    usage: Mapping[str, Any] | None = None
    try:
        async for chunk in chunks:
            usage = chunk.get("usage") or usage
            for choice in chunk["choices"]:
                index = choice["index"]
                so_far = choices.setdefault(index, {"index": index, "message": {}, "finish_reason": None})
                add(so_far["message"], choice.get("delta") or {})
                so_far["finish_reason"] = choice.get("finish_reason") or so_far["finish_reason"]
                if content := (choice.get("logprobs") or {}).get("content"):
                    so_far.setdefault("logprobs", {"content": []})["content"] += content
    except (AttributeError, KeyError, TypeError) as error:
        raise TransientError(f"the stream is not of the documented form ({type(error).__name__}: {error})") from error
    if not choices or any(choice["finish_reason"] is None for choice in choices.values()):
        raise TransientError("the stream broke off before the answer was finished")
    for choice in choices.values():
        _close(choice["message"])
    return {"choices": [choices[index] for index in sorted(choices)], "usage": usage}


def _close(message: dict[str, Any]) -> None:
    """Bring what was gathered piece by piece into the form of a whole message."""
    if "tool_calls" in message:
        message["tool_calls"] = [message["tool_calls"][index] for index in sorted(message["tool_calls"])]
    if audio := message.get("audio"):
        import pybase64

        samples = b"".join(pybase64.b64decode(piece, validate=True) for piece in audio["data"])
        audio["data"] = pybase64.b64encode_as_string(wav_of_samples(samples, _SPEECH_RATE)) if samples else ""


def together(parts: Sequence[Response], wanted: int) -> Response:
    """One response of several, each with some of the wanted replies."""
    replies = tuple(reply for part in parts for reply in (part.replies or (part.text,)))[:wanted]
    usage = sum((part.usage for part in parts if part.usage is not None), Usage())
    return replace(parts[0], replies=replies if wanted > 1 else (), usage=usage)
