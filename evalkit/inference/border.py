"""The border between the engine and adapters, which anybody may write: what comes back is checked before it is kept."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from evalkit.types import Failure, Response


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
    if fault := response.fault():
        return Response(failure=Failure("invalid_response", f"{adapter} returned a Response whose {fault}"))
    if response.text.isascii() and response.failure is None and _is_plain(response):
        return response
    return _with_texts(response, _encodable)


def _is_plain(response: Response) -> bool:
    """Tell whether a response is its text and nothing else."""
    called = (response.tool_calls, response.replies, response.logprobs, response.finish_reason, response.tokens)
    return not any((*called, response.notes, response.answered_by))


def _with_texts(response: Response, change: Callable[[str], str]) -> Response:
    """Return the same response with every text changed."""
    changed = response.with_texts(change)
    return replace(changed, logprobs=tuple(_changed(entry, change) for entry in response.logprobs))


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
    """Name the kind of a value in words for a message."""
    if value is None:
        return "None"
    return f"{'an' if type(value).__name__[0] in 'aeiou' else 'a'} {type(value).__name__}"
