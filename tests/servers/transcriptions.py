"""Answers in the documented form of transcriptions.

https://platform.openai.com/docs/api-reference/audio/json-object and .../audio/verbose-json-object.
"""

import json
import math
from typing import Any

from tests.servers.backends import Answer, ServedRequest
from tests.servers.completions import prompt_tokens, token_logprobs, words
from tests.servers.connection import Reply

_LANGUAGES = {"en": "english", "zh": "chinese", "fr": "french", "de": "german", "ja": "japanese"}


def transcription_reply(request: ServedRequest, answer: Answer, identifier: str) -> Reply:
    """The answer to a transcription request, in the form it asks for."""
    form = request.fields.get("response_format", "json")
    text = answer.text(0)
    if form == "text":
        return Reply(200, "text/plain; charset=utf-8", (text.encode() + b"\n",))
    document: dict[str, Any] = {"text": text, "usage": _usage(request, answer)}
    if form == "verbose_json":
        seconds = request.sounds[0].seconds
        language = request.fields.get("language", "en")
        document |= {
            "language": _LANGUAGES.get(language, language),
            "duration": seconds,
            "usage": {"type": "duration", "seconds": math.ceil(seconds)},
        }
        granularities = request.fields.get("timestamp_granularities[]", ["segment"])
        if "segment" in granularities:
            document["segments"] = [_segment(text, seconds)]
        if "word" in granularities:
            document["words"] = _words(text, seconds)
    elif "logprobs" in request.fields.get("include[]", ()):
        entries = token_logprobs(text, 0)
        document["logprobs"] = [{name: entry[name] for name in ("token", "logprob", "bytes")} for entry in entries]
    return Reply(200, "application/json", (json.dumps(document, ensure_ascii=False).encode(),))


def _usage(request: ServedRequest, answer: Answer) -> dict[str, Any]:
    """By tokens, but for Whisper, which is billed by the second."""
    if request.fields["model"].startswith("whisper"):
        return {"type": "duration", "seconds": math.ceil(request.sounds[0].seconds)}
    text, heard = prompt_tokens(request)
    written = len(words(answer.text(0)))
    return {
        "type": "tokens",
        "input_tokens": text + heard,
        "input_token_details": {"text_tokens": text, "audio_tokens": heard},
        "output_tokens": written,
        "total_tokens": text + heard + written,
    }


def _segment(text: str, seconds: float) -> dict[str, Any]:
    return {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": seconds,
        "text": text,
        "tokens": list(range(len(words(text)))),
        "temperature": 0.0,
        "avg_logprob": -0.25,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }


def _words(text: str, seconds: float) -> list[dict[str, Any]]:
    spoken = [word.strip() for word in words(text)]
    each = seconds / max(len(spoken), 1)
    return [{"word": word, "start": each * place, "end": each * (place + 1)} for place, word in enumerate(spoken)]
