"""Models put to servers on 127.0.0.1, and what arrives there."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from typing import Any

from evalkit.adapter import ServedModelAdapter
from evalkit.inference.endpoint import ModelSpec
from evalkit.run.composition import compose_configuration
from evalkit.run.plan import plan_from_config
from evalkit.types import Message, Request, Response
from tests.servers.backends import Answer, ServedRequest


class Backend:
    """Answers as told, and keeps what was asked.

    Args:
        answer: to every request, or a function from the request.
    """

    def __init__(self, answer: Answer | str | Callable[[ServedRequest], Answer] = "fine") -> None:
        self._answer = Answer((answer,)) if isinstance(answer, str) else answer
        self.requests: list[ServedRequest] = []

    def __call__(self, request: ServedRequest) -> Answer:
        self.requests.append(request)
        return self._answer if isinstance(self._answer, Answer) else self._answer(request)

    @property
    def request(self) -> ServedRequest:
        """The only request there was."""
        (request,) = self.requests
        return request


def configured(name: str, *overrides: str, **settings: Any) -> ServedModelAdapter:
    """The model of a configuration, made as ``evalkit run`` makes it.

    Args:
        name: of the configuration.
        overrides: of its settings; what they come to is composed once in all tests.
        **settings: that take the place of those of the configuration, such as the ``base_url`` of a server.
    """
    spec = _spec(name, overrides)
    model = replace(spec, config={**spec.config, **settings}).make()
    assert isinstance(model, ServedModelAdapter)
    return model


@cache
def _spec(name: str, overrides: tuple[str, ...]) -> ModelSpec:
    config = compose_configuration([f"model={name}", "task=demo_clean", *overrides])
    return plan_from_config(config, {"model": name, "task": "demo_clean"}).models["model"]


def outcomes(model: ServedModelAdapter, *requests: Request, seconds: float = 20) -> list[Response | Exception]:
    """Put requests to a model one after another, then close it; what is raised stands in place of a response."""

    async def outcome(request: Request) -> Response | Exception:
        try:
            async with asyncio.timeout(seconds):
                return await model.answer(request)
        except Exception as error:
            return error

    async def main() -> list[Response | Exception]:
        try:
            return [await outcome(request) for request in requests]
        finally:
            await model.close()

    return asyncio.run(main())


def ask(model: ServedModelAdapter, *requests: Request) -> list[Response]:
    """The responses to requests that are put to a model one after another."""
    responses = []
    for outcome in outcomes(model, *requests):
        if isinstance(outcome, Exception):
            raise outcome
        responses.append(outcome)
    return responses


def asking(*parts: Any, **settings: Any) -> Request:
    """One turn of a user."""
    return Request((Message("user", parts or ("What is this?",)),), **settings)


class RawServer:
    """Gives every request the same answer, whatever it is; for answers that no proper server gives.

    Attributes:
        base_url: of the server.
        heads: of the requests that came, each from its first line to its last header.
    """

    def __init__(self, answer: bytes) -> None:
        self.base_url = ""
        self.heads: list[str] = []
        self._answer = answer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(line for line in head.lower().splitlines() if line.startswith("content-length:"))
                await reader.readexactly(int(length.partition(":")[2]))
                self.heads.append(head)
                writer.write(self._answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the client, or the test, is done
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen on a free port of 127.0.0.1."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield
        finally:
            server.close()


def http(body: Any, status: int = 200, content_type: str = "application/json", **headers: str) -> bytes:
    """An answer as it goes over the wire; a body that is not bytes becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Status", f"content-type: {content_type}", f"content-length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def ask_raw(
    answer: bytes, make_model: Callable[[str], ServedModelAdapter], request: Request | None = None
) -> tuple[Response | Exception, RawServer]:
    """Put a request to a raw server; what is raised stands in place of the response."""
    server = RawServer(answer)

    async def main() -> Response | Exception:
        async with server.running():
            model = make_model(server.base_url)
            try:
                async with asyncio.timeout(20):
                    return await model.answer(request or asking())
            except Exception as error:
                return error
            finally:
                await model.close()

    return asyncio.run(main()), server
