"""Completions with anything anywhere: each is read into a sound response, or is a failed attempt, and nothing else."""

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
from model_adapters.openai.completions import read_completion
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


def _gathered(chunks: Any, add: Any) -> Any:
    async def documents() -> AsyncIterator[Any]:
        for chunk in chunks:
            yield chunk
        yield DONE

    return asyncio.run(merge_stream(documents(), add))


@pytest.mark.parametrize(
    ("document", "read"),
    [
        (_WHOLE, read_completion),
        (_WHOLE, lambda completion: read_answer(completion, ["f"]).response),
        (_CHUNKS, lambda chunks: read_completion(_gathered(chunks, add_delta))),
        (_CHUNKS, lambda chunks: read_answer(_gathered(chunks, add_spoken_delta), ["f"]).response),
    ],
    ids=["whole", "whole, Step-Audio 2", "streamed", "streamed, Step-Audio 2"],
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
