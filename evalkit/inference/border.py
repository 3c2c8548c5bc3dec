"""The border between the engine and adapters, which anybody may write: what comes back is checked before it is kept."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from evalkit.audio import Audio
from evalkit.types import Failure, Response, ToolCall, Usage

_LARGEST_COUNT = 1 << 53
_DEEPEST = 64


class InvalidResponseError(Exception):
    """What an adapter returned is not what its interface asks for."""


def checked_responses(returned: Any, count: int, adapter: str) -> list[Response]:
    """Return the responses of a batch, each of them sound.

    Args:
        returned: what ``generate`` returned.
        count: how many requests it was given.
        adapter: its name, for messages.

    Raises:
        InvalidResponseError: it is not a list of one response per request.
    """
    if not isinstance(returned, list):
        raise InvalidResponseError(
            f"{adapter}.generate returned {_kind(returned)}; it must return a list with one Response per request"
        )
    if len(returned) != count:
        raise InvalidResponseError(f"{adapter}.generate gave {len(returned)} responses to {count} requests")
    for item in returned:
        if not isinstance(item, Response):
            raise InvalidResponseError(
                f"{adapter}.generate returned a list with {_kind(item)} in it; each must be a Response"
            )
    return [checked_response(item, adapter) for item in returned]


def checked_response(response: Any, adapter: str) -> Response:
    """Return a response whose fields hold what they must.

    Halves of surrogate pairs, which no file can hold, become question marks. A field of a wrong type or a number that
    cannot be makes it a failed response of the kind ``invalid_response``.

    Raises:
        InvalidResponseError: it is no response at all.
    """
    if not isinstance(response, Response):
        raise InvalidResponseError(f"{adapter} returned {_kind(response)}; it must return a Response")
    if fault := _fault(response):
        return Response(failure=Failure("invalid_response", f"{adapter} returned a Response whose {fault}"))
    if response.text.isascii() and response.failure is None and _is_plain(response):
        return response
    return _with_texts(response, _encodable)


def _is_plain(response: Response) -> bool:
    """Whether its text is all that it has to say."""
    further = (response.tool_calls, response.replies, response.logprobs, response.finish_reason, response.tokens)
    return not any(further)


def _fault(response: Response) -> str | None:
    """What is wrong with the first field that cannot be, or None."""
    for name, types in _TYPES.items():
        value = getattr(response, name)
        if not isinstance(value, types):
            return f"{name} is {_kind(value)}"
    for name in ("seconds", "first_sound"):
        value = getattr(response, name)
        if value is not None and (isinstance(value, bool) or not (math.isfinite(value) and value >= 0)):
            return f"{name} is {value!r}"
    if response.tool_calls and (fault := _fault_of_items(response.tool_calls, ToolCall, "tool_calls")):
        return fault
    if any(not isinstance(text, str) for call in response.tool_calls for text in (call.name, call.arguments, call.id)):
        return "tool_calls hold what is no text"
    if response.replies and (fault := _fault_of_items(response.replies, str, "replies")):
        return fault
    if response.logprobs and not _is_json(list(response.logprobs)):
        return "logprobs are not JSON values"
    if response.failure is not None and not isinstance(response.failure.message, str):
        return "failure has no text for its message"
    return None if response.usage is None else fault_of_usage(response.usage)


def fault_of_usage(usage: Usage) -> str | None:
    """Return what is wrong with the first number of a usage that cannot be, or None."""
    for field in fields(usage):
        value = getattr(usage, field.name)
        if value is None and field.name == "cost":
            continue
        whole = field.name not in ("audio_seconds", "cost")
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            return f"usage.{field.name} is {_kind(value)}"
        if not 0 <= value <= _LARGEST_COUNT:
            return f"usage.{field.name} is out of bounds"
    return None


def _fault_of_items(items: Sequence[Any], kind: type, name: str) -> str | None:
    wrong = [item for item in items if not isinstance(item, kind)]
    return f"{name} hold {_kind(wrong[0])}" if wrong else None


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return _depth_within(value, _DEEPEST)


def _depth_within(value: Any, left: int) -> bool:
    if not isinstance(value, Mapping | list | tuple):
        return True
    return left > 0 and all(
        _depth_within(item, left - 1) for item in (value.values() if isinstance(value, Mapping) else value)
    )


def _with_texts(response: Response, change: Callable[[str], str]) -> Response:
    """The same with every text changed."""
    failure = response.failure
    return replace(
        response,
        text=change(response.text),
        failure=None if failure is None else Failure(failure.kind, change(failure.message)),
        tool_calls=tuple(
            ToolCall(change(call.name), change(call.arguments), change(call.id)) for call in response.tool_calls
        ),
        replies=tuple(change(reply) for reply in response.replies),
        finish_reason=None if response.finish_reason is None else change(response.finish_reason),
        logprobs=tuple(_changed(entry, change) for entry in response.logprobs),
        tokens=change(response.tokens),
    )


def _encodable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(key)): _changed(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_changed(item, change) for item in value]
    return value


def _kind(value: Any) -> str:
    """What something is, in words for a message."""
    if value is None:
        return "None"
    return f"{'an' if type(value).__name__[0] in 'aeiou' else 'a'} {type(value).__name__}"


_TYPES: Mapping[str, Any] = {
    "text": str,
    "failure": Failure | None,
    "seconds": int | float | None,
    "speech": Audio | None,
    "first_sound": int | float | None,
    "tool_calls": tuple,
    "replies": tuple,
    "finish_reason": str | None,
    "logprobs": tuple,
    "tokens": str,
    "usage": Usage | None,
    "notes": tuple,
    "answered_by": str,
    "cached": bool,
}
