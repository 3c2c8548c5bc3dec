"""Voxtral of Mistral, on transformers and mistral-common, which makes its prompts."""

import base64
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalkit.audio import Audio
from evalkit.audio.wav import wav_of_waveform
from evalkit.errors import ConfigurationError, DataError, first_line
from evalkit.hints import install_command
from evalkit.text import resolve_language
from evalkit.types import Message, Request
from model_adapters.shared.languages import wider_codes
from model_adapters.transformers.written import WritingCheckpoint

_SAMPLE_RATE = 16_000
_TRANSCRIBE = "[TRANSCRIBE]"


class Voxtral(WritingCheckpoint):
    """A Voxtral (``Mini-3B-2507``, ``Small-24B-2507``): writes down recordings, and talks about them.

    A text ``[TRANSCRIBE]`` beside one recording, which is the token that ends its prompt for transcription, puts it
    into that mode, with the request's language as the hint. What it is asked otherwise is a conversation. Its tokenizer
    takes no system message beside a recording, so that one goes before the first words of the user.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        longest_audio: seconds of one recording for which its context was made; longer ones are refused.
        **settings: batch_size, max_new_tokens, seed, device, dtype, revision and local_files_only, as
            ``WritingCheckpoint`` has them.

    Raises:
        ConfigurationError: the libraries or the weights are not there, or it is no Voxtral.
    """

    name = "voxtral"
    classes = {"voxtral": "VoxtralForConditionalGeneration"}  # noqa: RUF012
    extra = "voxtral"
    libraries = ("torch", "transformers", "mistral-common")

    def __init__(self, path: str, *, longest_audio: float | None = 1800, **settings: Any) -> None:
        super().__init__(path, **settings)
        self._path = path
        self.capabilities = replace(self.capabilities, longest_audio=longest_audio, beyond="refuses")

    def _load(self, path: str, dtype: Any, source: Mapping[str, Any]) -> tuple[Any, Any]:
        # Without it, or with one that is incomplete, the library loads another tokenizer, or no processor at all.
        try:
            from mistral_common.protocol.transcription.request import TranscriptionRequest  # noqa: F401
            from transformers.tokenization_mistral_common import MistralCommonBackend
        except Exception as error:  # whatever a part that it lacks leads to
            raise ConfigurationError(
                f"Voxtral needs the library mistral-common with its parts for audio: {install_command(self.extra)} "
                f"({first_line(error)})"
            ) from error
        model, processor = super()._load(path, dtype, source)
        if not isinstance(processor.tokenizer, MistralCommonBackend):
            raise ConfigurationError(f"{path}: no tekken.json, from which mistral-common makes Voxtral's prompts")
        return model, processor

    def _form(self, request: Request) -> Hashable:
        return _is_transcription(request)

    def _inputs(self, requests: Sequence[Request]) -> Any:
        if not _is_transcription(requests[0]):
            return self._processor.apply_chat_template([_conversation(request) for request in requests])
        return self._processor.apply_transcription_request(
            audio=[request.audio[0].waveform(_SAMPLE_RATE) for request in requests],
            model_id=self._path,
            language=[_code(request.language) for request in requests],
            sampling_rate=_SAMPLE_RATE,
            format=["wav"] * len(requests),
        )


def _is_transcription(request: Request) -> bool:
    words = [part for message in request.messages for part in message.content if not isinstance(part, Audio)]
    return words == [_TRANSCRIBE] and len(request.audio) == 1


def _code(language: str | None) -> str | None:
    """Return the code of two letters by which Voxtral is told a language; None, which lets it find out, for None."""
    if language is None:
        return None
    try:
        code = resolve_language(language)
    except ConfigurationError:
        code = language
    for candidate in (code, *wider_codes(code)):
        if len(candidate) == 2:
            return candidate
    raise DataError(f"Voxtral is told languages by codes of two letters, and {language!r} has none")


def _conversation(request: Request) -> list[dict[str, Any]]:
    """Return the messages of a request as mistral-common reads them."""
    system = "\n\n".join(_text(message) for message in request.messages if message.role == "system")
    conversation: list[dict[str, Any]] = []
    for message in request.messages:
        if message.role == "assistant":
            conversation.append({"role": "assistant", "content": _text(message)})
        elif message.role == "user":
            parts = [_part(part) for part in message.content]
            if system:
                parts.insert(0, _part(system))
                system = ""
            conversation.append({"role": "user", "content": parts})
        elif message.role != "system":
            raise DataError(f"Voxtral is not put questions with messages of the role '{message.role}'")
    return conversation


def _text(message: Message) -> str:
    return "".join(part for part in message.content if isinstance(part, str))


def _part(part: str | Audio) -> dict[str, str]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    # The one form of a recording that needs neither a file nor a network.
    wav = wav_of_waveform(part.waveform(_SAMPLE_RATE), _SAMPLE_RATE)
    return {"type": "audio", "base64": base64.b64encode(wav).decode("ascii")}
