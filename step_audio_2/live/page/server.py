"""Serve the page and its WebSocket.

aiohttp serves: its sockets answer a kilobyte in two thirds of the time that Starlette on uvicorn takes beside it, and
it brings what is needed here: limits of messages, signs of life, and a client for tests.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from step_audio_2.live.page.access import COOKIE, PARAMETER, Access
from step_audio_2.live.page.agent import Agent
from step_audio_2.live.page.kept import KeptConversations
from step_audio_2.live.page.messages import OrderError, choices, read_order, read_sound
from step_audio_2.live.page.talk import Talk
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
            response.set_cookie(COOKIE, request.query[PARAMETER], httponly=True, samesite="Strict")
            return response
        if not self.access.knows(request.cookies.get(COOKIE)):
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
        most = max(2 * int(limits.turn_taking.longest * SAMPLE_RATE) + 1, 16 * limits.text)
        socket = web.WebSocketResponse(heartbeat=limits.silence, max_msg_size=most, compress=False)
        await socket.prepare(request)
        if len(self._sockets) >= limits.sessions:
            await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"all places are taken")
            return socket
        self._sockets.add(socket)
        page = _SocketPage(socket)
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
            await page.show(choices(self._agents, limits.text))
            async for message in socket:
                try:
                    if message.type is WSMsgType.TEXT:
                        await talk.take(read_order(message.data))
                    elif message.type is WSMsgType.BINARY:
                        await talk.take(read_sound(message.data))
                except OrderError as error:
                    await page.show({"type": "fault", "message": str(error)})
        except ConnectionError:
            _log.debug("a page was closed")
        finally:
            talk.close()
            await running
            self._sockets.discard(socket)
        return socket

    async def _conversation(self, request: web.Request) -> web.Response:
        """Hand out a conversation that is held now."""
        name = request.match_info["name"]
        packed = await asyncio.get_running_loop().run_in_executor(self._threads, self._kept.archive, name)
        if packed is None:
            raise web.HTTPNotFound(text="this conversation is over")
        headers = {"Content-Disposition": 'attachment; filename="conversation.zip"'}
        return web.Response(body=packed, content_type="application/zip", headers=headers)

    async def _part(self, _: web.Application) -> None:
        for socket in set(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the server ends")

    async def _rest(self, _: web.Application) -> None:
        self._threads.shutdown(wait=False)
        self._kept.close()


class _SocketPage:
    """A page at the other end of a socket."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def show(self, message: dict[str, Any]) -> None:
        await self._socket.send_json(message)

    async def play(self, sound: bytes) -> None:
        await self._socket.send_bytes(sound)


def _asset(content: bytes, kind: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=content, content_type=kind, charset="utf-8")

    return handler


@asynccontextmanager
async def serving(server: PageServer, host: str, port: int) -> AsyncIterator[str]:
    """Serve a page for as long as the context is open.

    Args:
        server: the page.
        host: to listen at, the one that the server was made for.
        port: to listen at; 0 for any that is free.

    Yields:
        The address to open, with the token if one is needed.

    Raises:
        ValueError: the port cannot be had.
    """
    runner = web.AppRunner(server.application(), access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, OverflowError) as error:
            raise ValueError(f"{host}, port {port}: cannot be listened at ({error})") from error
        token = f"?{PARAMETER}={server.access.token}" if server.access.token else ""
        name = f"[{host}]" if ":" in host else host
        yield f"http://{name}:{runner.addresses[0][1]}/{token}"
    finally:
        await runner.cleanup()


def serve(agents: Sequence[Agent], host: str = "127.0.0.1", port: int = 0, limits: Limits | None = None) -> None:
    """Serve the page until it is interrupted, and print its address.

    Raises:
        ValueError: the port cannot be had.
        ImportError: what hears when somebody speaks is not installed.
    """

    async def until_interrupted() -> None:
        async with serving(PageServer(agents, host, limits), host, port) as address:
            print(f"{address} (Ctrl-C ends it)", flush=True)
            await asyncio.Event().wait()

    try:
        asyncio.run(until_interrupted())
    except KeyboardInterrupt:
        print()
