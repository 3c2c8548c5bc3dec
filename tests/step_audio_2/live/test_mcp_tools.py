"""Tools of a real server of the Model Context Protocol, started as a process and asked through the official client."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from step_audio_2.assistant import Assistant
from step_audio_2.live.conversation import Conversation
from step_audio_2.live.dialogue import ToolFinished
from step_audio_2.live.mcp_tools import McpError, McpTools
from step_audio_2.live.tools import ToolError, call_tool
from step_audio_2.tool_calls import ToolCall
from tests.step_audio_2.live.steering import Script, called, ended, never

pytest.importorskip("mcp", reason="the mcp extra is not installed")

pytestmark = pytest.mark.slow  # a server is a process that imports for seconds

SERVER = """
import asyncio
from mcp.server.mcpserver import MCPServer

server = MCPServer("test")

@server.tool()
def add(one: int, other: int) -> str:
    "Add two numbers."
    return f"{one} + {other} = {one + other}"

@server.tool()
def fail(reason: str) -> str:
    "Fail."
    raise ValueError(reason)

@server.tool()
async def hang() -> str:
    "Never answer."
    await asyncio.sleep(3600)
    return ""

server.run("stdio")
"""


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    path = tmp_path_factory.mktemp("mcp") / "server.py"
    path.write_text(SERVER)
    return [sys.executable, str(path)]


def test_its_tools_are_offered_called_and_fail_as_others_do(
    command: list[str], assistant: Assistant, tokenizer: object
) -> None:
    with McpTools(command, timeout=120) as server:
        tools = {tool.name: tool for tool in server}
        assert list(tools) == ["add", "fail", "hang"]
        assert tools["add"].description == "Add two numbers."
        assert tools["add"].parameters["required"] == ["one", "other"]
        script = Script(
            ended(called(tokenizer, "add", '{"one": 1, "other": 2}')),
            ended(assistant.tokenizer.encode("three")),
        )
        conversation = Conversation(assistant, tools=[*tools.values()], settings=script.settings)
        (result,) = [event.result for event in conversation.answer("go") if isinstance(event, ToolFinished)]
        assert (result.text, result.failed) == ("1 + 2 = 3", False)
        failure = call_tool(tools, ToolCall("fail", '{"reason": "no luck"}'), never())
        assert failure is not None
        assert failure.failed
        with pytest.raises(ToolError):
            tools["fail"].run(reason="no luck")


def test_a_call_that_hangs_is_given_up(command: list[str]) -> None:
    with McpTools(command, timeout=120) as server:
        hang = next(tool for tool in server if tool.name == "hang")
        result = call_tool({"hang": replace(hang, timeout=0.5)}, ToolCall("hang", "{}"), never())
        assert result is not None
        assert result.text == "工具hang没有成功：0.5秒内没有结果。"


@pytest.mark.parametrize("program", ["raise SystemExit(3)", "print('no protocol')"])
def test_a_server_that_does_not_answer_is_named(program: str, tmp_path: Path) -> None:
    with (
        pytest.raises(McpError, match="no server of tools answers"),
        McpTools([sys.executable, "-c", program], timeout=15),
    ):
        pass


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(McpError, match="absent-command: no server of tools answers"), McpTools(["absent-command"]):
        pass
