"""Voices behind a server that speaks OpenAI's protocol for speech: ``POST /audio/speech``."""

import json
from collections.abc import Mapping
from typing import Any, Literal, get_args

from evalkit.audio import Audio
from evalkit.audio.wav import wav_of_samples
from evalkit.errors import AudioError, ConfigurationError, PermanentError, TransientError
from evalkit.hints import check_choice
from evalkit.types import Request, Response, Usage
from model_adapters.openai.completions import SPEECH_RATE
from model_adapters.openai.models import OpenAICompatible
from model_adapters.shared.server_errors import error_within, is_error
from model_adapters.shared.values import fields, parsed
from model_adapters.shared.voice import voice_capabilities, words_to_say

SpeechFormat = Literal["wav", "flac", "mp3", "opus", "pcm"]
"""In which speech is asked for; the protocol's ``aac`` is left out, as it cannot be decoded here."""

# https://platform.openai.com/docs/api-reference/audio/createSpeech
_MOST_CHARACTERS = 4096


class SpeechModel(OpenAICompatible):
    """A voice that is asked by the speech endpoint.

    Args:
        model: its name on the server.
        base_url: of the server.
        voice: in which it speaks.
        instructions: how it is to speak, in words, for models that take them; empty for none.
        speed: how fast, 1 being usual; None for the server's own.
        speech_format: in which speech is sent; see ``SpeechFormat``.
        speech_rate: of ``pcm``, bare samples of 16 bits, in hertz.
        most_characters: that one text may have; None for no bound.
        **connection: see ``OpenAICompatible``.

    Raises:
        ConfigurationError: there is no such format.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        voice: str = "alloy",
        instructions: str = "",
        speed: float | None = None,
        speech_format: SpeechFormat = "wav",
        speech_rate: int = SPEECH_RATE,
        most_characters: int | None = _MOST_CHARACTERS,
        **connection: Any,
    ) -> None:
        super().__init__(model, base_url, **connection)
        check_choice("speech_format", speech_format, get_args(SpeechFormat))
        self.capabilities = voice_capabilities(self.capabilities.languages)
        self._rate = speech_rate
        self._most_characters = most_characters
        wanted = {"voice": voice, "response_format": speech_format, "instructions": instructions, "speed": speed}
        self._settings = {name: value for name, value in wanted.items() if value not in ("", None)}

    def check_settings(self, request: Request) -> None:
        """Refuse all decoding settings: a voice has none."""
        if request.generation:
            raise ConfigurationError(
                f"the prompt profile or generation= sets {', '.join(request.generation)}, but model {self._model} is a "
                "voice: its settings are voice=, instructions= and speed="
            )

    async def answer(self, request: Request) -> Response:
        """Try once to have the words of a request spoken."""
        self.check_settings(request)
        words = words_to_say(request)
        if self._most_characters is not None and len(words) > self._most_characters:
            raise PermanentError(f"a text of {len(words):,} characters is longer than {self._most_characters:,}")
        body = json.dumps({"model": self._model, "input": words, **self._settings}).encode()
        async with self._connection.post("/audio/speech", body) as reply:
            speech = _speech(await reply.content(), self._rate if self._settings["response_format"] == "pcm" else None)
        # The answer says nothing of what it took; who pays by the minute of speech can count that.
        return Response(words, speech=speech, usage=Usage(requests=1, audio_seconds=round(speech.duration or 0.0, 3)))

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the model's name, its server and its settings."""
        return {**self._identity, **self._settings, "speech_rate": self._rate}


def _speech(content: bytes, bare_rate: int | None) -> Audio:
    """Return the sound of an answer, decoded once to know that it can be.

    Raises:
        TransientError: it is none, or an error in its place, as gateways send it.
    """
    if content[:1] == b"{":
        raise _error_in_place_of_sound(content)
    if bare_rate is not None and not content.startswith(b"RIFF"):
        if len(content) % 2:
            raise TransientError("the speech is cut short in the middle of a sample")
        content = wav_of_samples(content, bare_rate)
    audio = Audio("spoken answer", content=lambda: content)
    try:
        audio.waveform(SPEECH_RATE)
    except AudioError as error:
        raise TransientError(f"the speech cannot be read: {error}") from None
    audio.release()
    return audio


def _error_in_place_of_sound(content: bytes) -> TransientError:
    try:
        error = fields(parsed(content)).get("error")
    except ValueError:
        error = None
    return error_within(error) if is_error(error) else TransientError("the server answered with JSON, not with speech")
