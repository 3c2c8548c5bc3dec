"""Acting faults out on a connection."""

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate

from tests.servers.backends import ServedRequest
from tests.servers.completions import DONE, event
from tests.servers.connection import Connection, Reply
from tests.servers.errors import ApiError
from tests.servers.faults import Fault

_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>\n"
_FLUSH = 0.05  # seconds for what was sent to reach the client before a RST overtakes it
_STATUS = {Fault.SERVER_ERROR: 500, Fault.UNAVAILABLE: 503}


async def misbehave(
    fault: Fault,
    request: ServedRequest,
    connection: Connection,
    good_reply: Callable[[], Awaitable[Reply]],
    *,
    retry_after: float,
    trickle_interval: float,
) -> bool:
    """Do to a client what a fault says.

    Args:
        fault: one that suits the request.
        request: what was asked.
        connection: by which it came.
        good_reply: makes the answer that would have been right, for faults that spoil it.
        retry_after: seconds that a 429 asks to wait; a date is rounded up to whole ones.
        trickle_interval: seconds between two bytes of a trickle.

    Returns:
        Whether the connection is still good for another request.
    """
    match fault:
        case Fault.HANG:
            await connection.closed_by_client()
            return False
        case Fault.RESET_BEFORE:
            connection.reset()
            return False
        case Fault.TRICKLE:
            reply = Reply(200, "text/event-stream" if request.streamed else "application/json", ())
            await connection.send_head(reply, ("transfer-encoding", "chunked"))
            while True:
                await asyncio.sleep(trickle_interval)
                await connection.send_data(b"\n")
        case Fault.RESET_MIDWAY | Fault.TRUNCATED_BODY:
            await _send_half(connection, await good_reply())
            if fault is Fault.RESET_MIDWAY:
                await asyncio.sleep(_FLUSH)
                connection.reset()
            return False
        case Fault.FEWER_CHOICES | Fault.NO_CHOICES | Fault.ENDED_EARLY | Fault.ERROR_EVENT | Fault.MALFORMED_JSON:
            await connection.send(_spoilt(fault, await good_reply()))
        case Fault.HTML_PAGE | Fault.BAD_GATEWAY:
            await connection.send(Reply(502 if fault is Fault.BAD_GATEWAY else 200, "text/html", (_PAGE,)))
        case Fault.EMPTY_BODY:
            await connection.send(Reply(200, "application/json", (b"",)))
        case Fault.WRONG_SCHEMA:
            await connection.send(Reply(200, "application/json", (b'{"status": "ok", "queue": 3}',)))
        case Fault.SERVER_ERROR | Fault.UNAVAILABLE:
            await connection.send(_error(_STATUS[fault], "The server had an error.", "server_error"))
        case _:
            await connection.send(_too_many(fault, retry_after))
    return True


async def _send_half(connection: Connection, reply: Reply) -> None:
    if reply.streamed:
        await connection.send_head(reply, ("transfer-encoding", "chunked"))
        for piece in reply.pieces[: len(reply.pieces) // 2]:
            await connection.send_data(piece)
    else:
        (body,) = reply.pieces
        await connection.send_head(reply, ("content-length", str(len(body))))
        await connection.send_data(body[: len(body) // 2])


def _spoilt(fault: Fault, reply: Reply) -> Reply:
    """A good answer with one thing wrong in it."""
    if not reply.streamed:
        (body,) = reply.pieces
        if fault is Fault.MALFORMED_JSON:
            return _with_pieces(reply, (body[:-1] + b',"usage": {]',))
        document = json.loads(body)
        document["choices"] = document["choices"][:-1] if fault is Fault.FEWER_CHOICES else []
        return _with_pieces(reply, (json.dumps(document).encode(),))
    half = reply.pieces[: len(reply.pieces) // 2]
    if fault is Fault.ENDED_EARLY:
        return _with_pieces(reply, half)
    if fault is Fault.ERROR_EVENT:
        error = {"message": "The model crashed.", "type": "server_error", "param": None, "code": None}
        return _with_pieces(reply, (*half, event({"error": error})))
    if fault is Fault.MALFORMED_JSON:
        return _with_pieces(reply, (*half, b'data: {"id": "chatcmpl", "choices": [{]\n\n', DONE))
    chunks = [json.loads(piece.removeprefix(b"data: ")) for piece in reply.pieces[:-1]]
    last = max(choice["index"] for chunk in chunks for choice in chunk["choices"])
    kept = last if fault is Fault.FEWER_CHOICES else 0
    remaining = [event(chunk) for chunk in chunks if all(choice["index"] < kept for choice in chunk["choices"])]
    return _with_pieces(reply, (*remaining, DONE))


def _with_pieces(reply: Reply, pieces: tuple[bytes, ...]) -> Reply:
    return Reply(reply.status, reply.content_type, pieces, reply.streamed, reply.headers)


def _too_many(fault: Fault, retry_after: float) -> Reply:
    headers: tuple[tuple[str, str], ...] = ()
    match fault:
        case Fault.TOO_MANY_SECONDS:
            headers = (("retry-after", f"{retry_after:g}"),)
        case Fault.TOO_MANY_DATE:
            headers = (("retry-after", formatdate(math.ceil(time.time() + retry_after), usegmt=True)),)
        case Fault.TOO_MANY_MILLISECONDS:
            headers = (("retry-after-ms", f"{1000 * retry_after:g}"),)
    reply = _error(429, "Rate limit reached for requests.", "requests", "rate_limit_exceeded")
    return Reply(reply.status, reply.content_type, reply.pieces, headers=headers)


def _error(status: int, message: str, kind: str, code: str | None = None) -> Reply:
    return Reply(status, "application/json", (ApiError(status, message, kind=kind, code=code).body,))
