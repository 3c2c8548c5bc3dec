"""Answers in the words of StepFun's vLLM server, made of what the model writes, special tokens included.

The server's parsers of speech and of tool calls are at work here as in the original (repository stepfun-ai/vllm, branch
step-audio2-mini: ``entrypoints/openai/serving_chat.py``, ``audio_parser/`` and ``tool_parsers/step_audio_2_...``).
"""

import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.servers.backends import Answer, ServedRequest, digest_answer
from tests.servers.completions import DONE, event
from tests.servers.connection import Reply
from tests.servers.step_audio_template import (
    AUDIO_PADDING,
    SPEECH_BEGINS,
    SPEECH_ENDS,
    TEXT_PADDING,
    interleaved,
    tokens,
)

_SILENT = (SPEECH_BEGINS, SPEECH_ENDS, TEXT_PADDING, AUDIO_PADDING)


@dataclass(frozen=True, slots=True)
class StepAudioRequest(ServedRequest):
    """A request that passed the checks.

    Attributes:
        prompt: what the model reads.
    """

    prompt: str

    @property
    def speaks(self) -> bool:
        """Whether the answer is to be spoken."""
        return self.prompt.endswith(SPEECH_BEGINS)


@dataclass(frozen=True, slots=True)
class Parsers:
    """Which of its parsers the server was started with."""

    speech: bool = True
    tools: bool = True


def prompt_of(request: ServedRequest) -> str:
    """What the model reads."""
    assert isinstance(request, StepAudioRequest)
    return request.prompt


def spoken(text: str, codes: Sequence[int], then: str = "") -> str:
    """What the model writes to speak, and what it writes after that."""
    return interleaved(tokens(text), [f"<audio_{code}>" for code in codes]) + SPEECH_ENDS + then


def step_audio_backend(request: ServedRequest) -> Answer:
    """An answer that is a function of what was asked: spoken, thought or written as the prompt wants it."""
    prompt = prompt_of(request)
    text = digest_answer([prompt], request.sounds)
    if prompt.endswith("<think>"):
        return Answer((f"\nthought of {text}\n",))
    if prompt.endswith(SPEECH_BEGINS):
        return Answer((spoken(text, [int(letter, 16) + 100 for letter in text.split()[1]]),))
    return Answer((text,))


def step_audio_reply(request: ServedRequest, answer: Answer, identifier: str, parsers: Parsers) -> Reply:
    """The answer to a request, in the form it asks for."""
    assert isinstance(request, StepAudioRequest)
    frame = {"id": f"chatcmpl-{identifier}", "created": int(time.time()), "model": request.fields["model"]}
    choices = [_generated(request, answer, choice) for choice in range(request.replies)]
    usage = _usage(request, answer, [written for written, _ in choices])
    if request.streamed:
        events = _events(request, choices, frame, parsers, usage)
        return Reply(200, "text/event-stream; charset=utf-8", tuple(events), streamed=True)
    completion = {
        **frame,
        "object": "chat.completion",
        "choices": [
            _choice(index, written, finish_reason, request, parsers)
            for index, (written, finish_reason) in enumerate(choices)
        ],
        "usage": usage,
    }
    return Reply(200, "application/json", (json.dumps(completion, ensure_ascii=False).encode(),))


def _generated(request: StepAudioRequest, answer: Answer, choice: int) -> tuple[list[str], str]:
    """What the model writes until something stops it, in tokens, and what that is."""
    text, finish_reason = answer.text(choice), answer.finish_reason or "stop"
    stop = request.fields.get("stop") or ()
    for mark in [stop] if isinstance(stop, str) else stop:
        text = text.partition(mark)[0]
    written = tokens(text)
    longest = request.fields.get("max_tokens") or len(written)
    return written[:longest], "length" if len(written) > longest else finish_reason


def _choice(
    index: int, written: Sequence[str], finish_reason: str, request: StepAudioRequest, parsers: Parsers
) -> dict[str, Any]:
    text = "".join(written)
    content, calls = _separated(text, request) if _parses_calls(request, parsers) else (text, [])
    message: dict[str, Any] = {
        "role": "assistant",
        "content": content,
        "refusal": None,
        "annotations": None,
        "audio": None,
        "function_call": None,
        "tool_calls": calls,
        "tts_content": {},
        "reasoning_content": None,
    }
    if parsers.speech and request.speaks:
        message |= {"content": "", "tts_content": _speech(itertools.takewhile(SPEECH_ENDS.__ne__, written))}
    reason = "tool_calls" if calls else finish_reason
    return {"index": index, "message": message, "logprobs": None, "finish_reason": reason, "stop_reason": None}


def _speech(spoken_tokens: Iterator[str]) -> dict[str, str]:
    """Tokens up to the end of the speech, told apart."""
    audible = [token for token in spoken_tokens if token not in _SILENT]
    return {
        "tts_text": "".join(token for token in audible if not token.startswith("<audio_")),
        "tts_audio": "".join(token for token in audible if token.startswith("<audio_")),
    }


def _parses_calls(request: StepAudioRequest, parsers: Parsers) -> bool:
    return parsers.tools and bool(request.tools) and request.fields.get("tool_choice", "auto") == "auto"


def _separated(text: str, request: StepAudioRequest) -> tuple[str | None, list[dict[str, Any]]]:
    """Content and calls, by the parser ``step_audio_2``."""
    content, _, rest = text.partition("<tool_call>")
    calls: list[dict[str, Any]] = []
    while "</tool_call>" in rest:
        block, _, rest = rest.partition("</tool_call>")
        parts = block.split("\n", 2)
        offered = [tool["function"]["name"] for tool in request.tools]
        if len(parts) == 3 and parts[1] in offered and (arguments := _rewritten(parts[2])) is not None:
            calls.append(_call(len(calls), parts[1], arguments))
        if "<tool_call>" in rest:
            rest = rest.partition("<tool_call>")[2]
        else:
            content += rest
            break
    return (content or None, calls) if calls else (text, [])


def _rewritten(arguments: str) -> str | None:
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False)
    except ValueError:
        return None


def _call(number: int, name: str, arguments: str | None = None) -> dict[str, Any]:
    function = {"name": name} if arguments is None else {"name": name, "arguments": arguments}
    return {"id": f"chatcmpl-tool-{number:032x}", "type": "function", "function": function}


def _usage(request: StepAudioRequest, answer: Answer, choices: Sequence[Sequence[str]]) -> dict[str, Any]:
    read, written = len(tokens(request.prompt)), sum(map(len, choices))
    if answer.tokens is not None:
        read, written = answer.tokens.prompt, answer.tokens.completion
    return {
        "prompt_tokens": read,
        "total_tokens": read + written,
        "completion_tokens": written,
        "prompt_tokens_details": None,
    }


def _events(
    request: StepAudioRequest,
    choices: Sequence[tuple[Sequence[str], str]],
    frame: Mapping[str, Any],
    parsers: Parsers,
    usage: Mapping[str, Any],
) -> Iterator[bytes]:
    base = {**frame, "object": "chat.completion.chunk"}
    streams = [
        _chunks(index, written, finish_reason, request, parsers)
        for index, (written, finish_reason) in enumerate(choices)
    ]
    for turn in itertools.zip_longest(*streams):
        yield from (event({**base, "choices": [chunk]}) for chunk in turn if chunk is not None)
    if (request.fields.get("stream_options") or {}).get("include_usage"):
        yield event({**base, "choices": [], "usage": usage})
    yield DONE


def _chunks(
    index: int, written: Sequence[str], finish_reason: str, request: StepAudioRequest, parsers: Parsers
) -> Iterator[dict[str, Any]]:
    """The chunks of one choice, a token each, the last with the finish reason."""

    def chunk(reason: str | None = None, **delta: Any) -> dict[str, Any]:
        whole = {"role": None, "content": "", "reasoning_content": None, "tool_calls": [], "tts_content": {}, **delta}
        return {"index": index, "delta": whole, "logprobs": None, "finish_reason": reason, "stop_reason": None}

    yield {"index": index, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
    speaks, calling, called, block = parsers.speech and request.speaks, False, 0, ""
    for token in written:
        if _parses_calls(request, parsers) and token in ("<tool_call>", "</tool_call>"):
            if calling and (deltas := _call_deltas(called, block)):
                yield from (chunk(tool_calls=[delta]) for delta in deltas)
                called += 1
            calling, block = token == "<tool_call>", ""
        elif calling:
            block += token
        elif speaks:
            yield chunk(tts_content=_speech(iter([token])))
            speaks = token != SPEECH_ENDS
        else:
            yield chunk(content="" if parsers.speech and request.speaks else token)
    yield chunk("tool_calls" if called else finish_reason)


def _call_deltas(number: int, block: str) -> list[dict[str, Any]]:
    """The name, then the arguments; an empty object is what this server never sends."""
    parts = block.split("\n", 2)
    if len(parts) < 3:
        return []
    deltas = [{"index": number, **_call(number, parts[1])}]
    if (arguments := _rewritten(parts[2])) not in (None, "{}"):
        deltas.append({"index": number, "function": {"arguments": arguments}})
    return deltas
