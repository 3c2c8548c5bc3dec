"""Answers with anything anywhere: each is read into a sound response, or is a failed attempt, and nothing else."""

import asyncio
import copy
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from evalkit.errors import PermanentError, TransientError
from evalkit.inference.border import checked_response
from evalkit.types import Response
from model_adapters.gemini import answers
from model_adapters.openai.completions import read_completion
from model_adapters.openai.realtime_answers import RealtimeAnswer
from model_adapters.openai.streams import add_delta, merge_stream
from model_adapters.shared.event_stream import DONE
from model_adapters.step_audio_2.server_answers import add_spoken_delta, read_answer

_ANYTHING: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, "", "x", "\ud83d", "<audio_1>", 10**300),
    *([], [None], ["x"], [[]], [{}], {}, {"x": 1}, {"text": "a"}, {"error": 1}),
)
_CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_SPOKEN = {"tts_text": "a", "tts_audio": "<audio_5>"}
_AUDIO = {"id": "a", "data": "", "transcript": "t"}
_MESSAGE = {"content": "hi", "refusal": None, "audio": _AUDIO, "tts_content": _SPOKEN, "tool_calls": [_CALL]}
_LOGPROBS = {"content": [{"token": "a", "logprob": -1, "top_logprobs": []}]}
_USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": {"audio_tokens": 1}}
_WHOLE = {
    "model": "m",
    "choices": [{"index": 0, "message": _MESSAGE, "logprobs": _LOGPROBS, "finish_reason": "stop"}],
    "usage": _USAGE,
    "error": None,
}
_CHUNKS = [
    {"choices": [{"index": 0, "delta": _MESSAGE, "logprobs": _LOGPROBS, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [_CALL], "audio": {"data": "AAAA"}}, "finish_reason": "stop"}]},
    {"choices": [], "usage": _USAGE},
]
_GEMINI_PARTS = [
    {"text": "thought", "thought": True},
    {"text": "a"},
    {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "c2ln"},
]
_GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": _GEMINI_PARTS}, "finishReason": "STOP"}],
    "usageMetadata": {
        "promptTokenCount": 3,
        "candidatesTokenCount": 2,
        "thoughtsTokenCount": 1,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 2}],
    },
    "modelVersion": "m",
    "error": None,
}
_EVENTS = [
    {"type": "session.created", "session": {"model": "m"}},
    {"type": "response.output_text.delta", "delta": "a"},
    {"type": "response.output_audio_transcript.delta", "delta": "b"},
    {"type": "response.output_audio.delta", "delta": "AAAA"},
    {
        "type": "response.done",
        "response": {
            "status": "completed",
            "status_details": {"reason": "", "error": None},
            "output": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}],
            "usage": {"input_tokens": 2, "output_tokens": 3, "input_token_details": {"audio_tokens": 1}},
        },
    },
]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the parts of JSON values stand."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*path, key)
        yield from _paths(part, (*path, key))


def _mutated(document: Any, draw: random.Random) -> Any:
    """The document with up to three of its parts replaced by anything, or taken away."""
    document = copy.deepcopy(document)
    for _ in range(draw.choice((1, 1, 2, 3))):
        *above, last = draw.choice(list(_paths(document)))
        place = document
        for key in above:
            place = place[key]
        if isinstance(place, dict) and draw.random() < 0.2:
            del place[last]
        else:
            place[last] = copy.deepcopy(draw.choice(_ANYTHING))
        if not list(_paths(document)):
            break
    return document


async def _documents(chunks: Any) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk


def _gathered(chunks: Any, add: Any) -> Any:
    return asyncio.run(merge_stream(_documents([*chunks, DONE]), add))


def _conversed(events: Any) -> Response:
    answer = RealtimeAnswer()
    for event in events:
        if (done := answer.add(event)) is not None:
            return answer.response(done, rate=24_000, spoken=True)
    raise TransientError("it never ended")


@pytest.mark.parametrize(
    ("document", "read"),
    [
        (_WHOLE, read_completion),
        (_WHOLE, lambda completion: read_answer(completion, ["f"]).response),
        (_CHUNKS, lambda chunks: read_completion(_gathered(chunks, add_delta))),
        (_CHUNKS, lambda chunks: read_answer(_gathered(chunks, add_spoken_delta), ["f"]).response),
        (_GEMINI, answers.read_answer),
        ([_GEMINI] * 2, lambda chunks: answers.read_answer(asyncio.run(answers.merge_stream(_documents(chunks))))),
        (_EVENTS, _conversed),
    ],
    ids=["whole", "whole, Step-Audio 2", "streamed", "streamed, Step-Audio 2", "Gemini", "Gemini, streamed", "live"],
)
def test_nothing_but_a_sound_response_or_a_failed_attempt_comes_of_it(
    document: Any, read: Callable[[Any], Response]
) -> None:
    draw = random.Random(7)
    good = 0
    for _ in range(300):
        mutated = _mutated(document, draw)
        try:
            response = checked_response(read(mutated), "the adapter")
        except (ValueError, TransientError, PermanentError):
            continue
        assert not response.failed, mutated
        json.dumps(response.to_json(), allow_nan=False, ensure_ascii=False).encode()
        good += 1
    assert good > 100
