"""Answers in the documented form of chat completions: one object, or a stream of chunks.

https://platform.openai.com/docs/api-reference/chat/object and .../chat/streaming.
"""

import base64
import itertools
import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tests.servers.backends import Answer, ServedRequest, Tokens
from tests.servers.connection import Reply
from tests.servers.sound import SPEECH_RATE, encode_speech

_FINGERPRINT = "fp_evalkit_test"
_SPEECH_PIECE = 3_200  # bytes; not divisible by three, so that base64 texts joined undecoded are wrong
_ARGUMENTS_PIECE = 5  # characters
_TOKENS_PER_SECOND = 10


def words(text: str) -> list[str]:
    """A text in pieces that stand for its tokens: each word with the space before it."""
    return re.findall(r"\s*\S+|\s+$", text)


def token_logprobs(text: str, alternatives: int) -> list[dict[str, Any]]:
    """Documented entries for each token: half of the probability goes to the chosen one, and so on down the ranks."""

    def entry(token: str, logprob: float) -> dict[str, Any]:
        return {"token": token, "logprob": logprob, "bytes": list(token.encode())}

    return [
        {
            **entry(token, -math.log(2)),
            "top_logprobs": [
                entry(token if rank == 0 else f"{token}~{rank}", -math.log(2) * (rank + 1))
                for rank in range(alternatives)
            ],
        }
        for token in words(text)
    ]


def prompt_tokens(request: ServedRequest) -> tuple[int, int]:
    """How many tokens the texts and the recordings of a request count as."""
    heard = sum(round(sound.seconds * _TOKENS_PER_SECOND) for sound in request.sounds)
    return sum(len(words(text)) for text in request.texts), heard


def chat_reply(request: ServedRequest, answer: Answer, identifier: str) -> Reply:
    """The answer to a chat request, in the form it asks for."""
    frame = {
        "id": f"chatcmpl-{identifier}",
        "created": int(time.time()),
        "model": request.fields["model"],
        "system_fingerprint": _FINGERPRINT,
    }
    if request.streamed:
        return Reply(200, "text/event-stream; charset=utf-8", tuple(_events(request, answer, frame)), streamed=True)
    completion = {
        **frame,
        "object": "chat.completion",
        "choices": [
            {
                "index": choice,
                "message": _message(request, answer, choice, identifier),
                "logprobs": _logprobs(request, answer, choice),
                "finish_reason": _finish_reason(answer),
            }
            for choice in range(request.replies)
        ],
        "usage": _usage(request, answer),
    }
    return Reply(200, "application/json", (json.dumps(completion, ensure_ascii=False).encode(),))


def event(document: Mapping[str, Any]) -> bytes:
    """A server-sent event that carries JSON."""
    return b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def _speaks(request: ServedRequest, answer: Answer) -> bool:
    return request.wants_speech and answer.speech is not None and answer.refusal is None


def _message(request: ServedRequest, answer: Answer, choice: int, identifier: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text(choice), "refusal": answer.refusal}
    if answer.tool_calls or answer.refusal is not None:
        message["content"] = answer.text(choice) or None
    if answer.tool_calls:
        message["tool_calls"] = [
            {
                "id": _call_id(choice, index),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for index, call in enumerate(answer.tool_calls)
        ]
    if _speaks(request, answer):
        assert answer.speech is not None
        speech = encode_speech(answer.speech, request.fields["audio"]["format"])
        message["content"] = None
        message["audio"] = {
            "id": f"audio_{identifier}_{choice}",
            "data": base64.b64encode(speech).decode(),
            "expires_at": int(time.time()) + 3600,
            "transcript": answer.text(choice),
        }
    return message


def _logprobs(request: ServedRequest, answer: Answer, choice: int) -> dict[str, Any] | None:
    if not request.fields.get("logprobs"):
        return None
    if answer.logprobs is not None:
        entries = [dict(entry) for entry in answer.logprobs]
    else:
        entries = token_logprobs(answer.text(choice), request.fields.get("top_logprobs") or 0)
    return {"content": entries, "refusal": None}


def _finish_reason(answer: Answer) -> str:
    return answer.finish_reason or ("tool_calls" if answer.tool_calls else "stop")


def _call_id(choice: int, index: int) -> str:
    return f"call_{choice}_{index}"


def _usage(request: ServedRequest, answer: Answer) -> dict[str, Any]:
    tokens = answer.tokens
    if tokens is None:
        text, heard = prompt_tokens(request)
        spoken = 0
        if _speaks(request, answer):
            spoken = request.replies * round(len(answer.speech or b"") / 2 / SPEECH_RATE * _TOKENS_PER_SECOND)
        written = sum(len(words(answer.text(choice))) for choice in range(request.replies))
        tokens = Tokens(text + heard, heard, written + spoken, spoken)
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.completion,
        "total_tokens": tokens.prompt + tokens.completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": tokens.prompt_audio},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": tokens.completion_audio,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _events(request: ServedRequest, answer: Answer, frame: Mapping[str, Any]) -> Iterator[bytes]:
    """The chunks of all choices, by turns as they come from a real server, and the end of the stream."""
    counted = bool((request.fields.get("stream_options") or {}).get("include_usage"))
    base = {**frame, "object": "chat.completion.chunk"}
    streams = [_choice_chunks(request, answer, choice, frame["id"]) for choice in range(request.replies)]
    for turn in itertools.zip_longest(*streams):
        for chunk in turn:
            if chunk is not None:
                yield event({**base, "choices": [chunk], **({"usage": None} if counted else {})})
    if counted:
        yield event({**base, "choices": [], "usage": _usage(request, answer)})
    yield DONE


def _choice_chunks(request: ServedRequest, answer: Answer, choice: int, identifier: str) -> Iterator[dict[str, Any]]:
    """The chunks of one choice, the last but for the speech's expiry with its finish reason."""

    def chunk(delta: dict[str, Any], logprobs: dict[str, Any] | None = None) -> dict[str, Any]:
        return {"index": choice, "delta": delta, "logprobs": logprobs, "finish_reason": None}

    if _speaks(request, answer):
        yield chunk({"role": "assistant", "content": None, "refusal": None})
        yield from map(chunk, _speech_deltas(answer, choice, identifier))
    else:
        yield chunk({"role": "assistant", "content": None if answer.tool_calls else "", "refusal": None})
        yield from itertools.starmap(chunk, _text_deltas(request, answer, choice))
    yield from map(chunk, _tool_call_deltas(answer, choice))
    yield {**chunk({}), "finish_reason": _finish_reason(answer)}


def _text_deltas(
    request: ServedRequest, answer: Answer, choice: int
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    if answer.refusal is not None:
        yield from (({"refusal": piece}, None) for piece in words(answer.refusal))
        return
    logprobs = _logprobs(request, answer, choice)
    entries = logprobs["content"] if logprobs else []
    pieces = words(answer.text(choice))
    for position, piece in enumerate(pieces):
        last = position == len(pieces) - 1
        share = entries[position:] if last else entries[position : position + 1]
        yield {"content": piece}, {"content": share, "refusal": None} if logprobs else None


def _speech_deltas(answer: Answer, choice: int, identifier: str) -> Iterator[dict[str, Any]]:
    speech = answer.speech or b""
    yield {"audio": {"id": f"audio_{identifier}_{choice}"}}
    transcript = words(answer.text(choice))
    data = [speech[start : start + _SPEECH_PIECE] for start in range(0, len(speech), _SPEECH_PIECE)]
    for word, piece in itertools.zip_longest(transcript, data):
        if word is not None:
            yield {"audio": {"transcript": word}}
        if piece is not None:
            yield {"audio": {"data": base64.b64encode(piece).decode()}}
    yield {"audio": {"expires_at": int(time.time()) + 3600}}


def _tool_call_deltas(answer: Answer, choice: int) -> Iterator[dict[str, Any]]:
    for index, call in enumerate(answer.tool_calls):
        start = {"id": _call_id(choice, index), "type": "function", "function": {"name": call.name, "arguments": ""}}
        yield {"tool_calls": [{"index": index, **start}]}
        for begin in range(0, len(call.arguments), _ARGUMENTS_PIECE):
            piece = call.arguments[begin : begin + _ARGUMENTS_PIECE]
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
