"""Reading function calls in what a model wrote, which is untrusted text.

Servers with a tool-call parser return calls as such. Others leave them in the text, in one of three forms: Step-Audio 2
writes ``<tool_call>function``, the function's name and its arguments as JSON, then ``</tool_call>``, on lines of their
own or with spaces between; Qwen models put one JSON object into the same tags; models without a syntax of their own
reply with that JSON object alone.

As in Step-Audio 2's own server, a call without its closing tag, or whose arguments are not a JSON object, is no call.
What looked like one becomes a call without a name, for people to read.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from evalkit.thought import without_thought
from evalkit.types import Response, ToolCall

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_STEP_AUDIO_CALL = re.compile(r"function\s+([\w.\-]+)\s*")
_NAME_KEYS = ("name", "tool")
_ARGUMENT_KEYS = ("arguments", "args", "parameters")


def with_tool_calls(response: Response) -> Response:
    r"""Return a response to a request that offered tools, with the calls that stand in its text.

    >>> with_tool_calls(Response("<tool_call>function\nsearch\n{\"query\": \"tea\"}</tool_call>")).tool_calls
    (ToolCall(name='search', arguments='{"query": "tea"}', id=''),)
    """
    if response.tool_calls or not (calls := calls_in_text(response.text)):
        return response
    return replace(response, tool_calls=calls)


def calls_in_text(text: str) -> tuple[ToolCall, ...]:
    """Return the calls in a reply; what looked like a call but is none has no name, and all of itself as arguments."""
    said = without_thought(text)
    return tuple(_tagged(said) if _OPEN in said else _bare(said))


def without_calls(text: str) -> str:
    r"""Return what a reply says beside the calls in it, and beside its thought.

    >>> without_calls("I look it up.<tool_call>{\"name\": \"search\", \"arguments\": {}}</tool_call>")
    'I look it up.'
    """
    said = without_thought(text)
    if _OPEN in said:
        first, *others = said.split(_OPEN)
        return "".join((first, *(other.partition(_CLOSE)[2] for other in others)))
    return "" if any(_bare(said)) else said


def well_formed(call: ToolCall) -> ToolCall | None:
    """Return a call with its arguments as the JSON text of an object, or None if it has no name or no such arguments.

    No arguments at all stand for ``{}``.
    """
    arguments = _object_text(call.arguments)
    return replace(call, arguments=arguments) if call.name and arguments is not None else None


def _tagged(text: str) -> Iterator[ToolCall]:
    for part in text.split(_OPEN)[1:]:
        body, closing_tag, _ = part.partition(_CLOSE)
        yield (_call_in_tags(body.strip()) if closing_tag else None) or ToolCall("", body)


def _call_in_tags(body: str) -> ToolCall | None:
    if head := _STEP_AUDIO_CALL.match(body):
        return _call(head[1], body[head.end() :])
    return _call_of(_json(body))


def _bare(text: str) -> Iterator[ToolCall]:
    """Yield the calls in a reply that is JSON and nothing else, with or without a code fence around it."""
    body = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    if not body.startswith(("{", "[")):
        return
    value = _json(body)
    if value is None:
        yield ToolCall("", body)
    for record in value if isinstance(value, list) else [value]:
        # JSON that names no function and its arguments is an answer like any other.
        if isinstance(record, Mapping) and _first(record, _NAME_KEYS) and any(key in record for key in _ARGUMENT_KEYS):
            yield _call_of(record) or ToolCall("", body)


def _call_of(record: Any) -> ToolCall | None:
    """Return the call that a JSON object describes, or None if it describes none."""
    if not isinstance(record, Mapping):
        return None
    return _call(_first(record, _NAME_KEYS), _first(record, _ARGUMENT_KEYS))


def _first(record: Mapping[str, Any], keys: Iterable[str]) -> Any:
    return next((record[key] for key in keys if key in record), None)


def _call(name: Any, arguments: Any) -> ToolCall | None:
    text = _object_text(arguments)
    return ToolCall(name, text) if isinstance(name, str) and name and text is not None else None


def _object_text(value: Any) -> str | None:
    """Return the JSON text of an object that is given as a value or as text, or None if it is no object."""
    try:
        text = value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return None
    if text in ("", "null"):
        return "{}"
    return text if isinstance(_json(text), Mapping) else None


def _json(text: str) -> Any:
    """Return the value of a JSON text, or None if it is not JSON or nested beyond reason."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
