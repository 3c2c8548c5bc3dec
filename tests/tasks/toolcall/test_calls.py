"""Reading function calls in replies, well-formed and otherwise."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tasks.toolcall.calls import Calls, parse_calls

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
        ("今天星期四。", []),
        ("", []),
        ("function\nsearch\n{}", []),
        ('{"name": "小跃", "age": 3}', []),
        ('{"tool": null, "arguments": {}}', []),
        ("[1, 2]", []),
    ],
)  # fmt: skip
def test_every_known_syntax_is_read(text: str, calls: list[ToolCall]) -> None:
    assert parse_calls(Response(text)) == Calls(tuple(calls))


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
    calls = parse_calls(Response(text))
    assert calls.valid == ()
    assert len(calls.malformed) == 1
    assert calls.malformed[0] in text


def test_good_calls_survive_bad_neighbours() -> None:
    text = (
        "<tool_call>function\nget_weather\n{</tool_call><tool_call>function\nget_date_time\n{}</tool_call><tool_call>"
    )
    assert parse_calls(Response(text)) == Calls((NOW,), ("function\nget_weather\n{", ""))


def test_calls_that_a_server_has_read_go_before_the_text() -> None:
    lookup = ToolCall("lookup", '{"x": 1}')
    called = (ToolCall("get_date_time", "", "a"), ToolCall("search", "{query", "b"), lookup)
    response = Response('{"name": "search", "arguments": {}}', tool_calls=called)
    assert parse_calls(response) == Calls((NOW, lookup), ("search {query",))


@pytest.mark.parametrize("depth", [*range(900, 1010, 3), 100_000])
def test_deep_nesting_is_survived(depth: int) -> None:
    arguments = '{"a":' * depth + "1" + "}" * depth
    for text in (
        f"<tool_call>function\nsearch\n{arguments}</tool_call>",
        f'<tool_call>{{"name": "search", "arguments": {arguments}}}</tool_call>',
        f'[{{"name": "search", "arguments": {arguments}}}]',
    ):
        calls = parse_calls(Response(text))
        assert len(calls.valid) + len(calls.malformed) == 1


@pytest.mark.parametrize("piece", ["<tool_call>", "<tool_call>function\n", "</tool_call>", "function ", " ", "{", "`"])
def test_long_nonsense_takes_no_long_time(piece: str) -> None:
    # At a million characters anything worse than linear would not come back while the test is watched.
    for text in (piece * (1_000_000 // len(piece)), "<tool_call>" + piece * (1_000_000 // len(piece)) + "</tool_call>"):
        assert parse_calls(Response(text)).valid == ()


@given(
    st.text() | st.lists(st.sampled_from(["<tool_call>", "</tool_call>", "function", "\n", "search", "{}", '"', "a"]))
)
def test_no_text_makes_the_reader_fail(text: str | list[str]) -> None:
    for call in parse_calls(Response("".join(text))).valid:
        assert call.name
        assert isinstance(json.loads(call.arguments), dict)


@given(st.dictionaries(st.text(), st.text() | st.integers()), st.sampled_from(["\n", " ", "\n\n"]))
def test_arguments_come_through_whatever_they_say(arguments: dict[str, str | int], space: str) -> None:
    written = json.dumps(arguments, ensure_ascii=False)
    if "tool_call>" in written:
        return
    calls = parse_calls(Response(f"<tool_call>function{space}search{space}{written}</tool_call>"))
    assert [json.loads(call.arguments) for call in calls.valid] == [arguments]
