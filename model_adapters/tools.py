"""The tools of ``step_audio_2.live`` that need no network, in the role ``tools`` of a conversation with tools."""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.hints import install_command
from evalkit.tool_syntax import well_formed
from evalkit.types import Failure, Request, Response
from model_adapters.shared.weights import file_digest

if TYPE_CHECKING:
    from step_audio_2.live.audio_library import AudioLibrary
    from step_audio_2.live.tools import Tool, ToolResult

_VERSION = 1  # of what the tools answer
_FORM = "a system message with the time by ISO 8601, and then a message of the assistant with one call"


class OfflineTools(ModelAdapter):
    """Carries out calls: a clock, a calculator, and where there is data for them weather, search and change of voice.

    A request holds a system message that says what time it is, and a message of the assistant with one call. The
    response is what a tool gives back, or why it cannot, in words for the model; of a voice that was found, its
    recording too.

    Args:
        documents: a folder of texts to search; needs bm25s.
        weather: a JSON object from places to what the weather is like there.
        voices: a folder of recordings with descriptions, as ``step_audio_2.live.audio_library`` has it; needs bm25s and
            torch.

    Raises:
        ConfigurationError: data cannot be used, or a library is not installed.
    """

    capabilities = Capabilities(sample_rate=None, batch_size=64, audio_input=False)

    def __init__(self, *, documents: str | None = None, weather: str | None = None, voices: str | None = None) -> None:
        from step_audio_2.live.calculator import calculator

        self._tools = {"calculate": calculator()}
        self._library: AudioLibrary | None = None
        self._data: dict[str, Any] = {}
        try:
            if weather is not None:
                self._add_weather(Path(weather).expanduser())
            if documents is not None:
                self._add_search(Path(documents).expanduser())
            if voices is not None:
                self._add_voices(Path(voices).expanduser())
        except ImportError as error:
            raise ConfigurationError(f"the tools need more: {install_command('live')} ({error})") from error
        except ValueError as error:  # says by itself what is wrong where
            raise ConfigurationError(str(error)) from error

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Carry out the call of each request."""
        return [self._carried_out(request) for request in requests]

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the version of the tools, and the digests of their data."""
        return {"adapter": "offline_tools", "version": _VERSION, **self._data}

    def _carried_out(self, request: Request) -> Response:
        from step_audio_2.live.clock import clock
        from step_audio_2.live.tools import call_tool
        from step_audio_2.tool_calls import ToolCall

        try:
            system, assistant = request.messages
            (asked,) = assistant.tool_calls
            now = datetime.fromisoformat(str(system.content[0]))
        except (ValueError, IndexError):
            return Response(failure=Failure("refused", f"the tools take {_FORM}"))
        if (call := well_formed(asked)) is None:
            return Response(f"工具{asked.name}没有成功：参数必须是JSON对象。")
        tools = {**self._tools, "get_date_time": clock(lambda: now)}
        result = call_tool(tools, ToolCall(call.name, call.arguments), threading.Event())
        if result is None:  # which only a call that is cancelled gives
            return Response(failure=Failure("error", f"the tool {call.name} gave nothing"))
        return Response(result.text, speech=self._found_voice(call.name, result))

    def _found_voice(self, tool: str, result: "ToolResult") -> Audio | None:
        if tool != "timbre_rag" or not result.documents or self._library is None:
            return None
        found = result.documents[0].source
        return next(Audio(found, entry.recording) for entry in self._library.entries if entry.recording.name == found)

    def _add_weather(self, table: Path) -> None:
        from step_audio_2.live.weather import WeatherTable, weather_tool

        self._tools["get_weather"] = weather_tool(WeatherTable(table))
        self._data["weather"] = file_digest(table)

    def _add_search(self, folder: Path) -> None:
        from step_audio_2.live.web_search import DocumentFolder, web_search

        search = DocumentFolder(folder)
        # Data sets and examples call it by one name or the other.
        self._tools |= {name: web_search(search, name=name) for name in ("search", "web_search")}
        self._data["documents"] = _digests(folder)

    def _add_voices(self, folder: Path) -> None:
        from step_audio_2.live.audio_library import AudioLibrary

        self._library = AudioLibrary.from_folder(folder)
        self._tools["timbre_rag"] = _voice_finder(self._library)
        self._data["voices"] = _digests(folder)


def _voice_finder(library: "AudioLibrary") -> "Tool":
    """Make the tool that changes the voice; it finds a recording and leaves it to the model to speak like it."""
    from step_audio_2.live.tools import Document, Tool, ToolError, ToolResult
    from step_audio_2.live.voice_search import VOICE_CHANGED

    def find(query: str) -> ToolResult:
        found = library.by_description(query)
        if not found:
            raise ToolError(f"没有找到符合{query}的声音")
        return ToolResult(VOICE_CHANGED, (Document(found[0].speaker, found[0].description, found[0].recording.name),))

    parameters = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
    return Tool("timbre_rag", "Find a voice by what it is like", find, parameters)


def _digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file of a folder, by its path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}
