"""Recordings that are too long to be sent with a request: sent once, and referred to.

By the resumable uploads of https://ai.google.dev/api/files, as google-genai 3.6.1 makes them. The service keeps a file
for 48 hours.
"""

import asyncio
import hashlib
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.errors import PermanentError, RejectedError
from model_adapters.gemini.request_format import MIME_TYPE
from model_adapters.shared.server import Server
from model_adapters.shared.values import fields, shown

_CHUNK = 8 << 20  # bytes sent at once; a multiple of 256 KiB, as the protocol wants
_KEPT_SECONDS = 47 * 3600.0  # an hour less than the service keeps a file, for the answer still to come
_POLL_SECONDS = 1.0
_NAME = re.compile(r"files/[a-z0-9-]{1,40}")


@dataclass(frozen=True, slots=True)
class _Sent:
    """A file at the service, and when it is no longer to be relied on."""

    uri: str
    until: float


class SentFiles:
    """The recordings that were sent to the service, each once, known by their content.

    Args:
        server: the service.
        version: of its API.
        now: seconds on a clock that never goes back.
    """

    def __init__(self, server: Server, version: str, now: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._version = version
        self._now = now
        self._sent: dict[str, _Sent] = {}
        self._sending: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def uri(self, content: bytes) -> str:
        """Return the address of a recording at the service, where it is sent unless it is there.

        Raises:
            PermanentError: the service cannot make use of it.
            RejectedError: the service wants it sent to another server, or turns the caller away.
            TransientError: another attempt may succeed.
        """
        digest = hashlib.sha256(content).hexdigest()
        async with self._sending[digest]:
            sent = self._sent.get(digest)
            if sent is None or sent.until <= self._now():
                until = self._now() + _KEPT_SECONDS
                sent = self._sent[digest] = _Sent(await self._uploaded(content), until)
        return sent.uri

    async def _uploaded(self, content: bytes) -> str:
        file = await self._upload(await self._place(len(content)), content)
        while file.get("state") == "PROCESSING":
            await asyncio.sleep(_POLL_SECONDS)
            name = file.get("name")
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(f"a file of Gemini has the name {shown(name)}")
            async with self._server.get(f"/{self._version}/{name}") as reply:
                file = fields(await reply.json())
        if file.get("state") == "FAILED":
            reason = fields(file.get("error")).get("message") or "no reason given"
            raise PermanentError(f"the service cannot make use of the recording: {shown(reason)}")
        uri = file.get("uri")
        if not isinstance(uri, str) or not uri:
            raise ValueError(f"a file of Gemini has no address: {shown(dict(file))}")
        return uri

    async def _place(self, size: int) -> str:
        """Return the path to which the service wants so many bytes sent."""
        headers = {
            "X-Goog-Upload-Protocol": "resumable",
            "X-Goog-Upload-Command": "start",
            "X-Goog-Upload-Header-Content-Length": str(size),
            "X-Goog-Upload-Header-Content-Type": MIME_TYPE,
        }
        async with self._server.post(f"/upload/{self._version}/files", b'{"file": {}}', headers=headers) as reply:
            place = str(reply.headers.get("X-Goog-Upload-URL", ""))
        if not place.startswith(f"{self._server.url}/"):  # the key and the recording go to nobody but this server
            raise RejectedError(f"{self._server.url} wants recordings sent to {place.partition('?')[0] or 'nowhere'}")
        return place.removeprefix(self._server.url)

    async def _upload(self, place: str, content: bytes) -> Mapping[str, Any]:
        for offset in range(0, len(content), _CHUNK):
            last = offset + _CHUNK >= len(content)
            headers = {
                "Content-Type": "application/octet-stream",
                "X-Goog-Upload-Command": "upload, finalize" if last else "upload",
                "X-Goog-Upload-Offset": str(offset),
            }
            async with self._server.post(place, content[offset : offset + _CHUNK], headers=headers) as reply:
                status = reply.headers.get("X-Goog-Upload-Status", "").lower()
                if status != ("final" if last else "active"):
                    raise ValueError(f"an upload to Gemini is '{status}' after {offset} bytes")
                if last:
                    return fields(fields(await reply.json()).get("file"))
        raise ValueError("nothing to upload")
