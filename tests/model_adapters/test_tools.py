"""The tools that need no network, as a model of the role ``tools``."""

from pathlib import Path

import pytest

from evalkit.errors import ConfigurationError
from evalkit.testing import check_adapter
from evalkit.types import Message, Request, Response, ToolCall
from model_adapters.tools import OfflineTools
from tasks.tool_loop.loop import schemas
from tests.tasks.tool_loop.talker import FOLDER, offline_tools


def asking(name: str, arguments: str = "{}", now: str = "2025-08-28T14:35") -> Request:
    return Request((Message("system", (now,)), Message("assistant", ("",), (ToolCall(name, arguments),))))


def answer(request: Request, tools: OfflineTools | None = None) -> Response:
    [response] = (tools or OfflineTools()).generate([request])
    return response


def test_the_adapter_is_as_all_are() -> None:
    check_adapter(OfflineTools(), [asking("get_date_time"), asking("calculate", '{"expression": "6*7"}')])


def test_every_tool_that_a_model_is_offered_is_there_and_takes_the_arguments_of_its_schema() -> None:
    tools = offline_tools()
    for schema in schemas():
        function = schema["function"]
        arguments = ", ".join(f'"{name}": "x"' for name in function["parameters"]["properties"])
        said = answer(asking(function["name"], f"{{{arguments}}}"), tools).text
        assert "没有工具" not in said
        assert "参数" not in said


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("get_date_time", "{}", "现在是2025年8月28日，星期四，14:35。"),
        ("get_date_time", "", "现在是2025年8月28日，星期四，14:35。"),
        ("calculate", '{"expression": "487*36"}', "487*36 = 17532"),
        ("calculate", '{"expression": "__import__(\'os\')"}', "工具calculate没有成功"),
        ("calculate", "{expression", "工具calculate没有成功：参数必须是JSON对象。"),
        ("calculate", "[1]", "工具calculate没有成功：参数必须是JSON对象。"),
        ("calculate", "{}", "缺少参数expression"),
        ("get_weather", '{"location": "oslo"}', "没有工具get_weather"),
        ("shell", '{"command": "ls"}', "没有工具shell"),
    ],
)
def test_what_a_call_gives_is_words_for_the_model_whatever_goes_wrong(name: str, arguments: str, said: str) -> None:
    response = answer(asking(name, arguments))
    assert not response.failed
    assert said in response.text
    assert response.speech is None


def test_a_search_and_a_voice_are_found_where_there_is_data() -> None:
    tools = offline_tools()
    assert "43 metres" in answer(asking("search", '{"query": "Green Heron lighthouse"}'), tools).text
    found = answer(asking("timbre_rag", '{"query": "机器人的声音"}'), tools)
    assert found.text == "你的音色已经更新完成，请继续对话。"
    assert found.speech is not None
    assert found.speech.encoded() == (FOLDER / "voices" / "robot.flac").read_bytes()
    unknown = answer(asking("timbre_rag", '{"query": "xyz"}'), tools)
    assert (unknown.speech, "没有找到" in unknown.text) == (None, True)


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (Message("system", ("today",)), Message("assistant", ("",), (ToolCall("calculate"),))),
        (Message("system", ()), Message("assistant", ("",), (ToolCall("calculate"),))),
        (Message("system", ("2025-08-28T10:00",)), Message("assistant", ("",))),
        (Message("system", ("2025-08-28T10:00",)), Message("assistant", ("",), (ToolCall("a"), ToolCall("b")))),
    ],
)
def test_what_is_no_call_is_refused(messages: tuple[Message, ...]) -> None:
    response = answer(Request(messages))
    assert response.failure is not None
    assert response.failure.kind == "refused"


def test_data_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="none.json: cannot be read as JSON"):
        OfflineTools(weather=str(tmp_path / "none.json"))
    pytest.importorskip("bm25s", reason="bm25s is not installed")
    with pytest.raises(ConfigurationError, match="holds no text in files"):
        OfflineTools(documents=str(tmp_path))
    pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(ConfigurationError, match=r"manifest.jsonl: cannot be read"):
        OfflineTools(voices=str(tmp_path))


def test_other_data_are_other_tools(tmp_path: Path) -> None:
    table = tmp_path / "weather.json"
    table.write_text('{"oslo": "snow"}', encoding="utf-8")
    before = OfflineTools(weather=str(table)).fingerprint()
    table.write_text('{"oslo": "rain"}', encoding="utf-8")
    assert OfflineTools(weather=str(table)).fingerprint() != before
