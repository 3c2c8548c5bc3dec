"""Agents whose model is steered, and a page's end of the wire."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np

from step_audio_2.assistant import Assistant
from step_audio_2.chat import Message as ChatMessage
from step_audio_2.chat import TokenPart
from step_audio_2.live.conversation import Conversation
from step_audio_2.live.page.agent import Choice
from step_audio_2.live.page.messages import pcm
from step_audio_2.live.page.server import Limits, PageServer, listen, serving
from step_audio_2.live.page.voice_activity import Samples
from step_audio_2.live.saved import About
from step_audio_2.live.tools import Tool
from step_audio_2.special_tokens import AUDIO_CODE_PAD, FIRST_AUDIO_CODE
from step_audio_2.speech.token2wav import Token2Wav, VoiceOrPath
from tests.step_audio_2.live.steering import Script

Message = dict[str, Any]


class ScriptedAgent:
    """An agent whose conversations each follow a script of their own.

    Args:
        assistant: the model.
        script: makes the script of the next conversation.
        tools: that it may call.
        token2wav: makes speech; without it the model writes.
        voice: to speak in.

    Attributes:
        conversations: that were begun.
        choices: how.
    """

    title = "Scripted"
    system = "Be kind."

    def __init__(
        self,
        assistant: Assistant,
        script: Callable[[], Script],
        tools: Sequence[Tool] = (),
        *,
        token2wav: Token2Wav | None = None,
        voice: VoiceOrPath | None = None,
    ) -> None:
        self.tools = tools
        self.voices = ("default",) if token2wav is not None else ()
        self.conversations: list[Conversation] = []
        self.choices: list[Choice] = []
        self._assistant, self._script, self._token2wav, self._voice = assistant, script, token2wav, voice

    def begin(self, choice: Choice) -> Conversation:
        tools = [tool for tool in self.tools if tool.name in choice.tools]
        made = Conversation(
            self._assistant,
            choice.system,
            tools,
            token2wav=self._token2wav,
            voice=self._voice,
            settings=self._script().settings,
        )
        self.conversations.append(made)
        self.choices.append(choice)
        return made

    def about(self, choice: Choice) -> About:
        return About({"title": self.title}, system=choice.system)


class Client:
    """A page without a browser, which plays nothing but may say that it did.

    Args:
        socket: to the server.

    Attributes:
        sounds: seconds of sound that came.
        conversation: name of the one that was begun.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.sounds = 0.0
        self.conversation = ""

    async def send(self, **order: Any) -> None:
        await self.socket.send_json(order)

    async def hear(self, wave: Samples, kind: int = 0) -> None:
        """Send sound, of the microphone (0) or a recording (1)."""
        for start in range(0, len(wave), 512 if kind == 0 else len(wave)):
            piece = wave[start : start + 512] if kind == 0 else wave
            await self.socket.send_bytes(bytes([kind]) + pcm(piece.astype(np.float32)))

    async def until(self, kind: str) -> list[Message]:
        """What comes, up to and with the first message of a kind."""
        messages: list[Message] = []
        while not messages or messages[-1]["type"] != kind:
            if message := await self._next():
                messages.append(message)
        return messages

    async def until_played(self, seconds: float) -> None:
        """Wait for so much sound, whatever else comes."""
        while self.sounds < seconds:
            await self._next()

    async def _next(self) -> Message | None:
        message = await asyncio.wait_for(self.socket.receive(), 60)
        if message.type is aiohttp.WSMsgType.BINARY:
            self.sounds += len(message.data) / 2 / Token2Wav.sample_rate
            return None
        if message.type is aiohttp.WSMsgType.TEXT:
            told: Message = json.loads(message.data)
            return told
        raise ConnectionError(f"closed: {message}")

    async def begin(self, **chosen: Any) -> None:
        """Begin a conversation as it is offered."""
        (offered,) = await self.until("agents")
        agent = offered["agents"][0]
        voice = (agent["voices"] or [""])[0]
        tools = [tool["name"] for tool in agent["tools"]]
        order = {"agent": 0, "system": agent["system"], "voice": voice, "tools": tools, **chosen}
        await self.send(type="begin", **order)
        (begun,) = await self.until("begun")
        self.conversation = begun["conversation"]


@asynccontextmanager
async def served(agent: Any, limits: Limits | None = None) -> AsyncIterator[tuple[str, PageServer]]:
    """A server for an agent, and its address."""
    server = PageServer([agent], limits=limits)
    async with serving(server, listen("127.0.0.1", 0)) as address:
        yield address, server


@asynccontextmanager
async def connected(address: str, **headers: str) -> AsyncIterator[Client]:
    """A page's end of the wire."""
    origin = {"Origin": address.rstrip("/"), **headers}
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{address}talk", headers=origin) as socket:
        yield Client(socket)


def words(messages: Sequence[Message]) -> str:
    """What was said in answer."""
    return "".join(message["text"] for message in messages if message["type"] == "words")


def speech_codes(messages: Sequence[ChatMessage]) -> int:
    """How many codes of speech an assistant's messages hold, 25 a second."""
    parts = [part for message in messages for part in message.content or () if isinstance(part, TokenPart)]
    return sum(FIRST_AUDIO_CODE <= token < AUDIO_CODE_PAD for part in parts for token in part.ids)
