"""Requests in the events of the Realtime API, in the two families of names that servers speak.

``ga``: OpenAI's own since 2025 (openai-python, types/realtime). ``beta``: the one before, which StepFun, DashScope and
most copies still speak.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from evalkit.audio import Audio
from evalkit.types import Message, Request
from model_adapters.shared.base64_body import Base64Body
from model_adapters.shared.settings import protocol_settings

Dialect = Literal["ga", "beta"]
"""The family of event names and session fields that a server speaks."""

Recordings = Literal["item", "buffer"]
"""How a recording is sent: within a message, or as if it were spoken into a microphone."""

_PIECE = 1 << 20  # bytes of samples in one event; services take 15 MiB of base64
_SETTINGS: Mapping[Dialect, Mapping[str, str]] = {
    "ga": {"max_new_tokens": "max_output_tokens", "tool_choice": "tool_choice"},
    "beta": {
        "max_new_tokens": "max_response_output_tokens",
        "temperature": "temperature",
        "tool_choice": "tool_choice",
    },
}


class RealtimeFormat:
    """How requests are put to one model.

    Args:
        model: its name, for messages.
        dialect: that the server speaks.
        recordings: how they are sent.
        generation: decoding settings that hold where a request says nothing else.
        extra_body: further fields of every session, as the server's documentation has them.
        voice: in which the model speaks.
        input_rate: of the samples that it hears, in hertz.
        output_rate: of the samples that it speaks, in hertz.
        speaks_always: whether the server makes speech for written answers too.
    """

    def __init__(
        self,
        model: str,
        *,
        dialect: Dialect,
        recordings: Recordings,
        generation: Mapping[str, Any],
        extra_body: Mapping[str, Any],
        voice: str,
        input_rate: int,
        output_rate: int,
        speaks_always: bool,
    ) -> None:
        self._model = model
        self._dialect = dialect
        self._recordings = recordings
        self._generation = dict(generation)
        self._extra_body = dict(extra_body)
        self._voice = voice
        self._input_rate = input_rate
        self._output_rate = output_rate
        self._speaks_always = speaks_always
        self._json = Base64Body()

    def events(self, request: Request, sounds: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the events that put a request, as JSON: the session, the conversation so far, the call for an answer.

        Args:
            request: what is asked.
            sounds: its recordings, in order: one channel of 16-bit samples at ``input_rate``.

        Raises:
            ConfigurationError: a decoding setting is not one of the protocol's.
        """
        yield self._json.filled({"type": "session.update", "session": self.session(request)}, [])
        remaining = iter(sounds)
        for message in request.messages:
            yield from self._turn(message, remaining)
        yield self._json.filled({"type": "response.create"}, [])

    def session(self, request: Request) -> dict[str, Any]:
        """Return the session in which a request is put.

        Raises:
            ConfigurationError: a decoding setting is not one of the protocol's.
        """
        settings = protocol_settings(
            {**self._generation, **request.generation},
            _SETTINGS[self._dialect],
            model=self._model,
            protocol="Realtime" if self._dialect == "ga" else "Realtime's beta",
            remedy="use a prompt profile that leaves it out, such as 'realtime'",
        )
        if request.tools:
            settings["tools"] = [{"type": "function", **tool["function"]} for tool in request.tools]
        if system := "\n".join(_words(message) for message in request.messages if message.role == "system"):
            settings["instructions"] = system
        speaks = request.output == "speech" or self._speaks_always
        form = self._ga_form(speaks) if self._dialect == "ga" else self._beta_form(speaks)
        return {**form, **settings, **self._extra_body}

    def _ga_form(self, speaks: bool) -> dict[str, Any]:
        heard = {"format": {"type": "audio/pcm", "rate": self._input_rate}, "turn_detection": None}
        spoken = {"format": {"type": "audio/pcm", "rate": self._output_rate}, "voice": self._voice}
        return {
            "type": "realtime",
            "output_modalities": ["audio" if speaks else "text"],  # speech brings its transcript along
            "audio": {"input": heard} | ({"output": spoken} if speaks else {}),
        }

    def _beta_form(self, speaks: bool) -> dict[str, Any]:
        form = {"modalities": ["text"], "input_audio_format": "pcm16", "turn_detection": None}
        if speaks:
            form |= {"modalities": ["text", "audio"], "output_audio_format": "pcm16", "voice": self._voice}
        return form

    def _turn(self, message: Message, sounds: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the events that stand for a message; a system message stands in the session."""
        match message.role:
            case "user" if self._recordings == "buffer":
                for part in message.content:
                    yield from self._spoken(next(sounds)) if isinstance(part, Audio) else self._said([part], sounds)
            case "user":
                yield from self._said(message.content, sounds)
            case "assistant":
                if words := _words(message):
                    kind = "output_text" if self._dialect == "ga" else "text"
                    content = [{"type": kind, "text": words}]
                    yield self._item({"type": "message", "role": "assistant", "content": content})
                for call in message.tool_calls:
                    fields = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
                    yield self._item({"type": "function_call", **fields})
            case "tool":
                fields = {"call_id": message.tool_call_id, "output": _words(message)}
                yield self._item({"type": "function_call_output", **fields})

    def _said(self, parts: Iterable[str | Audio], sounds: Iterator[bytes]) -> Iterator[bytes]:
        content: list[dict[str, str]] = []
        recordings: list[bytes] = []
        for part in parts:
            if isinstance(part, Audio):
                content.append({"type": "input_audio", "audio": self._json.mark})
                recordings.append(next(sounds))
            else:
                content.append({"type": "input_text", "text": part})
        yield self._item({"type": "message", "role": "user", "content": content}, recordings)

    def _spoken(self, samples: bytes) -> Iterator[bytes]:
        for start in range(0, len(samples), _PIECE):
            event = {"type": "input_audio_buffer.append", "audio": self._json.mark}
            yield self._json.filled(event, [_base64(samples[start : start + _PIECE])])
        yield self._json.filled({"type": "input_audio_buffer.commit"}, [])

    def _item(self, item: Mapping[str, Any], recordings: Iterable[bytes] = ()) -> bytes:
        event = {"type": "conversation.item.create", "item": item}
        return self._json.filled(event, [_base64(recording) for recording in recordings])


def _words(message: Message) -> str:
    return "".join(part for part in message.content if isinstance(part, str))


def _base64(samples: bytes) -> bytes:
    import pybase64

    return pybase64.b64encode(samples)
