"""Serve the page and its WebSocket.

aiohttp serves, by which models behind servers are asked too: it brings limits of messages, signs of life, and a client.
"""

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from step_audio_2.live.page.access import PARAMETER, Access
from step_audio_2.live.page.agent import Agent
from step_audio_2.live.page.kept import KeptConversations
from step_audio_2.live.page.messages import OrderError, choices, read_order, read_sound
from step_audio_2.live.page.talk import PageClosedError, Talk
from step_audio_2.live.page.voice_activity import SAMPLE_RATE, SpeechDetector, TurnTaking

_log = logging.getLogger(__name__)

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
# Whatever a text says that is shown, nothing runs but the scripts of this server.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much users may ask for.

    Attributes:
        sessions: pages that may be open at once.
        text: characters of a text.
        silence: seconds after which a page is given up that gives no sign of life.
        turn_taking: when turns end, and how long they may be.
    """

    sessions: int = 4
    text: int = 4_000
    silence: float = 20.0
    turn_taking: TurnTaking = field(default_factory=TurnTaking)


class PageServer:
    """The page, for some agents.

    Args:
        agents: that can be talked to, the first one unless another is chosen.
        host: to listen at.
        limits: of what users may ask for.

    Attributes:
        access: who may use it.

    Raises:
        ImportError: what hears when somebody speaks is not installed.
    """

    def __init__(self, agents: Sequence[Agent], host: str = "127.0.0.1", limits: Limits | None = None) -> None:
        self.access = Access(host)
        self._agents = agents
        self._limits = limits or Limits()
        self._detector = SpeechDetector()
        self._kept = KeptConversations()
        self._threads = ThreadPoolExecutor(self._limits.sessions, "talk")
        self._sockets: set[web.WebSocketResponse] = set()

    def application(self) -> web.Application:
        """Build what aiohttp serves."""
        application = web.Application(middlewares=[self._let_in])
        for path in files(__package__).joinpath("assets").iterdir():
            name = "" if path.name == "index.html" else path.name
            application.router.add_get(f"/{name}", _asset(path.read_bytes(), _TYPES[f".{path.name.split('.')[-1]}"]))
        application.router.add_get("/talk", self._talk)
        application.router.add_get("/conversations/{name}", self._conversation)
        application.on_shutdown.append(self._part)
        application.on_cleanup.append(self._rest)
        return application

    @web.middleware
    async def _let_in(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self.access.accepts_name(request.host):
            raise web.HTTPForbidden(text="this server is not addressed by that name")
        if PARAMETER in request.query and self.access.knows(request.query[PARAMETER]):
            # Out of the address, where it would be seen and kept.
            response: web.StreamResponse = web.Response(status=303, headers={"Location": request.path})
            response.set_cookie(self.access.cookie, request.query[PARAMETER], httponly=True, samesite="Strict")
            return response
        if not self.access.knows(request.cookies.get(self.access.cookie)):
            raise web.HTTPForbidden(text="open the address with the token that the server printed when it started")
        response = await handler(request)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        """Hold one user's conversation, until their page is closed or gives no sign of life."""
        if not self.access.is_own_page(request.headers):
            raise web.HTTPForbidden(text="pages of other sites may not use this one")
        limits = self._limits
        # The longest recording with the byte before it, or the longest texts of an order.
        longest_text = max(limits.text, *(len(agent.system) for agent in self._agents))
        most = max(2 * int(limits.turn_taking.longest * SAMPLE_RATE) + 1, 16 * longest_text)
        web_socket = web.WebSocketResponse(heartbeat=limits.silence, max_msg_size=most, compress=False)
        await web_socket.prepare(request)
        if len(self._sockets) >= limits.sessions:
            await web_socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"all places are taken")
            return web_socket
        self._sockets.add(web_socket)
        page = _SocketPage(web_socket)
        talk = Talk(
            self._agents,
            page,
            detector=self._detector,
            turn_taking=limits.turn_taking,
            longest_text=limits.text,
            kept=self._kept,
            threads=self._threads,
        )
        running = asyncio.create_task(talk.run())
        try:
            await page.show(choices(self._agents, limits.text, limits.turn_taking.longest))
            async for message in web_socket:
                try:
                    if message.type is WSMsgType.TEXT:
                        await talk.take(read_order(message.data))
                    elif message.type is WSMsgType.BINARY:
                        await talk.take(read_sound(message.data))
                except OrderError as error:
                    await page.show({"type": "fault", "message": str(error)})
        except PageClosedError:
            _log.debug("a page was closed")
        finally:
            talk.close()
            await running
            self._sockets.discard(web_socket)
        return web_socket

    async def _conversation(self, request: web.Request) -> web.Response:
        """Hand out a conversation that is held now."""
        name = request.match_info["name"]
        packed = await asyncio.get_running_loop().run_in_executor(self._threads, self._kept.archive, name)
        if packed is None:
            raise web.HTTPNotFound(text="this conversation is over")
        headers = {"Content-Disposition": 'attachment; filename="conversation.zip"'}
        return web.Response(body=packed, content_type="application/zip", headers=headers)

    async def _part(self, _: web.Application) -> None:
        for web_socket in set(self._sockets):
            await web_socket.close(code=WSCloseCode.GOING_AWAY, message=b"the server ends")

    async def _rest(self, _: web.Application) -> None:
        self._threads.shutdown(wait=False)
        self._kept.close()


class _SocketPage:
    """A page at the other end of a socket."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def show(self, message: dict[str, Any]) -> None:
        with _closing_told():
            await self._socket.send_json(message)

    async def play(self, sound: bytes) -> None:
        with _closing_told():
            await self._socket.send_bytes(sound)


@contextmanager
def _closing_told() -> Iterator[None]:
    try:
        yield
    except ConnectionError as error:
        raise PageClosedError from error


def _asset(content: bytes, kind: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=content, content_type=kind, charset="utf-8")

    return handler


def listen(host: str, port: int) -> socket.socket:
    """Take a port, before a model is made ready that takes long.

    Args:
        host: to listen at.
        port: to listen at; 0 for any that is free.

    Raises:
        ValueError: the port cannot be had.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError, UnicodeError) as error:
        raise ValueError(f"{host}, port {port}: cannot be listened at ({error})") from error


@asynccontextmanager
async def serving(server: PageServer, port: socket.socket) -> AsyncIterator[str]:
    """Serve a page for as long as the context is open, and close its port.

    Args:
        server: the page.
        port: that ``listen`` took, at the host that the server was made for.

    Yields:
        The address to open, with the token if one is needed.
    """
    runner = web.AppRunner(server.application(), access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, port).start()
        host, number = port.getsockname()[:2]
        token = f"?{PARAMETER}={server.access.token}" if server.access.token else ""
        name = f"[{host}]" if ":" in host else host
        yield f"http://{name}:{number}/{token}"
    finally:
        await runner.cleanup()


def serve(agents: Sequence[Agent], port: socket.socket, limits: Limits | None = None) -> None:
    """Serve the page until it is interrupted or told to end, and print its address.

    Args:
        agents: that can be talked to.
        port: that ``listen`` took; is closed.
        limits: of what users may ask for.

    Raises:
        ImportError: what hears when somebody speaks is not installed.
    """

    async def until_interrupted() -> None:
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGHUP):  # for what was said not to stay on disk
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        async with serving(PageServer(agents, port.getsockname()[0], limits), port) as address:
            print(f"{address} (Ctrl-C ends it)", flush=True)
            await ended.wait()

    try:
        asyncio.run(until_interrupted())
    except KeyboardInterrupt:
        print()
