"""Server-sent events that carry JSON, as servers send them.

https://html.spec.whatwg.org/multipage/server-sent-events.html; beyond it, a last event need not be closed by an empty
line, and the data lines of one event may be a document each.
"""

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from typing import Any, Final

from model_adapters.shared.values import parsed

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?::|data|event|id|retry)")


class _Done:
    """The type of ``DONE``."""


DONE: Final = _Done()
"""Stands in a stream of documents for the mark ``[DONE]`` that closes it."""


def begins_like_events(block: bytes) -> bool:
    """Tell whether a body that begins so is a stream of events, whatever its content type says."""
    return _BEGINNING.match(block) is not None


async def documents(blocks: AsyncIterable[bytes]) -> AsyncIterator[Any]:
    """Yield the JSON document of every event, and ``DONE`` for the mark that closes the stream.

    An event named ``error`` yields ``{"error": …}`` whatever its data.

    Args:
        blocks: of the stream, cut anywhere.

    Raises:
        ValueError: the data of an event is no JSON.
    """
    name, data = "", list[bytes]()
    async for line in _lines(blocks):
        if not line:
            for document in _documents(name, data):
                yield document
            name, data = "", []
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace").strip()
    for document in _documents(name, data):
        yield document


async def _lines(blocks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    unfinished: list[bytes] = []  # joined only when their line ends: a long one would be copied again and again
    carriage_return = b""
    first = True
    async for raw in blocks:
        block = carriage_return + raw
        carriage_return = b"\r" if block.endswith(b"\r") else b""  # a line feed may follow in the next block
        if carriage_return:
            block = block[:-1]
        head, *rest = _LINE_END.split(block)
        unfinished.append(head)
        if not rest:
            continue
        for line in (b"".join(unfinished), *rest[:-1]):
            yield line.removeprefix(b"\xef\xbb\xbf") if first else line
            first = False
        unfinished = [rest[-1]]
    last = b"".join(unfinished)
    if last:
        yield last.removeprefix(b"\xef\xbb\xbf") if first else last


def _documents(name: str, data: Sequence[bytes]) -> Iterator[Any]:
    whole = b"\n".join(data).strip()
    if not whole:
        return
    if name == "error":
        yield {"error": _error(whole)}
        return
    try:
        yield DONE if whole == b"[DONE]" else parsed(whole)
        return
    except ValueError:
        if len(data) == 1 and not whole.startswith(b"[DONE]"):
            raise
    for line in filter(None, (line.strip() for line in data)):
        yield DONE if line.startswith(b"[DONE]") else parsed(line)


def _error(data: bytes) -> Any:
    try:
        document = parsed(data)
    except ValueError:
        return {"message": data.decode("utf-8", "replace")}
    return document.get("error") or document if isinstance(document, dict) else {"message": str(document)}
