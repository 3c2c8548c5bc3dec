"""A server over HTTP, whatever its protocol: its address, its connections, its answers within bounds, its errors."""

import asyncio
import ipaddress
import urllib.request
import zlib
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from evalkit.errors import ConfigurationError, PermanentError, TransientError
from evalkit.hints import install_command
from evalkit.progress import say
from evalkit.redaction import redacted_text
from evalkit.version import __version__
from model_adapters.shared.event_stream import begins_like_events, documents
from model_adapters.shared.server_errors import USUAL, ErrorCodes, WithinError, error_meant, error_of_status, said
from model_adapters.shared.values import parsed
from model_adapters.shared.websocket import JsonSocket

if TYPE_CHECKING:
    import aiohttp

_LONGEST_MESSAGE = 500
_MOST_OF_AN_ERROR = 1 << 20  # bytes of an error's body that are read
_PIECE = 1 << 18  # bytes that compressed data may grow into at a time
_DRAIN_SECONDS = 0.5
_CLOSE_SECONDS = 1.0  # for a server to say good-bye
_PORTS = {"http": 80, "https": 443}


class Server:
    """One server, and the connections to it.

    Args:
        base_url: such as ``http://127.0.0.1:8000/v1``.
        headers: of every request, such as the one with the key.
        query: parameters of every request's URL.
        secrets: what no message may repeat, such as the key; looked at anew for each message, so that it may grow.
        concurrency: how many connections to keep.
        answer_bytes: the most that one answer may hold once decompressed.
        codes: what the service's own codes of errors mean.

    Attributes:
        address: host, port unless it is the usual one, and path: what tells servers apart.
        url: for messages.

    Raises:
        ConfigurationError: the URL is not one or holds credentials, or a library is missing.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        secrets: Collection[str] = (),
        concurrency: int,
        answer_bytes: int,
        codes: ErrorCodes = USUAL,
    ) -> None:
        _import_client()
        parts = _parts(base_url)
        self.address = _address(parts)
        self.url = base_url.rstrip("/")
        self._secrets = secrets
        if self._secrets and parts.scheme == "http" and not _is_here(parts.hostname or ""):
            say(f"{self.address}: the key goes there in clear, as base_url begins with http://; https:// would hide it")
        self._headers = {
            "User-Agent": f"evalkit/{__version__}",
            "Accept-Encoding": "identity",  # JSON and base64 arrive sooner than they are decompressed
            **(headers or {}),
        }
        self._query = dict(query or {})
        self._proxy = _proxy(parts)
        self._concurrency = concurrency
        self._answer_bytes = answer_bytes
        self._codes = codes
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def post(
        self,
        path: str,
        data: "bytes | aiohttp.FormData",
        *,
        headers: Mapping[str, str] | None = None,
        query: Iterable[tuple[str, str]] = (),
    ) -> AsyncIterator["HttpReply"]:
        """Send a request and open its answer, which is closed on leaving.

        Args:
            path: to add to the base URL.
            data: a form, or bytes: JSON unless ``headers`` name another type.
            headers: of this request, beside those of all.
            query: names and values of parameters of this request's URL, beside those of all.

        Raises:
            TransientError: another attempt may succeed; also for any ``ValueError`` while the answer is read.
            PermanentError: the server will not answer this request, or at more length than is allowed.
            RejectedError, ServerUnavailableError: the server will answer no request.
        """
        kind = {"Content-Type": "application/json"} if isinstance(data, bytes) else {}
        asked = self._asked("POST", path, {**kind, **(headers or {})}, query, data)
        async with asked as reply:
            yield reply

    @asynccontextmanager
    async def get(self, path: str, *, query: Iterable[tuple[str, str]] = ()) -> AsyncIterator["HttpReply"]:
        """Open the answer to a GET; see ``post``."""
        async with self._asked("GET", path, {}, query) as reply:
            yield reply

    @asynccontextmanager
    async def websocket(self, path: str, *, query: Iterable[tuple[str, str]] = ()) -> AsyncIterator[JsonSocket]:
        """Open a conversation over a WebSocket, which is closed on leaving and never opened again by itself.

        Args:
            path: to add to the base URL.
            query: names and values of parameters of its URL, beside those of all.

        Raises:
            TransientError, PermanentError, RejectedError, ServerUnavailableError: see ``post``.
        """
        import aiohttp

        answering = False
        with self._errors(lambda: answering):
            opening = self._connections().ws_connect(
                self.url + path,
                params=[*self._query.items(), *query],
                max_msg_size=self._answer_bytes,
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS),
            )
            try:
                socket = await opening
            except aiohttp.WSServerHandshakeError as error:
                message = self.told(f"HTTP {error.status}: the conversation was refused")
                headers: Mapping[str, str] = error.headers or {}
                raise error_of_status(error.status, None, message, headers, self.url, self._codes) from None
            answering = True
            async with socket:
                yield JsonSocket(socket, self._answer_bytes)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def told(self, text: str) -> str:
        """Return what may stand in a report: one line, without secrets, cut only then, lest a part of one be left."""
        text = " ".join(redacted_text(text, self._secrets).split())
        return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + " …"

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        query: Iterable[tuple[str, str]],
        data: "bytes | aiohttp.FormData | None" = None,
    ) -> AsyncIterator["HttpReply"]:
        reply: HttpReply | None = None
        with self._errors(lambda: reply is not None):
            asking = self._connections().request(
                method,
                self.url + path,
                params=[*self._query.items(), *query],
                headers=headers,
                data=data,
                allow_redirects=False,  # a key and recordings go to nobody but this server
            )
            async with asking as response:
                reply = HttpReply(response, self._answer_bytes)
                if response.status >= 300 or self._codes.told(response.headers):
                    raise await self._status_error(response, reply)
                yield reply

    def _connections(self) -> "aiohttp.ClientSession":
        """Return the session, made on first use, in the event loop it will work in."""
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._concurrency),
                timeout=aiohttp.ClientTimeout(total=None),  # the engine has a deadline for the whole attempt
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # it would be without bounds
                proxy=self._proxy,
                trace_configs=[self._refusing_redirects()],
            )
        return self._session

    def _refusing_redirects(self) -> "aiohttp.TraceConfig":
        """Return what stops a WebSocket from being opened elsewhere, for which the client has no setting."""
        import aiohttp

        async def refuse(_session: Any, _context: Any, sent: aiohttp.TraceRequestRedirectParams) -> None:
            place = sent.response.headers.get("location", "").partition("?")[0]
            message = self.told(f"HTTP {sent.response.status}: it sends us to {place}")
            raise error_of_status(sent.response.status, None, message, {}, self.url)

        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(refuse)
        return trace

    @contextmanager
    def _errors(self, answering: Any) -> Iterator[None]:
        """Turn what the client raises into what decides whether to try again, without a secret in any message."""
        import aiohttp

        try:
            yield
        except aiohttp.ClientResponseError as error:
            raise TransientError(self.told(f"the answer is malformed ({error.message or error})")) from None
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            # The server was there if its answer had begun.
            if answering() or isinstance(error, aiohttp.ClientPayloadError):
                raise TransientError(self.told(f"the answer broke off ({reason})")) from None
            raise TransientError(self.told(f"{self.url}: {reason}"), unavailable=True) from None
        except WithinError as error:
            raise error_meant(error, self.told(str(error)), self.url, self._codes) from None
        except TransientError as error:
            raise TransientError(
                self.told(str(error)),
                unavailable=error.unavailable,
                overloaded=error.overloaded,
                retry_after=error.retry_after,
            ) from None
        except (ValueError, RecursionError) as error:
            raise TransientError(self.told(f"the answer is not of the documented form ({error})")) from None

    async def _status_error(self, response: "aiohttp.ClientResponse", reply: "HttpReply") -> Exception:
        status = response.status
        text = await reply.beginning(_MOST_OF_AN_ERROR)
        try:
            body = parsed(text)
        except ValueError:
            body = None
        told = response.headers.get(self._codes.message_header, "") if self._codes.message_header else ""
        words = told or said(body) or text.decode("utf-8", "replace").strip() or response.reason or ""
        if location := response.headers.get("location", ""):
            words = f"it sends us to {location.partition('?')[0]}"
        message = self.told(f"{self._codes.told(response.headers) or f'HTTP {status}'}: {words}")
        return error_of_status(status, body, message, response.headers, self.url, self._codes)


class HttpReply:
    """An answer of status 200 whose body is still to be read, once.

    Args:
        response: whose head has come.
        most: bytes that it may hold once decompressed.
    """

    def __init__(self, response: "aiohttp.ClientResponse", most: int) -> None:
        self.headers = response.headers
        self._response = response
        self._most = most
        self._blocks = self._decoded()
        self._first: bytes | None = None

    async def is_event_stream(self) -> bool:
        """Tell whether the body is a stream of events, by how it begins: content types are not to be relied on."""
        return begins_like_events(await self._peek())

    async def content(self) -> bytes:
        """Return the whole body."""
        return b"".join([block async for block in self._all()])

    async def json(self) -> Any:
        """Return the whole body as JSON values, whatever its content type says.

        Raises:
            ValueError: it is no JSON.
        """
        body = await self.content()
        try:
            return parsed(body)
        except ValueError as error:
            raise ValueError(f"{error}: {body[: 2 * _LONGEST_MESSAGE].decode('utf-8', 'replace')}") from None

    async def text(self) -> str:
        """Return the whole body as text.

        Raises:
            ValueError: it is no text, or its content type is not that of plain text, as of a page in its place.
        """
        body = b"".join([block async for block in self._all()])
        if not (kind := self.headers.get("content-type", "")).startswith("text/plain"):
            raise ValueError(f"not plain text but {kind[:40] or 'of no type'}")
        return body.decode("utf-8")

    async def events(self) -> AsyncIterator[Any]:
        """Yield the documents of a stream of events; see ``documents``."""
        async for document in documents(self._all()):
            yield document

    async def drain(self) -> None:
        """Read what may follow the end mark of a stream, so that its connection can be used again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                async for _ in self._blocks:
                    pass

    async def beginning(self, most: int) -> bytes:
        """Return the beginning of the body, of an error whose rest is of no interest."""
        body = b""
        async for block in self._all():
            body += block
            if len(body) > most:
                break
        return body[:most]

    async def _peek(self) -> bytes:
        """Return the first blocks, as many as hold more than white space."""
        while not (self._first or b"").removeprefix(b"\xef\xbb\xbf").strip():
            block = await anext(self._blocks, None)
            if block is None:
                break
            self._first = (self._first or b"") + block
        return self._first or b""

    async def _all(self) -> AsyncIterator[bytes]:
        if self._first:
            yield self._first
        async for block in self._blocks:
            yield block

    async def _decoded(self) -> AsyncIterator[bytes]:
        """Return the blocks of the body, decompressed a piece at a time and counted."""
        encoding = self._response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise ValueError(f"its content encoding {encoding[:40]} was not asked for")
        inflate = None if encoding in ("", "identity") else zlib.decompressobj(wbits=47)  # gzip or zlib, by its head
        size = 0
        async for raw in self._response.content.iter_any():
            for block in (raw,) if inflate is None else _inflated(inflate, raw):
                size += len(block)
                if size > self._most:
                    raise PermanentError(
                        f"the answer holds more than limits.answer_bytes={self._most}; raise it if that is right"
                    )
                yield block
        if inflate is not None and not inflate.eof and size:
            raise ValueError("its compressed data are cut short")


def _inflated(inflate: "zlib._Decompress", data: bytes) -> Iterator[bytes]:
    try:
        while data and not inflate.eof:
            yield inflate.decompress(data, _PIECE)
            data = inflate.unconsumed_tail
    except zlib.error as error:
        raise ValueError(f"it cannot be decompressed: {error}") from None


def _import_client() -> None:
    """Load the libraries now rather than while the first requests wait.

    Raises:
        ConfigurationError: one is missing.
    """
    try:
        import aiohttp  # noqa: F401
        import pybase64  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(f"served models need more: {install_command('openai')} ({error})") from error


def _parts(base_url: str) -> SplitResult:
    try:
        parts = urlsplit(base_url)
        host = parts.hostname if parts.scheme in _PORTS and parts.port != 0 else None
    except ValueError:  # such as a port that is not a number
        host = None
    if not host:
        raise ConfigurationError("base_url must be of the form http://HOST:PORT/PATH or https://…")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError(
            f"base_url of {host} holds credentials or a query; give a key by api_key_variable= or api_key_file="
        )
    return parts


def _address(parts: SplitResult) -> str:
    """Return what tells servers apart; http for https does not make another one."""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
    return host + port + parts.path.rstrip("/")


def _proxy(parts: SplitResult) -> str | None:
    """Return the proxy that the environment names for a server; never for one on this machine."""
    host = parts.hostname or ""
    if _is_here(host) or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _is_here(host: str) -> bool:
    """Tell whether a host is this machine."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False
