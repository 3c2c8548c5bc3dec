"""A strict server of the OpenAI protocol on 127.0.0.1: in a thread of a test, or as a process of its own.

with OpenAIServer(digest_backend, key="sk-test", faults=Faults(7, {Fault.TOO_MANY: 0.2})) as server:
    client = openai.AsyncOpenAI(base_url=server.base_url, api_key="sk-test")
    ...
    assert not server.journal.violations

python -m tests.servers.openai_server --port 8123 --latency 0.2 --fast
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence

from tests.servers.backends import Answer, Backend, ServedRequest, digest_backend
from tests.servers.completions import chat_reply
from tests.servers.connection import Connection, HttpRequest, Reply
from tests.servers.errors import ApiError, ViolationError, check_key
from tests.servers.faults import LASTING, REFUSING_ANSWERS, FaultPlan, Refusal
from tests.servers.journal import Journal
from tests.servers.misbehaviour import misbehave
from tests.servers.reading import read_request
from tests.servers.schema import ChatRequest, VllmChatRequest
from tests.servers.speeches import speech_reply
from tests.servers.threaded import ThreadedServer
from tests.servers.transcriptions import transcription_reply


class OpenAIServer(ThreadedServer):
    """The server, and a context manager that runs it in a thread.

    Args:
        backend: what it answers.
        port: to listen on, 0 for any free one.
        key: that clients must send; None for no check.
        models: names that it serves and lists; None for any.
        vllm: take the additional fields of vLLM and SGLang in chat requests.
        chat: what it takes to be completed, where that is neither OpenAI's nor vLLM's form.
        latency: seconds before each good answer, or a function that tells them of a request.
        faults: what goes wrong, and when.
        refuse: which requests fail for good, and how.
        outage: while it returns True, every connection is closed at once, old ones at their next request.
        capacity: requests served at one time; one more is answered 429.
        retry_after: seconds that answers of status 429 ask to wait, where they say so.
        trickle_interval: seconds between the bytes of a trickle.
        keep_bodies: keep the bodies of requests in the journal.
        root: where the listing says that the weights come from; None for nothing said.
        shutdown_date: when the listing says that the models end; None for nothing said.
        oddity: what becomes of every good answer before it is sent; see ``tests.servers.oddities``.

    Attributes:
        journal: what it saw.
    """

    def __init__(
        self,
        backend: Backend = digest_backend,
        *,
        port: int = 0,
        key: str | None = None,
        models: Sequence[str] | None = None,
        vllm: bool = False,
        chat: type[ChatRequest] | None = None,
        latency: float | Callable[[ServedRequest], float] = 0.0,
        faults: FaultPlan = lambda request: None,
        refuse: Callable[[ServedRequest], Refusal | None] = lambda request: None,
        outage: Callable[[], bool] = lambda: False,
        capacity: int | None = None,
        retry_after: float = 0.05,
        trickle_interval: float = 0.1,
        keep_bodies: bool = False,
        root: str | None = None,
        shutdown_date: str | None = None,
        oddity: Callable[[Reply], Reply] = lambda reply: reply,
    ) -> None:
        super().__init__()
        self.journal = Journal(keep_bodies)
        self._backend = backend
        self._port = port
        self._key = key
        self._models = models
        self._chat = chat or (VllmChatRequest if vllm else ChatRequest)
        self._latency = latency
        self._faults = faults
        self._refuse = refuse
        self._outage = outage
        self._capacity = capacity
        self._retry_after = retry_after
        self._trickle_interval = trickle_interval
        self._oddity = oddity
        self._root = root
        self._shutdown_date = shutdown_date
        self._answers = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens, once it runs."""
        return self._port

    @property
    def base_url(self) -> str:
        """What clients are given, once the server runs."""
        return f"http://127.0.0.1:{self._port}/v1"

    async def serve(self, started: Callable[[], None]) -> None:
        """Serve until cancelled; ``started`` is called once connections are accepted."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, backlog=1024, limit=1 << 20)
        self._port = server.sockets[0].getsockname()[1]
        started()
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.journal.connected()
        connection = Connection(reader, writer)
        try:
            await self._converse(connection)
        except ConnectionError:
            pass  # the client went away, which is its right
        except asyncio.CancelledError:
            connection.reset()  # the server stops; asyncio.streams would log a cancelled handler
        except Exception as error:  # a thread's error reaches nobody else: __exit__ raises it
            logging.getLogger(__name__).exception("the server itself failed")
            self._bugs.append(error)
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await connection.close()

    async def _converse(self, connection: Connection) -> None:
        """Answer the requests of one connection, one after another."""
        while True:
            if self._outage():
                self.journal.turn_away()
                return
            try:
                http = await connection.receive()
            except ViolationError as violation:
                self.journal.violate(violation)
                await connection.send(_error(violation))
                return
            if http is None:
                return
            if self._outage():
                self.journal.turn_away()
                return
            if not await self._answer(connection, http):
                return

    async def _answer(self, connection: Connection, http: HttpRequest) -> bool:
        """Answer a request, note it in the journal, and tell whether the connection is still good."""
        if (aside := self._aside(http)) is not None:
            await connection.send(aside)
            return True
        arrived = self.journal.arrive()
        content, outcome, reply, fault = http.path, "abandoned", None, None
        try:
            request = self._admit(http)
            content = request.content
            refusal = self._refuse(request)
            fault = None if refusal else self._faults(request)
            if fault is None:
                reply = await self._good_reply(request, refusal)
            outcome = str(refusal or fault or "answered")
        except ApiError as error:
            outcome, reply = error.outcome, _error(error)
            if isinstance(error, ViolationError):
                self.journal.violate(error)
        finally:
            # All is noted before the client can know, so that a test that has its answer finds it in the journal.
            self.journal.note(content, outcome, arrived, http.body)
            if fault not in LASTING:
                self.journal.depart()
        if reply is not None:
            await connection.send(reply)
            return True
        assert fault is not None
        try:
            return await misbehave(
                fault,
                request,
                connection,
                lambda: self._good_reply(request),
                retry_after=self._retry_after,
                trickle_interval=self._trickle_interval,
            )
        except ApiError as error:  # what was to be spoilt is none that is good
            await connection.send(_error(error))
            return True
        finally:
            if fault in LASTING:
                self.journal.depart()

    def _admit(self, http: HttpRequest) -> ServedRequest:
        """Check a request; raises an ``ApiError`` for one that gets no answer."""
        self._check_key(http)
        request = self._read(http)
        if self._models is not None and request.fields["model"] not in self._models:
            raise ApiError(404, f"The model '{request.fields['model']}' does not exist.", code="model_not_found")
        if self._capacity is not None and self.journal.in_flight > self._capacity:
            message = "Too many requests at one time."
            raise ApiError(429, message, kind="requests", code="rate_limit_exceeded", outcome="busy")
        return request

    async def _good_reply(self, request: ServedRequest, refusal: Refusal | None = None) -> Reply:
        """What is right to answer, after the time that it takes."""
        await asyncio.sleep(self._latency if isinstance(self._latency, float | int) else self._latency(request))
        if refusal is not None and (error := refusal.error(request)) is not None:
            raise error
        if refusal is not None:
            answer = REFUSING_ANSWERS[refusal]
        else:
            result = self._backend(request)
            answer = result if isinstance(result, Answer) else await result
        self._answers += 1
        return self._oddity(self._reply(request, answer, f"{self._answers:08x}"))

    def _read(self, http: HttpRequest) -> ServedRequest:
        """Check a request by the protocol; raises an ``ApiError`` for one that breaks it."""
        return read_request(http, self._chat)

    def _reply(self, request: ServedRequest, answer: Answer, identifier: str) -> Reply:
        """An answer in the words of the protocol."""
        if request.is_speech:
            return speech_reply(request, answer)
        return (chat_reply if request.is_chat else transcription_reply)(request, answer, identifier)

    def _check_key(self, http: HttpRequest) -> None:
        """Refuse a request without the key, if there is one; raises an ``ApiError``."""
        if self._key is not None:
            check_key(http.headers, self._key)

    def _aside(self, http: HttpRequest) -> Reply | None:
        """The answer to what is no question to a model, None where it is one: the models served, the counts so far."""
        if http.method != "GET" or http.path not in ("/v1/models", "/journal"):
            return None
        document: Mapping[str, object] = self.journal.summary()
        if http.path == "/v1/models":
            try:
                self._check_key(http)
            except ApiError as error:
                return _error(error)
            models = self._models or ("local-model",)
            entry = {"object": "model", "created": 1_700_000_000, "owned_by": "tests"}
            entry |= {} if self._root is None else {"root": self._root}
            entry |= {} if self._shutdown_date is None else {"shutdown_date": self._shutdown_date}
            served = [{"id": name, **entry} for name in models]
            document = {"object": "list", "data": served}
        return Reply(200, "application/json", (json.dumps(document).encode(),))


def _error(error: ApiError) -> Reply:
    return Reply(error.status, "application/json", (error.body,))


if __name__ == "__main__":
    from tests.servers.command import main

    main()
