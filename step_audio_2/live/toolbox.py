"""The tools that a talk offers: those that always are there, and those that a folder, a service or a server brings."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from step_audio_2.live.calculator import calculator
from step_audio_2.live.clock import clock
from step_audio_2.live.tools import Tool
from step_audio_2.live.weather import OpenMeteo, WeatherTable, weather_tool
from step_audio_2.live.web_search import DocumentFolder, SearXNG, web_search


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What tools there are beside the clock and the calculator.

    Attributes:
        documents: a folder of texts to search.
        searxng: address of an instance of SearXNG, to search the web by instead.
        weather: a JSON table of the weather; None to ask Open-Meteo.
        mcp: commands that start servers of tools.
    """

    documents: Path | None = None
    searxng: str | None = None
    weather: Path | None = None
    mcp: Sequence[str] = ()

    def tools(self, resources: ExitStack) -> Iterator[Tool]:
        """Make the tools.

        Args:
            resources: closed when they are no longer called.

        Raises:
            ValueError: a folder, a table, an address or a command cannot be used.
            McpError: a server of tools cannot be reached.
            ImportError: what searches folders, or talks to servers of tools, is not installed.
        """
        yield from (clock(), calculator())
        yield weather_tool(WeatherTable(self.weather) if self.weather else OpenMeteo())
        if self.searxng:
            yield web_search(SearXNG(self.searxng))
        elif self.documents:
            yield web_search(DocumentFolder(self.documents))
        for command in self.mcp:
            from step_audio_2.live.mcp_tools import McpTools

            yield from resources.enter_context(McpTools(_words(command)))


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"{command}: is no command line ({error})") from error
    if not words:
        raise ValueError("the command that starts a server of tools is empty")
    return words
