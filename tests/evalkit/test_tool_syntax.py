"""Reading function calls in replies, well-formed and otherwise."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.tool_syntax import calls_in_text, well_formed, with_tool_calls
from evalkit.types import Response, ToolCall

SEARCH = ToolCall("search", '{"query": "上证指数"}')
WEATHER = ToolCall("get_weather", '{"location": "chengdu"}')
NOW = ToolCall("get_date_time", "{}")


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ('<tool_call>function\nsearch\n{"query": "上证指数"}</tool_call>', [SEARCH]),
        ('<tool_call>function search {"query": "上证指数"}</tool_call>', [SEARCH]),
        ('<tool_call>\nfunction\n  search\n{"query": "上证指数"}\n</tool_call>\n', [SEARCH]),
        ('<tts_start>好的。<tts_end><tool_call>function\nsearch\n{"query": "上证指数"}</tool_call>', [SEARCH]),
        ("<tool_call>function\nget_date_time\n{}</tool_call>", [NOW]),
        ("<tool_call>function\nget_date_time\n</tool_call>", [NOW]),
        (
            '<tool_call>function\nsearch\n{"query": "上证指数"}</tool_call>\n'
            '<tool_call>function\nget_weather\n{"location": "chengdu"}</tool_call>好的',
            [SEARCH, WEATHER],
        ),
        ('<tool_call>\n{"name": "search", "arguments": {"query": "上证指数"}}\n</tool_call>', [SEARCH]),
        ('{"name": "search", "arguments": {"query": "上证指数"}}', [SEARCH]),
        ('{"tool": "search", "args": {"query": "上证指数"}}', [SEARCH]),
        ('{"name": "search", "parameters": "{\\"query\\": \\"上证指数\\"}"}', [SEARCH]),
        ('```json\n{"name": "search", "arguments": {"query": "上证指数"}}\n```', [SEARCH]),
        ('[{"name": "get_date_time", "arguments": {}}, {"tool": "get_date_time", "args": {}}]', [NOW, NOW]),
        ('<think>也许 <tool_call>function\nget_date_time\n{}</tool_call></think>\n今天星期四。', []),
        ('<think>几点</think><tool_call>function\nget_date_time\n{}</tool_call>', [NOW]),
        ('I consider <tool_call>{"name":"search","arguments":{}}</tool_call></think>no tool needed', []),
        ('<think>One</think>So <think>two <tool_call>function\nget_date_time\n{}</tool_call>', []),
        ('<tool_call>\n{"name": "get_date_time", "arguments": null}\n</tool_call>', [NOW]),
        ('<tool_call>\n{"name": "get_date_time"}\n</tool_call>', [NOW]),
        ('{"name": "get_date_time", "arguments": null}', [NOW]),
        ("今天星期四。", []),
        ("", []),
        ("function\nsearch\n{}", []),
        ('{"name": "小跃", "age": 3}', []),
        ('{"tool": null, "arguments": {}}', []),
        ("[1, 2]", []),
    ],
)  # fmt: skip
def test_every_known_syntax_is_read(text: str, calls: list[ToolCall]) -> None:
    assert list(calls_in_text(text)) == calls


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>function\nsearch\n{"query": "上证指数"',  # cut short
        '<tool_call>function\nsearch\n{"query": "上证指数"}',  # no closing tag
        "<tool_call>function\nsearch\n{'query': '上证指数'}</tool_call>",  # Python, not JSON
        "<tool_call>function\nsearch\n__import__('os').abort()</tool_call>",
        '<tool_call>function\nsearch\n["上证指数"]</tool_call>',  # not an object
        "<tool_call>function\nsearch\n3</tool_call>",
        '<tool_call>search\n{"query": "上证指数"}</tool_call>',  # not said to be a function
        '<tool_call>function\nsearch("x")\n{}</tool_call>',
        "<tool_call></tool_call>",
        "<tool_call>function\n</tool_call>",
        '<tool_call>{"name": 3, "arguments": {}}</tool_call>',
        '<tool_call>{"arguments": {}}</tool_call>',
        '{"name": "search", "arguments": {"query": "上证指数"}',
        '{"name": "search", "arguments": "query"}',
        '{"name": "search", "arguments": [1]}',
    ],
)
def test_a_call_that_cannot_be_read_is_kept_aside_and_is_no_call(text: str) -> None:
    [call] = calls_in_text(text)
    assert well_formed(call) is None
    assert (call.name, call.arguments in text) == ("", True)


def test_good_calls_survive_bad_neighbours() -> None:
    text = (
        "<tool_call>function\nget_weather\n{</tool_call><tool_call>function\nget_date_time\n{}</tool_call><tool_call>"
    )
    assert calls_in_text(text) == (ToolCall("", "function\nget_weather\n{"), NOW, ToolCall("", ""))


def test_calls_that_a_server_has_read_go_before_the_text() -> None:
    lookup = ToolCall("lookup", '{"x": 1}')
    called = (ToolCall("get_date_time", "", "a"), ToolCall("search", "{query", "b"), lookup)
    response = Response('{"name": "search", "arguments": {}}', tool_calls=called)
    assert with_tool_calls(response) is response
    assert [well_formed(call) for call in called] == [replace(NOW, id="a"), None, lookup]


@pytest.mark.parametrize("depth", [*range(900, 1010, 3), 100_000])
def test_deep_nesting_is_survived(depth: int) -> None:
    arguments = '{"a":' * depth + "1" + "}" * depth
    for text in (
        f"<tool_call>function\nsearch\n{arguments}</tool_call>",
        f'<tool_call>{{"name": "search", "arguments": {arguments}}}</tool_call>',
        f'[{{"name": "search", "arguments": {arguments}}}]',
    ):
        assert len(calls_in_text(text)) == 1


@pytest.mark.parametrize("piece", ["<tool_call>", "<tool_call>function\n", "</tool_call>", "function ", " ", "{", "`"])
def test_long_nonsense_takes_no_long_time(piece: str) -> None:
    # At a million characters anything worse than linear would not come back while the test is watched.
    for text in (piece * (1_000_000 // len(piece)), "<tool_call>" + piece * (1_000_000 // len(piece)) + "</tool_call>"):
        assert not any(well_formed(call) for call in calls_in_text(text))


@given(
    st.text() | st.lists(st.sampled_from(["<tool_call>", "</tool_call>", "function", "\n", "search", "{}", '"', "a"]))
)
def test_no_text_makes_the_reader_fail(text: str | list[str]) -> None:
    for call in calls_in_text("".join(text)):
        assert (well_formed(call) is not None) == bool(call.name)
        assert not call.name or isinstance(json.loads(call.arguments), dict)


@given(st.dictionaries(st.text(), st.text() | st.integers()), st.sampled_from(["\n", " ", "\n\n"]))
def test_arguments_come_through_whatever_they_say(arguments: dict[str, str | int], space: str) -> None:
    written = json.dumps(arguments, ensure_ascii=False)
    if "tool_call>" in written:
        return
    if "</think>" in written or "<think>" in written:
        return
    calls = calls_in_text(f"<tool_call>function{space}search{space}{written}</tool_call>")
    assert [json.loads(call.arguments) for call in calls] == [arguments]
