"""Answers in the words of StepFun's vLLM server: text, codes of speech, and calls of tools.

A message has ``content``, ``tool_calls`` and ``tts_content``, which is ``{"tts_text": …, "tts_audio": …}`` with codes
such as ``<audio_12><audio_345>`` (repository stepfun-ai/Step-Audio2, stepaudio2vllm.py). What a server that was started
without its parsers leaves in the text is told apart here, by the rules of those parsers.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalkit.thought import without_thought
from evalkit.types import Response, ToolCall
from model_adapters.openai.completions import listed, read_completion, words_of
from model_adapters.openai.streams import add_delta
from model_adapters.shared.values import fields, shown
from step_audio_2.special_tokens import N_AUDIO_CODES
from step_audio_2.tool_calls import parse_tool_calls

_CODE = re.compile(r"<audio_(\d+)>")
_MARKS = re.compile(r"<audio_(?:\d+|start|end|patch)>|<tts_(?:start|end|pad)>")
_END_OF_TURN = "<|EOT|>"
_SPEECH_FIELDS = ("tts_text", "tts_audio")


@dataclass(frozen=True, slots=True)
class SpokenAnswer:
    """An answer whose speech is not yet sound.

    Attributes:
        response: everything else; its ``tokens`` are the ``tts_content`` by which the server knows the speech again.
        codes: of the codec, 25 a second, each below 6561; none if the model only wrote.
    """

    response: Response
    codes: tuple[int, ...] = ()


def read_answer(completion: Any, offered: Collection[str] = ()) -> SpokenAnswer:
    """Return the answer that a completion amounts to.

    Args:
        completion: as JSON values.
        offered: the names of the tools that the model may call.

    Raises:
        ValueError: it is not of the documented form.
        PermanentError, TransientError: see ``read_completion``.
    """
    response = replace(read_completion(completion), replies=())  # more than one choice are the beams of a search
    spoken = _tts_content(_first_message(completion))
    text = _words(spoken["tts_text"] or response.text)
    codes = _codes(spoken["tts_audio"] or response.text)
    calls = tuple(replace(call, name=call.name.strip()) for call in response.tool_calls)
    if offered:
        # The parser of speech leaves calls in its words. A call that is only considered is not made.
        parsed = parse_tool_calls(without_thought(text), offered)
        if parsed.tool_calls:
            calls = calls or tuple(ToolCall(call.name, call.arguments) for call in parsed.tool_calls)
            text = parsed.content
            spoken["tts_text"] = spoken["tts_text"] and text  # the calls go into the history by themselves
    if spoken["tts_audio"]:
        tokens = json.dumps(spoken, ensure_ascii=False) if codes else ""  # words alone go into the history as words
    else:
        tokens = tokens_of(text, codes)
    return SpokenAnswer(replace(response, text=text, tool_calls=calls, tokens=tokens), codes)


def codes_in(tokens: str) -> tuple[int, ...]:
    """Return the codes of speech in the ``tokens`` of an answer of the server; none where it only wrote."""
    return _codes(json.loads(tokens)["tts_audio"]) if tokens else ()


def tokens_of(words: str, codes: Sequence[int]) -> str:
    """Return the ``tokens`` by which the server knows speech again; empty where there are no codes."""
    spoken = {"tts_text": words, "tts_audio": "".join(f"<audio_{code}>" for code in codes)}
    return json.dumps(spoken, ensure_ascii=False) if codes else ""


def add_spoken_delta(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Add what one chunk of a stream brings, speech among it, to the message so far."""
    add_delta(message, delta)
    _check_spoken(delta.get("tts_content"))
    spoken = fields(delta.get("tts_content"))
    for name in filter(spoken.get, _SPEECH_FIELDS):
        so_far = message.setdefault("tts_content", {})
        so_far[name] = so_far.get(name, "") + _words_of(name, spoken[name])


def spoken_codes(delta: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the codes of speech that one chunk of a stream brings; the server never divides one."""
    return _codes(words_of(fields(delta.get("tts_content")).get("tts_audio")) or "")


def spoken_words(delta: Mapping[str, Any]) -> str:
    """Return the words that one chunk of a stream brings, spoken or written."""
    return words_of(fields(delta.get("tts_content")).get("tts_text")) or words_of(delta.get("content")) or ""


def _first_message(completion: Any) -> Mapping[str, Any]:
    messages = [fields(choice).get("message") for choice in listed(fields(completion).get("choices"))]
    return next(message for message in messages if isinstance(message, Mapping))


def _tts_content(message: Mapping[str, Any]) -> dict[str, str]:
    """Return the speech in a message, empty texts where there is none."""
    spoken = message.get("tts_content")
    _check_spoken(spoken)
    return {name: _words_of(name, fields(spoken).get(name)) for name in _SPEECH_FIELDS}


def _check_spoken(spoken: Any) -> None:
    if not isinstance(spoken, Mapping | None):
        raise ValueError(f"tts_content is {shown(spoken)}, not the texts tts_text and tts_audio")


def _words_of(name: str, value: Any) -> str:
    words = words_of(value)
    if words is None:
        raise ValueError(f"tts_content: {name} is {shown(value)}, which is no text")
    return words


def _words(text: str) -> str:
    # Beam search and the parser of speech work on token ids, which may go on to the end of the turn and past it.
    return _MARKS.sub("", text.partition(_END_OF_TURN)[0])


def _codes(text: str) -> tuple[int, ...]:
    return tuple(code for code in map(int, _CODE.findall(text)) if code < N_AUDIO_CODES)
