"""Reading the function calls in a model's reply, which is untrusted text.

Three forms are understood. Servers with a tool-call parser return calls as such. Step-Audio 2 writes
``<tool_call>function``, the function's name and its arguments as JSON, then ``</tool_call>``, on lines of their own or
with spaces between; Qwen models put one JSON object into the same tags. Models without a syntax of their own reply with
that JSON object alone.

As in Step-Audio 2's own server, a call without its closing tag, or whose arguments are not a JSON object, is no call.
What looked like one is kept aside for people to read.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.types import Response, ToolCall

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_STEP_AUDIO_CALL = re.compile(r"function\s+([\w.\-]+)\s*")
_NAME_KEYS = ("name", "tool")
_ARGUMENT_KEYS = ("arguments", "args", "parameters")


@dataclass(frozen=True, slots=True)
class Calls:
    """What a reply calls.

    Attributes:
        valid: the calls whose arguments are a JSON object, in order.
        malformed: what looked like a call but cannot be read as one, as the model wrote it.
    """

    valid: tuple[ToolCall, ...] = ()
    malformed: tuple[str, ...] = ()


def parse_calls(response: Response) -> Calls:
    r"""The function calls of a reply, from its ``tool_calls`` if it has any, else from its text.

    >>> parse_calls(Response("<tool_call>function\nget_weather\n{\"location\": \"chengdu\"}</tool_call>")).valid
    (ToolCall(name='get_weather', arguments='{"location": "chengdu"}', id=''),)
    """
    if response.tool_calls:
        return _separated(
            _call(call.name, call.arguments) or f"{call.name} {call.arguments}" for call in response.tool_calls
        )
    text = _without_thought(response.text)
    return _separated(_tagged(text) if _OPEN in text else _bare(text))


def _separated(found: Iterable[ToolCall | str]) -> Calls:
    """Calls, and the texts that are none."""
    items = list(found)
    return Calls(
        tuple(item for item in items if isinstance(item, ToolCall)),
        tuple(item for item in items if isinstance(item, str)),
    )


def _without_thought(text: str) -> str:
    """The reply proper: a call that a model only considers is not made."""
    return text.partition("</think>")[2] if text.lstrip().startswith("<think>") else text


def _tagged(text: str) -> Iterator[ToolCall | str]:
    for part in text.split(_OPEN)[1:]:
        body, closing_tag, _ = part.partition(_CLOSE)
        yield (_call_in_tags(body.strip()) if closing_tag else None) or body


def _call_in_tags(body: str) -> ToolCall | None:
    if head := _STEP_AUDIO_CALL.match(body):
        return _call(head[1], body[head.end() :])
    return _call_of(_json(body))


def _bare(text: str) -> Iterator[ToolCall | str]:
    """Calls in a reply that is JSON and nothing else, with or without a code fence around it."""
    body = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    if not body.startswith(("{", "[")):
        return
    value = _json(body)
    if value is None:
        yield body
    for record in value if isinstance(value, list) else [value]:
        # JSON that names no function is an answer like any other.
        if isinstance(record, Mapping) and _first(record, _NAME_KEYS) and _first(record, _ARGUMENT_KEYS) is not None:
            yield _call_of(record) or body


def _call_of(record: Any) -> ToolCall | None:
    """The call that a JSON object describes, or None if it describes none."""
    if not isinstance(record, Mapping):
        return None
    return _call(_first(record, _NAME_KEYS), _first(record, _ARGUMENT_KEYS))


def _first(record: Mapping[str, Any], keys: Iterable[str]) -> Any:
    return next((record[key] for key in keys if key in record), None)


def _call(name: Any, arguments: Any) -> ToolCall | None:
    """A call, or None if the name is no text or the arguments are no JSON object; none at all stand for ``{}``."""
    if not isinstance(name, str) or not name:
        return None
    text = _object_text(arguments)
    return None if text is None else ToolCall(name, text)


def _object_text(value: Any) -> str | None:
    """The JSON text of an object that is given as a value or as text, or None if it is no object."""
    try:
        text = value.strip() or "{}" if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return None
    return text if isinstance(_json(text), Mapping) else None


def _json(text: str) -> Any:
    """The value of a JSON text, or None if it is not JSON or nested beyond reason."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
