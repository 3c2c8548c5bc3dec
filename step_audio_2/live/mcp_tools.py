"""Tools of servers that speak the Model Context Protocol, through its official client (the extra ``mcp``).

with McpTools(["python", "my_server.py"]) as tools:
    conversation = Conversation(assistant, system, [clock(), *tools])
"""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Self

from step_audio_2.live.tools import Tool, ToolError, ToolResult


class McpError(RuntimeError):
    """A server of tools that cannot be reached; the message names it."""


class McpTools:
    """The tools of one server, as long as the connection is open, which is within the context.

    Args:
        server: the address of a server of streamable HTTP, or the command line that starts one of standard input and
            output. Its tools do what the model asks of them: name none that you do not trust.
        request: what the model is asked to do with each result; empty for nothing.
        timeout: seconds after which the connection, or a call, has failed.

    Raises:
        McpError: on entering the context, if the server cannot be reached.
        ImportError: likewise, if the package mcp is not installed.
    """

    def __init__(self, server: str | Sequence[str], *, request: str = "", timeout: float = 20.0) -> None:
        self._server = server
        self._request = request
        self._timeout = timeout
        self._loop = asyncio.new_event_loop()
        self._ready: Future[list[Any]] = Future()
        self._thread = threading.Thread(target=self._work, name="mcp", daemon=True)
        self._tools: list[Tool] = []
        self._client: Any = None

    def __enter__(self) -> Self:
        import mcp  # noqa: F401 - to fail here, in the caller's thread

        self._task = self._loop.create_task(self._serve())
        self._thread.start()
        try:
            listed = self._ready.result(self._timeout)
        except Exception as error:  # whatever the client raises, in groups and alone
            self.__exit__()
            raise McpError(f"{self._name}: no server of tools answers ({type(error).__name__})") from error
        self._tools = [self._tool(tool) for tool in listed]
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(self._timeout)
        if not self._thread.is_alive():
            self._loop.close()

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools)

    @property
    def _name(self) -> str:
        return self._server if isinstance(self._server, str) else self._server[0]

    def _work(self) -> None:
        try:
            self._loop.run_until_complete(self._task)
        except BaseException as error:  # cancelled, if nothing worse
            if not self._ready.done():
                self._ready.set_exception(error)

    async def _serve(self) -> None:
        """Hold the connection: the client is to be opened and closed in one task."""
        from mcp import Client, StdioServerParameters

        server: Any = self._server
        if not isinstance(server, str):
            server = StdioServerParameters(command=server[0], args=[*server[1:]])
        async with Client(server, read_timeout_seconds=self._timeout) as client:
            self._client = client
            listed, cursor = [], None
            while True:
                page = await client.list_tools(cursor=cursor)
                listed += page.tools
                cursor = page.next_cursor
                if cursor is None:
                    break
            self._ready.set_result(listed)
            await asyncio.Event().wait()  # until the task is cancelled

    def _tool(self, listed: Any) -> Tool:
        def run(**arguments: Any) -> ToolResult:
            called = asyncio.run_coroutine_threadsafe(self._call(listed.name, arguments), self._loop)
            return called.result(self._timeout)

        return Tool(
            listed.name,
            listed.description or listed.name,
            run,
            listed.input_schema,
            request=self._request,
            timeout=self._timeout,
        )

    async def _call(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        result = await self._client.call_tool(name, arguments)
        text = "\n".join(part.text for part in result.content if part.type == "text")
        if result.is_error:
            raise ToolError(text or "没有说明原因")
        return ToolResult(text)
