"""A conformance suite for adapters: what the engine relies on, whoever wrote the adapter."""

import asyncio
import json
from collections.abc import Sequence

from evalkit.adapter import Capabilities, Model, ModelAdapter, ServedModelAdapter
from evalkit.audio import Audio
from evalkit.errors import EvalkitError, PermanentError, TransientError
from evalkit.inference.border import InvalidResponseError, checked_response, checked_responses
from evalkit.types import Message, Request, Response


def check_adapter(adapter: Model, requests: Sequence[Request] = ()) -> None:
    """Check what the engine relies on in an adapter; meant for the tests of whoever writes one.

    Its fingerprint must be JSON values and stay the same; no requests get no responses; each request gets one sound
    response, in the order of the requests; the answer to a request must not depend on what is asked beside it or before
    it; a recording that cannot be read fails alone and harms no later request.

    Args:
        adapter: a model in this process or behind a server.
        requests: at least two of a kind that it can answer, whose answers differ; without any, only what needs no
            request is checked. A model that samples its answers at random cannot pass with more than one.

    Raises:
        AssertionError: says what the adapter does wrong.

    Example:
        >>> from evalkit.adapter import ModelAdapter
        >>> class Shout(ModelAdapter):
        ...     def generate(self, requests):
        ...         return [Response(request.messages[-1].content[0].upper()) for request in requests]
        ...     def fingerprint(self):
        ...         return {"adapter": "shout"}
        >>> check_adapter(Shout(), [Request((Message("user", (text,)),)) for text in ("a", "b")])
    """
    _check_description(adapter)
    if isinstance(adapter, ServedModelAdapter):
        asyncio.run(_check_served(adapter, requests))
    else:
        _check_local(adapter, requests)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _check_description(adapter: Model) -> None:
    name = type(adapter).__name__
    _require(
        isinstance(adapter, ModelAdapter | ServedModelAdapter),
        f"{name} is neither a ModelAdapter nor a ServedModelAdapter",
    )
    fingerprint = dict(adapter.fingerprint())
    try:
        text = json.dumps(fingerprint, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{name}.fingerprint() is not made of JSON values: {error}") from error
    _require(json.loads(text) == fingerprint, f"{name}.fingerprint() reads back from JSON as something else")
    _require(dict(adapter.fingerprint()) == fingerprint, f"{name}.fingerprint() changes from call to call")
    _require(isinstance(adapter.capabilities, Capabilities), f"{name}.capabilities must be Capabilities")


def _check_local(adapter: ModelAdapter, requests: Sequence[Request]) -> None:
    name = type(adapter).__name__
    _require(_generated(adapter, []) == [], f"{name}.generate([]) must return an empty list")
    if not requests:
        return
    together = _generated(adapter, requests)
    _check_answered(name, together)
    alone = [_generated(adapter, [request])[0] for request in reversed(requests)][::-1]
    _check_equal(name, together, alone)
    if requests[0].audio:
        try:
            _generated(adapter, [_with_damaged_audio(requests[0])])
        except EvalkitError:
            pass
        except Exception as error:
            raise AssertionError(
                f"{name}.generate met a recording that cannot be read with {type(error).__name__}: {error}; let the "
                "AudioError of Audio.waveform or Audio.encoded pass"
            ) from error
        _check_equal(name, together[:1], _generated(adapter, requests[:1]))


async def _check_served(adapter: ServedModelAdapter, requests: Sequence[Request]) -> None:
    name = type(adapter).__name__
    together = [_sound(response, name) for response in await asyncio.gather(*map(adapter.answer, requests))]
    _check_answered(name, together)
    alone = [_sound(await adapter.answer(request), name) for request in reversed(requests)][::-1]
    _check_equal(name, together, alone)
    if requests and requests[0].audio:
        try:
            _sound(await adapter.answer(_with_damaged_audio(requests[0])), name)
        except (EvalkitError, PermanentError, TransientError):
            pass
        except Exception as error:
            raise AssertionError(
                f"{name}.answer met a recording that cannot be read with {type(error).__name__}: {error}; let the "
                "AudioError of Audio.encoded pass"
            ) from error


def _generated(adapter: ModelAdapter, requests: Sequence[Request]) -> list[Response]:
    try:
        responses = checked_responses(adapter.generate(requests), len(requests), type(adapter).__name__)
    except InvalidResponseError as error:
        raise AssertionError(str(error)) from error
    return [_sound(response, type(adapter).__name__) for response in responses]


def _sound(response: object, name: str) -> Response:
    try:
        checked = checked_response(response, name)
    except InvalidResponseError as error:
        raise AssertionError(str(error)) from error
    if checked.failure is not None and checked.failure.kind == "invalid_response":
        raise AssertionError(checked.failure.message)
    return checked


def _check_answered(name: str, responses: Sequence[Response]) -> None:
    for number, response in enumerate(responses):
        _require(not response.failed, f"{name} gave no answer to request {number}: {response.error}")


def _check_equal(name: str, together: Sequence[Response], alone: Sequence[Response]) -> None:
    for number, (one, other) in enumerate(zip(together, alone, strict=True)):
        _require(
            _said(one) == _said(other),
            f"{name} answered request {number} with {one.text!r} among others and with {other.text!r} alone: an answer "
            "must depend on its request only, and responses must come in the order of the requests",
        )


def _said(response: Response) -> tuple[object, ...]:
    return (response.text, response.tool_calls, response.replies)


def _with_damaged_audio(request: Request) -> Request:
    damaged = Audio("damaged.wav", content=lambda: b"RIFF" + bytes(40))
    messages = tuple(
        Message(
            message.role,
            tuple(damaged if isinstance(part, Audio) else part for part in message.content),
            message.tool_calls,
            message.tool_call_id,
            message.tokens,
        )
        for message in request.messages
    )
    return Request(messages, request.language, request.generation, request.tools, request.output, request.replies)
