"""Answers of Gemini's ``generateContent``, whole or as a stream, read into responses."""

import json
from collections.abc import AsyncIterable, Iterator, Mapping, Sequence
from typing import Any

from evalkit.errors import PermanentError, TransientError
from evalkit.types import Response, ToolCall, Usage
from model_adapters.shared.event_stream import DONE
from model_adapters.shared.server_errors import error_within, is_error
from model_adapters.shared.values import count, fields, note, plain, shown

# Finish reasons by which the service keeps an answer back, whatever was written of it.
_WITHHELD = frozenset(
    {
        "BLOCKLIST",
        "IMAGE_SAFETY",
        "LANGUAGE",
        "MODEL_ARMOR",
        "PROHIBITED_CONTENT",
        "RECITATION",
        "SAFETY",
        "SPII",
    }
)
# What other protocols call the two ends that are no failure; unknown ones keep their names.
_ENDS = {"STOP": "stop", "MAX_TOKENS": "length"}


def read_answer(document: Any) -> Response:
    """Return the response that an answer amounts to; thoughts are no part of it.

    Args:
        document: a ``GenerateContentResponse`` as JSON values.

    Raises:
        PermanentError: the service blocked the prompt, or kept the answer back.
        TransientError: it answers with an error.
        ValueError: it is not of the documented form.
    """
    record = fields(document)
    if is_error(record.get("error")):
        raise error_within(record["error"])
    if reason := fields(record.get("promptFeedback")).get("blockReason"):
        raise PermanentError(f"the service blocked the prompt: {shown(reason)}")
    candidate = next(iter(_records(record.get("candidates"))), None)
    if candidate is None:
        raise ValueError(f"no answer of Gemini, it has no candidate: {shown(document)}")
    notes: list[str] = []
    reason = candidate.get("finishReason")
    if reason is not None and not isinstance(reason, str):
        note(notes, f"finishReason is {shown(reason)}, which cannot be read")
        reason = None
    if reason in _WITHHELD:
        raise PermanentError(f"the service kept the answer back: {reason}")
    usage = _usage(fields(record.get("usageMetadata")), notes)
    parts = _numbered(_records(fields(candidate.get("content")).get("parts")))
    said = [part for part in parts if part.get("thought") is not True]
    text = "".join(plain(part["text"]) for part in said if isinstance(part.get("text"), str))
    calls = tuple(_calls(said))
    thoughts = int(count(fields(record.get("usageMetadata")), "thoughtsTokenCount", notes))
    if reason == "MAX_TOKENS" and not text and thoughts:
        note(notes, f"thoughts took all of max_new_tokens ({thoughts} tokens): give more thought_room=")
    elif reason not in _ENDS and reason is not None:
        note(notes, f"the service says that the answer ended by {shown(reason)}")
    return Response(
        text=text,
        tool_calls=calls,
        finish_reason=_ENDS.get(reason, plain(reason)) if reason else None,
        # With the signatures by which the model knows the thoughts again that led to its calls.
        tokens=plain(json.dumps(said, ensure_ascii=False)) if calls else "",
        usage=usage,
        notes=tuple(notes),
        answered_by=plain(str(record.get("modelVersion") or "")),
    )


async def merge_stream(documents: AsyncIterable[Any]) -> dict[str, Any]:
    """Return the answer that a stream of pieces adds up to.

    Raises:
        TransientError: the stream holds an error, or ended before the answer was finished.
    """
    whole: dict[str, Any] = {}
    parts: list[Any] = []
    reason: Any = None
    async for document in documents:
        record = fields(document)
        if document is DONE or is_error(record.get("error")):
            whole |= record
            break
        whole |= {name: value for name, value in record.items() if name != "candidates"}
        for candidate in _records(record.get("candidates"))[:1]:
            parts += _records(fields(candidate.get("content")).get("parts"))
            reason = candidate.get("finishReason") or reason
    blocked = fields(whole.get("promptFeedback")).get("blockReason")
    if reason is None and not blocked and not is_error(whole.get("error")):
        raise TransientError("the stream broke off before the answer was finished")
    return {**whole, "candidates": [{"content": {"parts": parts}, "finishReason": reason}]}


def _records(value: Any) -> list[Mapping[str, Any]]:
    return [record for record in value if isinstance(record, Mapping)] if isinstance(value, list) else []


def _numbered(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the parts, every call of a tool with an id, for the tool's answer to refer to."""
    numbered: list[dict[str, Any]] = []
    for position, part in enumerate(parts):
        call = part.get("functionCall")
        if isinstance(call, Mapping) and not call.get("id"):
            part = {**part, "functionCall": {**call, "id": f"call_{position}"}}
        numbered.append(dict(part))
    return numbered


def _calls(parts: Sequence[Mapping[str, Any]]) -> Iterator[ToolCall]:
    for part in parts:
        if "functionCall" not in part:
            continue
        call = fields(part["functionCall"])
        name = call.get("name")
        if not isinstance(name, str) or not name:
            raise ValueError(f"no answer of Gemini, a call of a tool has no name: {shown(part)}")
        arguments = plain(json.dumps(call.get("args") or {}, ensure_ascii=False))
        yield ToolCall(plain(name), arguments, plain(str(call["id"])))


def _usage(usage: Mapping[str, Any], notes: list[str]) -> Usage:
    """Return what a request took; thoughts are written, and billed, like the answer."""
    read = int(count(usage, "promptTokenCount", notes))
    written = int(count(usage, "candidatesTokenCount", notes)) + int(count(usage, "thoughtsTokenCount", notes))
    details = _records(usage.get("promptTokensDetails"))
    audio = sum(int(count(detail, "tokenCount", notes)) for detail in details if detail.get("modality") == "AUDIO")
    return Usage(requests=1, input_tokens=read, output_tokens=written, input_audio_tokens=min(audio, read))
