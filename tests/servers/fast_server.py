"""The same protocol with nothing checked: one canned answer after a fixed time, for measuring clients.

It reads no more of a request than its length, throws the body away as it comes, and so leaves the processor to the
client that is measured.
"""

import asyncio
import json
import re
from collections.abc import Callable

from tests.servers.backends import Answer, ServedRequest
from tests.servers.completions import chat_reply
from tests.servers.connection import Reply
from tests.servers.journal import Journal
from tests.servers.reading import CHAT, TRANSCRIPTIONS

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_BUFFER = memoryview(bytearray(1 << 20))  # one for all connections: what it holds is dealt with at once


def _wire(reply: Reply) -> bytes:
    head = f"HTTP/1.1 {reply.status} OK\r\ncontent-type: {reply.content_type}\r\ncontent-length: "
    (body,) = reply.pieces
    return f"{head}{len(body)}\r\n\r\n".encode() + body


def _canned_answers() -> dict[bytes, bytes]:
    """What to send, by the start of the request."""
    request = ServedRequest(CHAT, {}, {"model": "local-model"}, b"", ("a question",), (), "")
    usage = {"type": "tokens", "input_tokens": 100, "output_tokens": 2, "total_tokens": 102}
    transcription = json.dumps({"text": "canned words", "usage": usage}).encode()
    return {
        b"POST " + CHAT.encode(): _wire(chat_reply(request, Answer(("canned words",)), "canned")),
        b"POST " + TRANSCRIPTIONS.encode(): _wire(Reply(200, "application/json", (transcription,))),
    }


class _CannedProtocol(asyncio.BufferedProtocol):
    """One connection; a request must have a length, and the next one must not come before the answer."""

    def __init__(self, journal: Journal, latency: float, answers: dict[bytes, bytes]) -> None:
        self._journal = journal
        self._latency = latency
        self._answers = answers
        self._head = b""
        self._reply = b""
        self._missing = 0  # bytes of the body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._journal.connected()

    def get_buffer(self, sizehint: int) -> memoryview:
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        if self._missing:
            self._missing -= nbytes
        else:
            self._head += _BUFFER[:nbytes]
            end = self._head.find(b"\r\n\r\n") + 4
            if end < 4 or not self._begin(end):
                return
        if self._missing <= 0:
            self._missing = 0
            arrived = self._journal.arrive()
            asyncio.get_running_loop().call_later(self._latency, self._finish, arrived)

    def _begin(self, end: int) -> bool:
        """Take note of a head that is complete; False if there is nothing more to do about it."""
        head, rest = self._head[:end], len(self._head) - end
        self._head = b""
        if head.startswith(b"GET /journal"):
            summary = json.dumps(self._journal.summary()).encode()
            self._transport.write(_wire(Reply(200, "application/json", (summary,))))
            return False
        length = _LENGTH.search(head)
        reply = self._answers.get(b" ".join(head.split(b" ", 2)[:2]))
        if length is None or reply is None:
            self._transport.abort()
            return False
        self._reply = reply
        self._missing = int(length[1]) - rest
        return True

    def _finish(self, arrived: float) -> None:
        self._journal.note("", "answered", arrived, b"")
        self._journal.depart()
        self._transport.write(self._reply)


async def serve_canned(port: int, latency: float, started: Callable[[int], None]) -> None:
    """Serve until cancelled.

    Args:
        port: to listen on, 0 for any free one.
        latency: seconds from the end of a request to its answer.
        started: is told the port once connections are accepted.
    """
    journal, answers = Journal(), _canned_answers()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _CannedProtocol(journal, latency, answers), "127.0.0.1", port, backlog=1024
    )
    started(server.sockets[0].getsockname()[1])
    await asyncio.Event().wait()
