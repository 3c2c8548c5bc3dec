"""JSON documents to and from a server over a WebSocket, within bounds."""

from typing import TYPE_CHECKING, Any

from evalkit.errors import PermanentError, TransientError
from model_adapters.shared.values import parsed

if TYPE_CHECKING:
    import aiohttp


class JsonSocket:
    """One conversation with a server; see ``Server.websocket``.

    Args:
        socket: that is open.
        most: bytes that the server may send in all.
    """

    def __init__(self, socket: "aiohttp.ClientWebSocketResponse", most: int) -> None:
        self._socket = socket
        self._most = most
        self._size = 0  # of what has come

    async def send(self, document: bytes) -> None:
        """Send a JSON document."""
        await self._socket.send_str(document.decode())

    async def receive(self) -> Any:
        """Return the next that the server sends, as JSON values.

        Raises:
            TransientError: the conversation ended.
            PermanentError: the server sent more than it may.
            ValueError: it sent what is no JSON.
        """
        import aiohttp

        message = await self._socket.receive()
        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            reason = message.extra if message.type is aiohttp.WSMsgType.CLOSE else message.data
            raise TransientError(f"the conversation broke off ({self._socket.close_code}: {reason or 'no reason'})")
        self._size += len(message.data)
        if self._size > self._most:
            raise PermanentError(
                f"the answer holds more than limits.answer_bytes={self._most}; raise it if that is right"
            )
        return parsed(message.data)
