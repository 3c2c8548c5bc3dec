"""Requests and responses in the plain types of ``evalkit_worker``, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evalkit.adapter import Capabilities, Model, ModelAdapter
from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.inference.border import checked_responses
from evalkit.types import Assessment, Failure, Message, Request, Response, ToolCall
from evalkit_worker import types as plain

_SPEECH = "spoken answer"
# What is the same in both kinds of types.
_REQUEST = ("language", "generation", "tools", "output", "replies", "attempt", "task", "sample_id", "kind")
_RESPONSE = ("text", "first_sound", "replies", "finish_reason", "logprobs", "tokens", "notes", "overlong")


def plain_request(request: Request, sample_rate: int | None) -> plain.Request:
    """Return a request in plain types.

    Args:
        request: to be put to a model elsewhere.
        sample_rate: in hertz at which the model wants recordings; None for their own rates.

    Raises:
        AudioError: a recording cannot be read.
    """
    assessment = request.assessment
    return plain.Request(
        messages=tuple(_plain_message(message, sample_rate) for message in request.messages),
        assessment=None if assessment is None else asdict(assessment),
        **_alike(request, _REQUEST),
    )


def request_of(request: plain.Request) -> Request:
    """Return the request that stands in plain types."""
    assessment = request.assessment
    return Request(
        messages=tuple(_message_of(message) for message in request.messages),
        assessment=None if assessment is None else Assessment(**{key: tuple(each) for key, each in assessment.items()}),
        **_alike(request, _REQUEST),
    )


def plain_response(response: Response) -> plain.Response:
    """Return a response in plain types.

    Raises:
        AudioError: its speech cannot be read.
    """
    return plain.Response(
        failure=None if response.failure is None else response.failure.to_json(),
        speech=None if response.speech is None else _sound(response.speech, None),
        tool_calls=tuple(call.to_json() for call in response.tool_calls),
        **_alike(response, _RESPONSE),
    )


def response_of(response: plain.Response) -> Response:
    """Return the response that stands in plain types; the border of the engine checks what its fields hold.

    Raises:
        KeyError: a failure or a call lacks what it must have.
    """
    speech = response.speech
    return Response(
        failure=None if response.failure is None else Failure.from_json(response.failure),
        speech=None if speech is None else Audio.of_waveform(_SPEECH, speech.samples, speech.rate),
        tool_calls=tuple(ToolCall.from_json({"arguments": "{}", **call}) for call in response.tool_calls),
        **_alike(response, _RESPONSE),
    )


def capabilities_of(told: Mapping[str, Any], model: str) -> Capabilities:
    """Return what a model elsewhere says that it can be asked.

    Raises:
        ConfigurationError: it says what ``Capabilities`` does not have.
    """
    languages = told.get("languages")
    try:
        return Capabilities(**{**told, "languages": None if languages is None else frozenset(languages)})
    except TypeError as error:
        raise ConfigurationError(f"{model}: its capabilities are not those of evalkit.adapter ({error})") from error


class PlainAdapter:
    """An adapter of evalkit's kind at work in another Python, as a model of plain types.

    Args:
        adapter: of this process.

    Attributes:
        capabilities: what it can be asked, as JSON values.

    Raises:
        ConfigurationError: it is no model of the process that it is in.
    """

    def __init__(self, adapter: Model) -> None:
        if not isinstance(adapter, ModelAdapter):
            raise ConfigurationError(f"{type(adapter).__name__} is not a ModelAdapter")
        self._adapter = adapter
        told = asdict(adapter.capabilities)
        languages = told["languages"]
        self.capabilities = {**told, "languages": None if languages is None else sorted(languages)}

    def generate(self, requests: Sequence[plain.Request]) -> list[plain.Response]:
        """Answer the requests; raises what the adapter raises.

        Raises:
            InvalidResponseError: the adapter returned what is no list of responses.
        """
        returned = self._adapter.generate([request_of(each) for each in requests])
        return [
            plain_response(each) for each in checked_responses(returned, len(requests), type(self._adapter).__name__)
        ]

    def fingerprint(self) -> Mapping[str, Any]:
        """Return that of the adapter."""
        return self._adapter.fingerprint()

    def close(self) -> None:
        """Free what the adapter holds."""
        self._adapter.close()


def _alike(value: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _plain_message(message: Message, sample_rate: int | None) -> plain.Message:
    content = tuple(part if isinstance(part, str) else _sound(part, sample_rate) for part in message.content)
    calls = tuple(call.to_json() for call in message.tool_calls)
    return plain.Message(message.role, content, calls, message.tool_call_id, message.tokens)


def _message_of(message: plain.Message) -> Message:
    content = tuple(part if isinstance(part, str) else _audio(part) for part in message.content)
    calls = tuple(map(ToolCall.from_json, message.tool_calls))
    return Message(message.role, content, calls, message.tool_call_id, message.tokens)


def _sound(audio: Audio, sample_rate: int | None) -> plain.Sound:
    samples, rate = audio.read_mono() if sample_rate is None else (audio.waveform(sample_rate), sample_rate)
    return plain.Sound(samples, rate, audio.locator, audio.digest() or "")


def _audio(sound: plain.Sound) -> Audio:
    return Audio.of_waveform(sound.name, sound.samples, sound.rate, digest=sound.digest or None)
