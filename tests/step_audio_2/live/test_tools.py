"""Tools are offered as published, and a function of one's own is one."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from step_audio_2.live.calculator import calculator
from step_audio_2.live.clock import BEIJING, clock
from step_audio_2.live.tools import Document, Tool, call_tool, tool_of
from step_audio_2.live.weather import WeatherTable, weather_tool
from step_audio_2.live.web_search import web_search
from step_audio_2.tool_calls import ToolCall
from tests.conftest import ROOT
from tests.step_audio_2.live.steering import never

PUBLISHED = yaml.safe_load((ROOT / "tasks/toolcall/schemas.yaml").read_text(encoding="utf-8"))


def text_of(tool: Tool, arguments: str = "{}") -> str:
    result = call_tool({tool.name: tool}, ToolCall(tool.name, arguments), never())
    assert result is not None
    return result.text


@pytest.mark.parametrize(
    ("tool", "name", "further"),
    [
        (clock(), "get_date_time", {}),
        (weather_tool(str), "get_weather", {}),
        # The published example has this beside what the data set's script has.
        (web_search(lambda query: []), "web_search", {"additionalProperties": False}),
    ],
)
def test_schemas_are_those_of_the_data_set(tool: Tool, name: str, further: dict[str, Any]) -> None:
    schema = PUBLISHED[name]["schema"]
    schema["function"]["parameters"] |= further
    assert tool.schema == schema


def test_the_time_is_told_with_its_date_and_weekday() -> None:
    tool = clock(lambda: datetime(2025, 8, 28, 9, 5, tzinfo=BEIJING))
    assert text_of(tool) == "现在是2025年8月28日，星期四，09:05。"
    assert str(datetime.now(BEIJING).year) in text_of(clock())


@pytest.mark.parametrize("arguments", ["", "rain", '{"query": ', "[" * 100_000], ids=["none", "words", "cut", "deep"])
def test_arguments_of_other_models_that_are_no_json_are_a_failure(arguments: str) -> None:
    assert text_of(weather_tool(str), arguments) == "工具get_weather没有成功：参数必须是JSON对象。"


def test_half_a_character_in_arguments_of_other_models_is_replaced() -> None:
    assert text_of(weather_tool(str), '{"location": "half \\ud83d"}') == "half \ufffd"


def test_documents_that_are_found_are_bounded_and_whole() -> None:
    long, half = Document("t", "x" * 10_000_000, "s"), Document("\udcff", "t", "s")
    tool = web_search(lambda query: [long, half])
    result = call_tool({tool.name: tool}, ToolCall(tool.name, '{"query": "q"}'), never())
    assert result is not None
    assert [len(document.text) for document in result.documents] == [4_002, 1]
    assert result.documents[1].title == "\ufffd"


def add(one: float, other: float) -> str:
    """Add two numbers.

    Details that no model needs.
    """
    return str(one + other)


def test_a_function_with_a_schema_is_a_tool() -> None:
    number = {"type": "number"}
    tool = tool_of(add, {"type": "object", "properties": {"one": number, "other": number}, "required": ["one"]})
    assert tool.schema["function"]["name"] == "add"
    assert tool.schema["function"]["description"] == "Add two numbers."
    assert text_of(tool, '{"one": 1, "other": 2.5}') == "3.5"
    assert text_of(tool, '{"one": 1}') == "工具add没有成功：TypeError。"
    assert text_of(tool, '{"one": true, "other": 2}') == "工具add没有成功：参数one的类型必须是number。"


def test_a_function_without_a_description_is_refused() -> None:
    def silent() -> str:
        return ""

    with pytest.raises(ValueError, match="silent: say in a docstring"):
        tool_of(silent, {})


def test_all_tools_have_names_of_their_own(tmp_path: Path) -> None:
    tools = [clock(), calculator(), weather_tool(str), web_search(lambda query: [])]
    assert len({tool.name for tool in tools}) == len(tools)


def test_a_table_tells_the_weather(tmp_path: Path) -> None:
    table = tmp_path / "weather.json"
    table.write_text('{"New York": "晴，28度"}', encoding="utf-8")
    tool = weather_tool(WeatherTable(table))
    assert text_of(tool, '{"location": "new york"}') == "new york：晴，28度"
    assert text_of(tool, '{"location": "paris"}') == "工具get_weather没有成功：没有找到地点paris。"


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', "[" * 100_000], ids=["cut", "list", "number", "deep"])
def test_a_table_that_is_none_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "weather.json").write_text(content)
    with pytest.raises(ValueError, match=r"weather\.json: "):
        WeatherTable(tmp_path / "weather.json")
