"""The connection to a server that speaks OpenAI's protocol: its paths, its key, and what it says of itself."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from evalkit.adapter import Listing
from evalkit.errors import PermanentError, RejectedError, TransientError
from model_adapters.openai.completions import SPEECH_RATE, listed
from model_adapters.openai.streams import AddDelta, add_delta, merge_stream
from model_adapters.shared.keys import read_key
from model_adapters.shared.server import HttpReply, Server
from model_adapters.shared.server_errors import USUAL, ErrorCodes
from model_adapters.shared.values import fields

if TYPE_CHECKING:
    import aiohttp

# What a listing says of a model that may tell its weights; the rest is about the account or the listing itself.
_TELLING = ("id", "root", "parent", "owned_by", "created")
_SECONDS_OLD = 5  # a moment of creation younger than this is that of the listing: some servers make it up each time
Answered = TypeVar("Answered")


class OpenAIConnection:
    """One server and the key to it.

    Args:
        base_url: of the server, such as ``http://127.0.0.1:8000/v1``.
        model: its name on the server; part of the URL of an Azure deployment.
        api_key_variable: the environment variable that holds the key; None for a server that wants none.
        api_key_file: a file that holds the key, instead.
        azure_api_version: of Azure's API of deployments; None for every other server, Azure's ``/openai/v1`` too.
        concurrency: how many connections to keep.
        answer_bytes: the most that one answer may hold.
        codes: what the service's own codes of errors mean.

    Attributes:
        address: of the server; what tells servers apart.
        secrets: what no answer and no message may repeat.

    Raises:
        ConfigurationError: the URL is not one, holds credentials, or the key is not where it is said to be.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key_variable: str | None,
        api_key_file: str | None,
        azure_api_version: str | None,
        concurrency: int,
        answer_bytes: int,
        codes: ErrorCodes = USUAL,
    ) -> None:
        key = read_key(api_key_variable, api_key_file)
        self.secrets: tuple[str, ...] = (key,) if key else ()
        self._model = model
        self._is_azure = azure_api_version is not None
        self._server = Server(
            base_url,
            # A server that wants no key may still want the header.
            headers={"api-key": key or "none"} if self._is_azure else {"Authorization": f"Bearer {key or 'none'}"},
            query={"api-version": azure_api_version} if azure_api_version is not None else {},
            secrets=self.secrets,
            concurrency=concurrency,
            answer_bytes=answer_bytes,
            codes=codes,
        )
        self.address = self._server.address
        self._prefix = f"/openai/deployments/{model}" if self._is_azure else ""
        self._listed: tuple[str, ...] = ()

    async def close(self) -> None:
        """Close all connections."""
        await self._server.close()

    @asynccontextmanager
    async def post(self, path: str, data: "bytes | aiohttp.FormData") -> AsyncIterator[HttpReply]:
        """Send a request to a path of the protocol and open its answer; see ``Server.post`` for what is raised."""
        try:
            async with self._server.post(self._prefix + path, data) as reply:
                yield reply
        except RejectedError as error:
            if self._listed and self._model not in self._listed:
                raise RejectedError(f"{error} (it lists the models {', '.join(self._listed)})") from None
            raise

    async def completion(
        self,
        body: bytes,
        read: Callable[[Any], Answered],
        *,
        add: AddDelta = add_delta,
        speech_rate: int = SPEECH_RATE,
    ) -> Answered:
        """Return what the chat completion that a request is answered with, whole or streamed, is read as.

        Args:
            body: of the request, as JSON.
            read: reads a completion, given as JSON values; a ``ValueError`` is a failed attempt.
            add: see ``merge_stream``.
            speech_rate: see ``merge_stream``.
        """
        async with self.post("/chat/completions", body) as reply:
            if await reply.is_event_stream():  # whatever was asked for: some servers do but one of the two
                completion: Any = await merge_stream(reply.events(), add, speech_rate)
                await reply.drain()
            else:
                completion = await reply.json()
            return read(completion)

    async def identify(self) -> Mapping[str, Any]:
        """Return what the server's listing of models says of this one; what it does not say is left out.

        Raises:
            RejectedError: the key is wrong.
        """
        try:
            models, now = await self._models()
        except (PermanentError, TransientError):
            return {}
        entry = models.get(self._model, {})
        said = {name: entry[name] for name in _TELLING if isinstance(entry.get(name), str | int)}
        if "created" in said and not _is_settled(said["created"], now):
            del said["created"]
        return said

    async def listing(self) -> Listing | None:
        """Return whether the server's listing of models has this one; see ``ServedModelAdapter.listing``."""
        models, _ = await self._models()
        if not models:
            return None
        ends = models.get(self._model, {}).get("shutdown_date")  # of OpenAI: a day, or null
        return Listing(self._model in models, ends if isinstance(ends, str) else "", tuple(models))

    async def _models(self) -> tuple[Mapping[str, Mapping[str, Any]], str]:
        """Return the models that the server lists, by name, and when by its own clock; none where it has no list.

        Raises:
            RejectedError: the key is wrong.
            TransientError, PermanentError: there is no answer.
        """
        if self._is_azure:
            return {}, ""  # lists the models of all accounts, not the deployments of this one
        try:
            async with self._server.get("/models") as reply:
                entries = [fields(entry) for entry in listed(fields(await reply.json()).get("data"))]
                now = reply.headers.get("date", "")
        except RejectedError as error:
            if "HTTP 404" in str(error):
                return {}, ""  # no such path, which is fine
            raise
        models: dict[str, Mapping[str, Any]] = {}
        for entry in entries:
            if isinstance(entry.get("id"), str):
                models.setdefault(entry["id"], entry)
        self._listed = tuple(models)
        return models, now


def _is_settled(created: Any, date: str) -> bool:
    """Tell whether a moment of creation lies before the listing that names it, by the server's clock if it tells it."""
    try:
        now = parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        now = time.time()
    return isinstance(created, int) and created < now - _SECONDS_OLD
