"""The border between the engine and adapters, which anybody may write: what comes back is checked before it is kept."""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from evalkit.adapter import Memory, Model, ModelAdapter
from evalkit.errors import AudioError, ConfigurationError, EvalkitError
from evalkit.types import Failure, Request, Response
from evalkit_worker.errors import message_of

_LONGEST_MESSAGE = 2_000


class InvalidResponseError(Exception):
    """What an adapter returned is not what its interface asks for."""


@contextmanager
def contained() -> Iterator[None]:
    """Within the context a model is at work: this process stays in its folder, and no copy of it comes back."""
    process = os.getpid()
    here = os.open(".", os.O_RDONLY)  # and not by its name, which may be gone
    try:
        yield
    finally:
        if os.getpid() != process:  # forked by the model, and not ended; it would ask the same again, and fork again
            os._exit(1)
        os.fchdir(here)
        os.close(here)


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


def cost_of(adapter: ModelAdapter, request: Request) -> float:
    """Return what a request costs in a batch, in seconds of audio, as an adapter says.

    Raises:
        InvalidResponseError: it says nothing, or what is no length of time.
    """
    name = f"{type(adapter).__name__}.cost"
    try:
        cost = float(adapter.cost(request))
    except Exception as error:
        raise InvalidResponseError(f"{name} gave no number: {told(error)}") from error
    if not 0 <= cost < math.inf:
        raise InvalidResponseError(f"{name} returned {cost:g}; it must return seconds, 0 or more")
    return cost


def memory_of(adapter: ModelAdapter) -> Memory | None:
    """Return the memory of the device on which a model works, as an adapter says.

    Raises:
        ConfigurationError: it says what cannot be.
    """
    name = f"{type(adapter).__name__}.device_memory"
    try:
        memory = adapter.device_memory()
    except Exception as error:
        raise ConfigurationError(f"{name} failed: {told(error)}") from error
    if memory is not None and not isinstance(memory, Memory):
        raise ConfigurationError(f"{name} returned {_kind(memory)}; it must return a Memory, or None")
    return memory


def fingerprint_of(model: Model) -> dict[str, Any]:
    """Return what decides a model's answers, as its adapter says and as it reads back from a file.

    Raises:
        ConfigurationError: it says what is no JSON object.
    """
    try:
        text = json.dumps(dict(model.fingerprint()), allow_nan=False)
    except EvalkitError:
        raise
    except Exception as error:
        name = f"{type(model).__name__}.fingerprint"
        raise ConfigurationError(f"{name} failed, or returned no mapping of JSON values: {told(error)}") from error
    fingerprint: dict[str, Any] = _changed(json.loads(text), _encodable)
    return fingerprint


def unreadable(error: Exception, recordings: str) -> Failure:
    """Return why recordings cannot be put to a model, of whatever was raised as they were read."""
    if isinstance(error, AudioError):
        return Failure("unreadable_audio", str(error))
    if isinstance(error, MemoryError):
        return Failure("out_of_memory", f"{recordings}: too long to be decoded in the memory that is left")
    # What no reader of audio foresaw costs one sample its answer, not the run.
    return Failure("unreadable_audio", f"{recordings}: {told(error)}")


def told(error: BaseException) -> str:
    """Return an error's kind and message, short enough to be kept, of characters that a file can hold."""
    return _encodable(f"{type(error).__name__}: {message_of(error)}"[:_LONGEST_MESSAGE])


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
