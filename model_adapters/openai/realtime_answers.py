"""Answers in the events of the Realtime API, of both families of names, put together into a response."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.audio import Audio
from evalkit.audio.wav import wav_of_samples
from evalkit.errors import PermanentError, TransientError
from evalkit.types import Response, ToolCall
from model_adapters.openai.completions import listed, read_usage
from model_adapters.shared.server_errors import error_within
from model_adapters.shared.values import decoded_base64, fields, note, plain, shown

_WORDS = ("response.output_text.delta", "response.text.delta")
_TRANSCRIPT = ("response.output_audio_transcript.delta", "response.audio_transcript.delta")
_SOUND = ("response.output_audio.delta", "response.audio.delta")
_SESSION = ("session.created", "session.updated")


@dataclass
class RealtimeAnswer:
    """What a server has said so far.

    Attributes:
        model: that the server says it talks for; empty if it does not say.
    """

    model: str = ""
    _words: list[str] = field(default_factory=list)
    _transcript: list[str] = field(default_factory=list)
    _sound: list[bytes] = field(default_factory=list)

    @property
    def has_sound(self) -> bool:
        """Whether the beginning of speech has come."""
        return bool(self._sound)

    def add(self, event: Any) -> Mapping[str, Any] | None:
        """Take an event in, and return the finished response once it is there; unknown kinds are of no interest.

        Raises:
            TransientError: the server tells of an error.
            ValueError: sound is no base64.
        """
        record = fields(event)
        kind = record.get("type")
        if kind == "error":
            raise error_within(record.get("error") or record)
        if kind == "response.done":
            return fields(record.get("response"))
        if kind in _SESSION:
            self.model = self.model or str(fields(record.get("session")).get("model") or "")
        delta = record.get("delta")
        if isinstance(delta, str):
            if kind in _WORDS:
                self._words.append(delta)
            elif kind in _TRANSCRIPT:
                self._transcript.append(delta)
            elif kind in _SOUND:
                self._sound.append(decoded_base64(delta))
        return None

    def response(self, done: Mapping[str, Any], *, rate: int, spoken: bool) -> Response:
        """Return the response that all adds up to.

        Args:
            done: the finished response, by the server.
            rate: of its sound, in hertz.
            spoken: whether it was to be spoken; else sound is left out.

        Raises:
            TransientError: the server could not finish it.
            PermanentError: a filter kept it back.
        """
        notes: list[str] = []
        reason = _end(done)
        text = plain("".join(self._words or self._transcript))
        samples = b"".join(self._sound)
        wav = wav_of_samples(samples[: len(samples) // 2 * 2], rate) if samples and spoken else b""
        return Response(
            text=text,
            speech=Audio("spoken answer", content=lambda: wav) if wav else None,
            tool_calls=tuple(_calls(done, notes)),
            finish_reason=reason,
            usage=read_usage(done.get("usage"), notes),
            notes=tuple(notes),
            answered_by=plain(self.model),
        )


def _end(done: Mapping[str, Any]) -> str:
    """Return why a response ended, in the words of chat completions."""
    status = done.get("status")
    details = fields(done.get("status_details"))
    reason = details.get("reason")
    if reason == "content_filter":
        raise PermanentError("a content filter of the server kept the answer back")
    if status == "failed":
        raise error_within(details.get("error") or "the server could not answer")
    if status == "incomplete" and reason == "max_output_tokens":
        return "length"
    if status != "completed":
        raise TransientError(f"the answer was not finished: {shown(status)}, {shown(reason)}")
    return "stop"


def _calls(done: Mapping[str, Any], notes: list[str]) -> Iterator[ToolCall]:
    for position, item in enumerate(map(fields, listed(done.get("output")))):
        if item.get("type") != "function_call":
            continue
        name, arguments = item.get("name"), item.get("arguments")
        if not isinstance(name, str) or not name:
            raise ValueError(f"a call of a tool has no name: {shown(dict(item))}")
        if not isinstance(arguments, str):
            note(notes, f"the arguments of a call are {shown(arguments)}, which is no text")
            arguments = json.dumps(arguments or {}, ensure_ascii=False)
        yield ToolCall(plain(name), plain(arguments) or "{}", plain(str(item.get("call_id") or f"call_{position}")))
