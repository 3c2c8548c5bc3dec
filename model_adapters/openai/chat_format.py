"""Requests in the words of OpenAI's chat completions."""

from collections.abc import Collection, Mapping
from typing import Any, Literal, get_args

from evalkit.audio import Audio
from evalkit.audio.encoding import wavs
from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.types import Message, Request
from model_adapters.shared.base64_body import Base64Body
from model_adapters.shared.request_limits import RequestLimits
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

AudioPart = Literal["base64", "data_url", "data_url_alone", "audio_url"]
"""How a recording stands in a message: ``input_audio`` with bare base64, with a data URL, or with a data URL and no
``format`` beside it; or ``audio_url``."""


class ChatFormat:
    """How requests are put to one model.

    Args:
        model: its name on the server.
        generation: decoding settings that hold where a request says nothing else.
        extensions: names of decoding settings beyond the protocol that the server takes, such as ``top_k``.
        extra_body: further fields of every request body, as the server's documentation has them.
        max_tokens_name: ``max_completion_tokens`` for servers that no longer take ``max_tokens``.
        voice: in which the model speaks.
        speech_format: in which it is asked to speak; None for WAV, or for the next where it streams.
        streamed_speech_format: what the server calls bare samples in a stream.
        audio_part: how it is sent recordings.
        sample_rate: at which it is sent them, in hertz.
        stream: whether answers are sent piece by piece.
        language_field: of the body, in which the language is told that a request hints at, such as
            ``asr_options.language``; None for a server that is told none.
        request_limits: what the server takes in one request.

    Raises:
        ConfigurationError: there is no such kind of ``audio_part``.
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
        speech_format: str | None,
        streamed_speech_format: str,
        audio_part: AudioPart,
        sample_rate: int,
        stream: bool,
        language_field: str | None = None,
        request_limits: RequestLimits | None = None,
    ) -> None:
        if audio_part not in (kinds := get_args(AudioPart)):
            raise ConfigurationError(f"audio_part: '{audio_part}' must be {', '.join(kinds)}{hint(audio_part, kinds)}")
        self._model = model
        self._generation = dict(generation)
        self._names = {**_SETTINGS, "max_new_tokens": max_tokens_name} | {name: name for name in extensions}
        self._extra_body = dict(extra_body)
        self._voice = voice
        self._speech_format = speech_format or (streamed_speech_format if stream else "wav")
        self._audio_part = audio_part
        self._sample_rate = sample_rate
        self._stream = stream
        self._language_field = language_field
        self._request_limits = request_limits or RequestLimits()
        self._json = Base64Body()

    async def body(self, request: Request, replies: int, given: int = 0) -> bytes:
        """Return the request as JSON.

        Args:
            request: what is asked.
            replies: how many replies are wanted now.
            given: how many the server has given already, which it is not to repeat.

        Raises:
            AudioError: a recording cannot be read.
            ConfigurationError: a decoding setting is not one of the server's.
            PermanentError: it holds more than the server takes.
        """
        import pybase64

        recordings: list[Audio] = []
        body = {
            "model": self._model,
            "messages": [self._message(message, recordings) for message in request.messages],
            **self.settings(request),
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
            body["audio"] = {"voice": self._voice, "format": self._speech_format}
        if self._stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        if self._language_field and request.language:
            _put(body, self._language_field, request.language)
        encoded = [pybase64.b64encode(wav) for wav in await wavs(recordings, self._sample_rate)]
        whole = self._json.filled(body, encoded)
        self._request_limits.check([len(recording) for recording in encoded], len(whole))
        return whole

    def settings(self, request: Request) -> dict[str, Any]:
        """Return the decoding settings of a request in the words of the protocol.

        Raises:
            ConfigurationError: one is not the server's.
        """
        wanted = {**self._generation, **request.generation}
        return protocol_settings(wanted, self._names, model=self._model, protocol="chat completions", remedy=_REMEDY)

    def _message(self, message: Message, recordings: list[Audio]) -> dict[str, Any]:
        # A server knows what its model said only by its words, and so it does what a tool found.
        parts = [part for part in message.content if message.role == "user" or isinstance(part, str)]
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
                    record["content"].append(self._recording())
        return record | tool_fields(message)

    def _recording(self) -> dict[str, Any]:
        """Return a recording as part of a message, with the mark where its base64 goes."""
        if self._audio_part == "base64":
            return {"type": "input_audio", "input_audio": {"data": self._json.mark, "format": "wav"}}
        url = f"data:audio/wav;base64,{self._json.mark}"
        if self._audio_part == "data_url":
            return {"type": "input_audio", "input_audio": {"data": url, "format": "wav"}}
        if self._audio_part == "data_url_alone":
            return {"type": "input_audio", "input_audio": {"data": url}}
        return {"type": "audio_url", "audio_url": {"url": url}}


def tool_fields(message: Message) -> dict[str, Any]:
    """Return the fields of a message that are about tools: the calls that it makes, and the one that it answers."""
    fields: dict[str, Any] = {}
    if message.tool_calls:
        fields["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        fields["tool_call_id"] = message.tool_call_id
    return fields


def _put(body: dict[str, Any], path: str, value: str) -> None:
    """Set the field of a body that a dotted path leads to; what is on the way is copied, for others hold it too."""
    name, _, rest = path.partition(".")
    if rest:
        body[name] = dict(body.get(name) or {})
        _put(body[name], rest, value)
    else:
        body[name] = value
