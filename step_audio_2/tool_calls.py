r"""Calls of tools in what the model wrote: ``<tool_call>function\n{name}\n{arguments as JSON}</tool_call>``.

Follows section 5.4 of the model's technical description, the rule of the published server's tool parser. What the model
wrote is untrusted: arguments are parsed as JSON and as nothing else, and handed on as JSON text. In two things this is
more lenient than that parser, for the data on which the model is evaluated are written so: names may have spaces around
them, and texts among the arguments may hold line breaks.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass

TOOL_CALL_OPEN, TOOL_CALL_CLOSE = "<tool_call>", "</tool_call>"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool.

    Attributes:
        name: the tool's.
        arguments: valid JSON text, by the prompt's rules an object.
    """

    name: str
    arguments: str

    @property
    def text(self) -> str:
        """The call as the model writes it, and as it stands in a conversation's history."""
        return f"{TOOL_CALL_OPEN}function\n{self.name}\n{self.arguments}{TOOL_CALL_CLOSE}"


@dataclass(frozen=True, slots=True)
class ParsedText:
    """What the model wrote, taken apart.

    Attributes:
        content: what it says.
        tool_calls: what it calls, in order.
    """

    content: str
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class ContentDelta:
    """More of what the model says.

    Attributes:
        text: to be appended to what it said before.
    """

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallName:
    """A call has begun: the tool's name, long before its arguments are whole.

    Attributes:
        index: which call this is, counted from 0.
        name: the tool's.
    """

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class ToolCallArguments:
    """The call that was announced under this index is whole; one that never becomes so was none.

    Attributes:
        index: that of the name.
        arguments: valid JSON text, all of it.
    """

    index: int
    arguments: str


ToolCallEvent = ContentDelta | ToolCallName | ToolCallArguments


def parse_tool_calls(text: str, tool_names: Collection[str] = ()) -> ParsedText:
    r"""Take apart what the model wrote.

    Content is the text before the first call and the text after the last; what stands between calls, what is no valid
    call, and a call that does not end are left out. Where there is no valid call at all, the whole text is content.

    Args:
        text: what the model wrote.
        tool_names: the tools that were offered; calls of others are not valid. Empty: all names are.

    >>> parse_tool_calls('Wait.<tool_call>function\nget_weather\n{"location": "chengdu"}</tool_call>')
    ParsedText(content='Wait.', tool_calls=(ToolCall(name='get_weather', arguments='{"location": "chengdu"}'),))
    """
    calls = []
    first = start = text.find(TOOL_CALL_OPEN)
    rest = 0
    while start >= 0 and (end := text.find(TOOL_CALL_CLOSE, start)) >= 0:
        if call := _call(text[start + len(TOOL_CALL_OPEN) : end], tool_names):
            calls.append(call)
        rest = end + len(TOOL_CALL_CLOSE)
        start = text.find(TOOL_CALL_OPEN, rest)
    if not calls:
        return ParsedText(text)
    return ParsedText(text[:first] + (text[rest:] if start < 0 else text[rest:start]), tuple(calls))


class ToolCallStream:
    """Takes apart what the model writes while it writes.

    All content deltas together, and all calls whose arguments came, are exactly what ``parse_tool_calls`` makes of the
    whole text, whatever that text is and wherever it is cut. For this, content after a first ``<tool_call>`` waits for
    the end, since a further call would make it void; and arguments wait for ``</tool_call>``, since only then is it
    certain that they parse.

    Args:
        tool_names: see ``parse_tool_calls``.
    """

    def __init__(self, tool_names: Collection[str] = ()) -> None:
        self._tool_names = tool_names
        self._held = ""  # what may be the beginning of a mark; once there is one, everything from it on
        self._has_mark = False
        self._position = 0  # where in the held text the next call is looked for
        self._n_named = 0
        self._is_named = False

    def push(self, text: str) -> list[ToolCallEvent]:
        """Take in more text and return the events that are certain now."""
        self._held += text
        if self._has_mark:
            return self._calls()
        start = self._held.find(TOOL_CALL_OPEN)
        self._has_mark = start >= 0
        if not self._has_mark:
            start = len(self._held) - _overlap(self._held, TOOL_CALL_OPEN)
        content, self._held = self._held[:start], self._held[start:]
        return [*_delta(content), *self._calls()]

    def finish(self) -> list[ToolCallEvent]:
        """Return the events held back, as nothing more is written."""
        held, self._held = self._held, ""
        return _delta(parse_tool_calls(held, self._tool_names).content)

    def _calls(self) -> list[ToolCallEvent]:
        events: list[ToolCallEvent] = []
        while (start := self._held.find(TOOL_CALL_OPEN, self._position)) >= 0:
            end = self._held.find(TOOL_CALL_CLOSE, start)
            block = self._held[start + len(TOOL_CALL_OPEN) : end if end >= 0 else None]
            if not self._is_named and (name := _name(block, self._tool_names)) is not None:
                events.append(ToolCallName(self._n_named, name))
                self._n_named += 1
                self._is_named = True
            if end < 0:
                break
            if call := _call(block, self._tool_names):
                events.append(ToolCallArguments(self._n_named - 1, call.arguments))
            self._position = end + len(TOOL_CALL_CLOSE)
            self._is_named = False
        return events


def _name(block: str, tool_names: Collection[str]) -> str | None:
    """Read the name after an opening mark; None if it is not whole yet or was not offered."""
    parts = block.split("\n", 2)
    if len(parts) < 3:
        return None
    name = parts[1].strip()
    return name if not tool_names or name in tool_names else None


def _call(block: str, tool_names: Collection[str]) -> ToolCall | None:
    """Read the call between two marks; None if it is not valid."""
    name = _name(block, tool_names)
    if name is None:
        return None
    try:
        value = json.loads(block.split("\n", 2)[2], strict=False)
        # Python reads what others cannot: NaN and infinities, which are no JSON, and halves of a character, which
        # cannot be encoded.
        arguments = json.dumps(value, ensure_ascii=False, allow_nan=False)
        arguments.encode()
    except (ValueError, RecursionError):
        return None
    return ToolCall(name, arguments)


def _delta(text: str) -> list[ToolCallEvent]:
    return [ContentDelta(text)] if text else []


def _overlap(text: str, mark: str) -> int:
    """Count the characters at the end of a text that may be the beginning of a mark."""
    return max(length for length in range(len(mark)) if text.endswith(mark[:length]))
