"""Requests in the words of transformers' processors: conversations for a chat template, or recordings to transcribe."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evalkit.audio import Audio, Waveform
from evalkit.types import Message, Request
from model_adapters.shared.languages import wider_codes
from model_adapters.transformers.chat_checkpoint import feature_extractor
from model_adapters.transformers.families import Family

SHORTEST = 0.1
"""Seconds; silence follows what is shorter: below 201 samples extractors raise, below 0.02 s they give no token."""

# Extractors like Whisper's reflect 200 samples at the end; 80 zero samples are enough for one frame less (hop 160).
_SILENCE = 400


def model_inputs(processor: Any, family: Family, requests: Sequence[Request]) -> Any:
    """Return what the model is given for a batch, as a ``BatchFeature`` with tensors, padded on the left.

    Args:
        processor: of the checkpoint.
        family: of the checkpoint.
        requests: with equally many recordings each.

    Raises:
        AudioError: a recording cannot be read.
    """
    rate = feature_extractor(processor).sampling_rate
    processing = {"processor_kwargs": _processor_settings(family, requests, rate)}
    if family.transcribes:
        return processor.apply_transcription_request(**_transcription(processor, family, requests, rate), **processing)
    return processor.apply_chat_template(
        [[_turn(message, rate) for message in request.messages] for request in requests],
        tokenize=True,
        return_dict=True,
        add_generation_prompt=True,
        return_tensors="pt",
        **processing,
    )


def refusal(processor: Any, family: Family, request: Request) -> str | None:
    """Return why a checkpoint cannot be asked this, such as the number of recordings; None if it can."""
    token = getattr(processor, "audio_token", None)
    if token and any(token in part for m in request.messages for part in m.content if isinstance(part, str)):
        return f"the words of the question hold {token}, which stands for a recording"
    count = len(recordings(request))
    if family.transcribes and count != 1:
        return f"the model transcribes exactly one recording, this request has {count}"
    if family.most_recordings is not None and count > family.most_recordings:
        return f"the model takes {family.most_recordings} recording in a conversation, this one has {count}"
    if family.takes_language and request.language is not None and _known_language(processor, request.language) is None:
        return (
            f"the model cannot be told the language '{request.language}'; "
            "model.prompts.asr.language_hint=false leaves it to find out"
        )
    return None


def is_transcription(processor: Any, family: Family, request: Request) -> bool:
    """Tell whether a request is the one by which its authors have the checkpoint transcribe: its answers are framed."""
    words = [part.strip() for message in request.messages for part in message.content if isinstance(part, str)]
    return family.transcribes or words == [getattr(processor, "default_transcription_prompt", None)]


def recordings(request: Request) -> list[Audio]:
    """Return what the model is to hear; what it said itself it knows by its words."""
    return [part for message in request.messages for part in _parts(message) if isinstance(part, Audio)]


def sound_lengths(request: Request, rate: int) -> tuple[int, ...]:
    """Return the samples of each recording as the processor gets them."""
    return tuple(len(sound(audio, rate)) for audio in recordings(request))


def sound(audio: Audio, rate: int) -> Waveform:
    """Return a recording as a processor gets it, mono float32 [samples] at ``rate`` hertz, ``SHORTEST`` at least.

    Raises:
        AudioError: it cannot be read.
    """
    waveform = audio.waveform(rate)
    missing = round(SHORTEST * rate) - len(waveform)
    return waveform if missing <= 0 else np.pad(waveform, (0, missing))


def _parts(message: Message) -> list[str | Audio]:
    return [part for part in message.content if message.role != "assistant" or isinstance(part, str)]


def _processor_settings(family: Family, requests: Sequence[Request], rate: int) -> dict[str, Any]:
    # Flat, the padding would reach the extractor of audio too.
    settings: dict[str, Any] = {"text_kwargs": {"padding": True, "padding_side": "left"}}
    lengths = [length for request in requests for length in sound_lengths(request, rate)]
    if family.trailing_silence and lengths:
        settings["audio_kwargs"] = {"padding": "max_length", "max_length": max(lengths) + _SILENCE}
    return settings


def _turn(message: Message, rate: int) -> dict[str, Any]:
    # Always as parts: what stands in a plain text is not searched for audio.
    return {
        "role": message.role,
        "content": [
            {"type": "text", "text": part} if isinstance(part, str) else {"type": "audio", "audio": sound(part, rate)}
            for part in _parts(message)
        ],
    }


def _transcription(processor: Any, family: Family, requests: Sequence[Request], rate: int) -> dict[str, Any]:
    """Return the arguments of ``apply_transcription_request``; text of a request is what the authors call a prompt."""
    texts = [
        "\n".join(part for m in request.messages for part in m.content if isinstance(part, str)) for request in requests
    ]
    arguments: dict[str, Any] = {
        "audio": [sound(recordings(request)[0], rate) for request in requests],
        "prompt": [text.strip() or None for text in texts],
    }
    if family.takes_language:
        arguments["language"] = [_known_language(processor, request.language) for request in requests]
    return arguments


def _known_language(processor: Any, language: str | None) -> str | None:
    """Return the code under which the module of a processor names a language; None where it does not."""
    known: Mapping[str, str] = sys.modules[type(processor).__module__].LANGUAGE_CODE_TO_NAME
    codes = () if language is None else (language, *wider_codes(language))
    return next((code for code in codes if code in known), None)
