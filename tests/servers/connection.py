"""One connection of a client: requests in, answers out, and the ways of breaking it off."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import BytesHeaderParser

import h11

from tests.servers.errors import ViolationError

_READ_SIZE = 1 << 18


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it came.

    Attributes:
        method, path: of its first line.
        headers: by lower-case name.
        body: whole.
        query: what follows the path; empty for nothing.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    query: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, not yet sent.

    Attributes:
        status: of HTTP.
        content_type: of the body.
        pieces: the body; sent with its length if it is in one piece, else as chunks, one a piece.
        streamed: whether it is a stream of server-sent events.
        headers: further ones.
    """

    status: int
    content_type: str
    pieces: tuple[bytes, ...]
    streamed: bool = False
    headers: tuple[tuple[str, str], ...] = ()


class Connection:
    """HTTP/1.1 over a pair of streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = h11.Connection(h11.SERVER)

    async def receive(self) -> HttpRequest | None:
        """The next request; None when the client has closed the connection.

        Raises:
            ViolationError: what came is not HTTP, or breaks off.
        """
        if self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE:
            self._protocol.start_next_cycle()
        if self._protocol.our_state is not h11.IDLE:
            return None
        head: h11.Request | None = None
        body = bytearray()
        while True:
            try:
                event = self._protocol.next_event()
                if event is h11.NEED_DATA:
                    await self._continue()
                    self._protocol.receive_data(await self._reader.read(_READ_SIZE))
            except h11.RemoteProtocolError as error:
                raise ViolationError(f"this is not HTTP/1.1: {error}") from error
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                headers = {name.decode().lower(): value.decode("latin-1") for name, value in head.headers}
                path, _, query = head.target.decode().partition("?")
                return HttpRequest(head.method.decode(), path, headers, bytes(body), query)
            elif isinstance(event, h11.ConnectionClosed):
                return None

    async def send(self, reply: Reply) -> None:
        """Send an answer whole."""
        framing = ("transfer-encoding", "chunked") if reply.streamed else ("content-length", str(len(reply.pieces[0])))
        await self.send_head(reply, framing)
        for piece in reply.pieces:
            await self.send_data(piece)
        await self.send_end()

    async def send_head(self, reply: Reply, framing: tuple[str, str]) -> None:
        """Send the first line and the headers, with one that says how long the body is."""
        headers = [("content-type", reply.content_type), framing, *reply.headers]
        await self._send(h11.Response(status_code=reply.status, headers=headers))

    async def send_data(self, data: bytes) -> None:
        """Send a piece of the body."""
        await self._send(h11.Data(data=data))

    async def send_end(self) -> None:
        """Say that the body is complete."""
        await self._send(h11.EndOfMessage())

    async def closed_by_client(self) -> None:
        """Wait until the client gives up; what it may still send is not looked at."""
        while await self._reader.read(_READ_SIZE):
            pass

    async def close(self) -> None:
        """Close in good order, with a FIN."""
        with contextlib.suppress(ConnectionError):
            self._writer.close()
            await self._writer.wait_closed()

    def reset(self) -> None:
        """Break off with a RST."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def _continue(self) -> None:
        if self._protocol.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))

    async def _send(self, event: h11.Event) -> None:
        data = self._protocol.send(event)
        assert data is not None
        self._writer.write(data)
        await self._writer.drain()


def parse_form(content_type: str, body: bytes) -> tuple[dict[str, list[str]], dict[str, list[tuple[str, bytes]]]]:
    """Take a multipart form apart (RFC 7578).

    Returns:
        The values of its text fields, and the name and content of its files, both by the name of the field.

    Raises:
        ViolationError: it is no such form.
    """
    form = _headers(b"content-type: " + content_type.encode())
    boundary = form.get_param("boundary", header="content-type")
    if form.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise ViolationError(f"the content type must be multipart/form-data with a boundary, not '{content_type}'")
    preamble, *parts, end = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if preamble or end.strip() != b"--":
        raise ViolationError("the form is not closed by its boundary")
    fields: dict[str, list[str]] = {}
    files: dict[str, list[tuple[str, bytes]]] = {}
    for part in parts:
        head, separator, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = _headers(head)
        name = headers.get_param("name", header="content-disposition")
        if not separator or headers.get_content_disposition() != "form-data" or not isinstance(name, str):
            raise ViolationError("a part of the form has no name")
        if filename := headers.get_filename():
            files.setdefault(name, []).append((filename, content))
        else:
            fields.setdefault(name, []).append(_text(name, content))
    return fields, files


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ViolationError(f"the field '{name}' is not UTF-8", param=name) from error


def _headers(text: bytes) -> Message:
    return BytesHeaderParser(policy=policy.compat32).parsebytes(text + b"\r\n\r\n")
