"""Tools that the model may call: a function, what the model is told of it, and what becomes of a call.

What the model wrote is untrusted, and so is what a tool gives back: arguments are compared with the schema before the
function is called, and a result is a text of bounded length. Whatever goes wrong is a result too, which the model can
speak about.
"""

import inspect
import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from step_audio_2.live.untrusted_text import whole
from step_audio_2.tool_calls import ToolCall

if TYPE_CHECKING:
    from step_audio_2.speech.voice import Voice

_log = logging.getLogger(__name__)

_LONGEST_RESULT = 4_000
# How often it is looked whether a tool that is waited for is still wanted, in seconds.
_GLANCE = 0.05
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}


class ToolError(Exception):
    """What a tool cannot do, in words for the model and its user; they hold no secret."""


@dataclass(frozen=True, slots=True)
class Document:
    """Something that a search found.

    Attributes:
        title: of it.
        text: of it, or the part that fits.
        source: its address or file.
        date: of it, as its source writes it; empty where it says none.
    """

    title: str
    text: str
    source: str
    date: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ToolResult:
    """What a call came to.

    Attributes:
        text: what the model reads.
        documents: what was found, to be shown beside.
        voice: in which to speak from the next answer on; None to go on as before.
        failed: the tool did not do what it was called for, and the text says why.
    """

    text: str
    documents: tuple[Document, ...] = ()
    voice: "Voice | None" = None
    failed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """A function that the model may call.

    Attributes:
        name: by which it is called.
        description: what it is good for, in words for the model.
        run: takes the arguments by their names; runs in a thread of its own. What it cannot do is a ``ToolError``.
        parameters: JSON schema of the arguments, an object.
        request: what the model is asked to do with the result; empty for nothing.
        timeout: seconds after which a call has failed.
    """

    name: str
    description: str
    run: Callable[..., str | ToolResult]
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}, "required": []})
    request: str = ""
    timeout: float = 20.0

    @property
    def schema(self) -> dict[str, Any]:
        """What the model is told of it, in the form of OpenAI's protocol."""
        function = {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}
        return {"type": "function", "function": function}


def by_name(tools: Sequence[Tool]) -> dict[str, Tool]:
    """Return tools by their names.

    Raises:
        ValueError: two share one.
    """
    found: dict[str, Tool] = {}
    for tool in tools:
        if tool.name in found:
            raise ValueError(f"two tools share the name {tool.name}")
        found[tool.name] = tool
    return found


def call_tool(tools: Mapping[str, Tool], call: ToolCall, cancelled: threading.Event) -> ToolResult | None:
    """Run a call of a tool, and wait for its result no longer than the tool may take.

    A function that hangs is left alone in its thread, and what it gives later is lost.

    Args:
        tools: that there are, by name.
        call: as the model wrote it.
        cancelled: nobody waits for the result any longer once this is set.

    Returns:
        The result, failed where there is no such tool, the arguments do not fit, or the tool raises or is not done in
        time; None if cancelled.
    """
    tool = tools.get(call.name)
    if tool is None:
        return ToolResult(_short(f"没有工具{call.name}，有这些工具：{'、'.join(tools) or '无'}。"), failed=True)
    try:
        arguments = _arguments(tool, call)
    except ToolError as error:
        return _failure(tool, str(error))
    results: queue.SimpleQueue[ToolResult] = queue.SimpleQueue()
    threading.Thread(target=lambda: results.put(_run(tool, arguments)), name=f"tool {tool.name}", daemon=True).start()
    end = time.monotonic() + tool.timeout
    while not cancelled.is_set():
        try:
            return results.get(timeout=max(0.0, min(_GLANCE, end - time.monotonic())))
        except queue.Empty:
            if time.monotonic() >= end:
                return _failure(tool, f"{tool.timeout:g}秒内没有结果")
    return None


def _arguments(tool: Tool, call: ToolCall) -> dict[str, Any]:
    """Read the arguments of a call, and compare them with what the tool takes."""
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise ToolError("参数必须是JSON对象")
    properties = tool.parameters.get("properties", {})
    for name in tool.parameters.get("required", ()):
        if name not in arguments:
            raise ToolError(f"缺少参数{name}")
    for name, value in arguments.items():
        if name not in properties and not tool.parameters.get("additionalProperties"):
            raise ToolError(f"没有参数{name}")
        schema = properties.get(name)
        expected = schema.get("type") if isinstance(schema, Mapping) else None
        if isinstance(expected, str) and not _is_a(value, expected):
            raise ToolError(f"参数{name}的类型必须是{expected}")
    return arguments


def _is_a(value: Any, type_: str) -> bool:
    if isinstance(value, bool) and type_ != "boolean":  # which Python takes for a number
        return False
    return isinstance(value, _TYPES.get(type_, object))


def _run(tool: Tool, arguments: Mapping[str, Any]) -> ToolResult:
    try:
        return _bounded(tool.run(**arguments))
    except ToolError as error:
        return _failure(tool, str(error))
    # A tool is anybody's code; the conversation goes on whatever happens in it.
    except (Exception, SystemExit) as error:
        _log.debug("tool %s failed", tool.name, exc_info=error)
        return _failure(tool, type(error).__name__)


def _bounded(result: str | ToolResult) -> ToolResult:
    """Bound what a tool gave, and make whole what is written in it."""
    if isinstance(result, str):
        return ToolResult(_short(result))
    documents = tuple(
        Document(**{each.name: _short(getattr(document, each.name)) for each in fields(Document)})
        for document in result.documents
    )
    return replace(result, text=_short(result.text), documents=documents)


def _short(text: str) -> str:
    return whole(text if len(text) <= _LONGEST_RESULT else f"{text[:_LONGEST_RESULT]}……")


def _failure(tool: Tool, reason: str) -> ToolResult:
    return ToolResult(f"工具{tool.name}没有成功：{_short(reason)}。", failed=True)


def tool_of(function: Callable[..., str | ToolResult], parameters: Mapping[str, Any], **settings: Any) -> Tool:
    """Make a tool of a function: its name and the first paragraph of its docstring are what the model is told.

    Args:
        function: takes the arguments by name, and returns what the model reads.
        parameters: JSON schema of the arguments, an object.
        **settings: other fields of ``Tool``.

    Raises:
        ValueError: the function has no docstring.
    """
    description = inspect.getdoc(function)
    if not description:
        raise ValueError(f"{function.__name__}: say in a docstring what the tool is good for")
    return Tool(function.__name__, description.split("\n\n")[0], function, parameters, **settings)
