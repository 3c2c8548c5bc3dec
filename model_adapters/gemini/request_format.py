"""Requests in the words of Gemini's ``generateContent``.

https://ai.google.dev/api/generate-content; field names as in the client google-genai 3.6.1 (google/genai/types.py).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError, PermanentError
from evalkit.types import Message, Request, ToolCall
from model_adapters.shared.settings import protocol_settings

MIME_TYPE = "audio/wav"

# Decoding settings of ``generationConfig``, by the names that requests use.
_SETTINGS = {
    "max_new_tokens": "maxOutputTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
    "stop": "stopSequences",
}


class GeminiFormat:
    """How requests are put to one model.

    Args:
        model: its name, for messages.
        generation: decoding settings that hold where a request says nothing else.
        thinking_budget: tokens that it may think; 0 for none where the model allows that, None for its own choice.
        thinking_level: how much it may think, of models that know levels and no budget.
        thought_room: tokens added to ``max_new_tokens``, since thoughts are counted among those that it writes.
        safety_settings: the threshold of each category of harm.

    Raises:
        ConfigurationError: both a budget and a level are given, which the service refuses.
    """

    def __init__(
        self,
        model: str,
        *,
        generation: Mapping[str, Any],
        thinking_budget: int | None,
        thinking_level: str | None,
        thought_room: int,
        safety_settings: Mapping[str, str],
    ) -> None:
        if thinking_budget is not None and thinking_level is not None:
            raise ConfigurationError(f"model {model}: give thinking_budget= or thinking_level=, not both")
        self._model = model
        self._generation = dict(generation)
        thinking = {"thinkingBudget": thinking_budget, "thinkingLevel": thinking_level}
        self._thinking = {name: value for name, value in thinking.items() if value is not None}
        self._thought_room = thought_room
        self._safety = [
            {"category": category, "threshold": threshold} for category, threshold in safety_settings.items()
        ]

    def body(self, request: Request, given: int, sounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the request as JSON values.

        Args:
            request: what is asked.
            given: how many replies the service has given already, which it is not to repeat.
            sounds: the parts that stand for the recordings of ``heard(request)``, in their order.

        Raises:
            ConfigurationError: a decoding setting is not one of the service's.
            PermanentError: an earlier call of a tool has arguments that the service would not take.
        """
        body: dict[str, Any] = {"contents": list(_contents(request.messages, iter(sounds)))}
        if system := "\n".join(text for message in request.messages for text in _system(message)):
            body["systemInstruction"] = {"parts": [{"text": system}]}
        if settings := self.settings(request, given):
            body["generationConfig"] = settings
        if self._safety:
            body["safetySettings"] = self._safety
        if request.tools:
            body["tools"] = [{"functionDeclarations": [_declaration(tool["function"]) for tool in request.tools]}]
        return body

    def settings(self, request: Request, given: int = 0) -> dict[str, Any]:
        """Return the decoding settings of a request in the words of the service.

        Raises:
            ConfigurationError: one is not the service's.
        """
        settings = protocol_settings(
            {**self._generation, **request.generation},
            _SETTINGS,
            model=self._model,
            protocol="Gemini",
            remedy="drop it from the prompt profile",
        )
        if "maxOutputTokens" in settings:
            settings["maxOutputTokens"] += self._thought_room
        if isinstance(settings.get("stopSequences"), str):
            settings["stopSequences"] = [settings["stopSequences"]]
        if (further := request.attempt + given) and "seed" in settings:
            settings["seed"] += further  # the same seed would bring the same answer
        # Outside of this field a budget is ignored without a word.
        return settings | ({"thinkingConfig": self._thinking} if self._thinking else {})


def heard(request: Request) -> tuple[Audio, ...]:
    """Return the recordings that are sent with a request: those of the user's turns."""
    turns = (message for message in request.messages if message.role == "user")
    return tuple(part for message in turns for part in message.content if isinstance(part, Audio))


def _contents(messages: Sequence[Message], sounds: Iterator[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the turns of a conversation; the answers of tools that were called at once make one turn."""
    names: dict[str, str] = {}
    results: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "tool":
            results.append(_result(message, names))
            continue
        if results:
            yield {"role": "user", "parts": results}
            results = []
        if message.role == "assistant":
            names |= {call.id: call.name for call in message.tool_calls}
            yield {"role": "model", "parts": _own_parts(message)}
        elif message.role == "user":
            yield {"role": "user", "parts": [_part(part, sounds) for part in message.content]}
    if results:
        yield {"role": "user", "parts": results}


def _part(part: str | Audio, sounds: Iterator[Mapping[str, Any]]) -> dict[str, Any]:
    return {"text": part} if isinstance(part, str) else dict(next(sounds))


def _own_parts(message: Message) -> list[dict[str, Any]]:
    """Return what the model said itself: as it gave it, where it is to know its own calls again."""
    if message.tokens:
        return list(json.loads(message.tokens))
    text = "".join(part for part in message.content if isinstance(part, str))
    parts = [{"text": text}] if text or not message.tool_calls else []
    return parts + [{"functionCall": _call(call)} for call in message.tool_calls]


def _call(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise PermanentError(f"not sent: the arguments of an earlier call of {call.name} are no JSON object")
    return {"name": call.name, "args": arguments} | ({"id": call.id} if call.id else {})


def _result(message: Message, names: Mapping[str, str]) -> dict[str, Any]:
    text = "".join(part for part in message.content if isinstance(part, str))
    call = {"id": message.tool_call_id, "name": names.get(message.tool_call_id, "")}
    return {"functionResponse": {**call, "response": {"result": text}}}


def _system(message: Message) -> Iterator[str]:
    if message.role == "system":
        yield "".join(part for part in message.content if isinstance(part, str))


def _declaration(function: Mapping[str, Any]) -> dict[str, Any]:
    declaration = {name: function[name] for name in ("name", "description") if name in function}
    if "parameters" in function:
        # ``parameters`` takes a dialect of its own, this field JSON schemas as they are.
        declaration["parametersJsonSchema"] = function["parameters"]
    return declaration
