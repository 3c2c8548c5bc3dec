"""Calls are found whole and as they come, and what is not one is not made one."""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from step_audio_2.tool_calls import (
    ContentDelta,
    ParsedText,
    ToolCall,
    ToolCallArguments,
    ToolCallEvent,
    ToolCallName,
    ToolCallStream,
    parse_tool_calls,
)

WEATHER = ToolCall("get_weather", '{"location": "chengdu"}')
SEARCH = ToolCall("search", '{"query": "明天的天气"}')


def streamed(pieces: Iterable[str], tool_names: Sequence[str] = ()) -> list[ToolCallEvent]:
    stream = ToolCallStream(tool_names)
    return [*(event for piece in pieces for event in stream.push(piece)), *stream.finish()]


def put_together(events: Iterable[ToolCallEvent]) -> ParsedText:
    """What a client makes of the events: a call is made once its arguments are there."""
    names: dict[int, str] = {}
    parsed = ParsedText("")
    for event in events:
        if isinstance(event, ContentDelta):
            assert event.text
            parsed = ParsedText(parsed.content + event.text, parsed.tool_calls)
        elif isinstance(event, ToolCallName):
            assert event.index == len(names)
            names[event.index] = event.name
        else:
            call = ToolCall(names[event.index], event.arguments)
            parsed = ParsedText(parsed.content, (*parsed.tool_calls, call))
    return parsed


def test_a_call_as_the_model_writes_it() -> None:
    text = '<tool_call>function\nget_weather\n{"location": "chengdu"}</tool_call>'
    assert WEATHER.text == text
    assert parse_tool_calls(text) == ParsedText("", (WEATHER,))


@pytest.mark.parametrize(
    ("text", "content", "calls"),
    [
        ("It rains.", "It rains.", []),
        ("", "", []),
        (f"One moment.{WEATHER.text}", "One moment.", [WEATHER]),
        (f"A{WEATHER.text}B{SEARCH.text}C", "AC", [WEATHER, SEARCH]),
        (f"{WEATHER.text}{WEATHER.text}", "", [WEATHER, WEATHER]),
        # without an end
        (f"A{WEATHER.text}B<tool_call>function\nsearch\n{{}}", "AB", [WEATHER]),
        (f"A{WEATHER.text}B</tool_call>C", "AB</tool_call>C", [WEATHER]),
        # a mark inside the arguments
        ('<tool_call>function\nf\n{"a": "<tool_call>"}</tool_call>', "", [ToolCall("f", '{"a": "<tool_call>"}')]),
        # JSON over several lines, in other characters, and with spaces around
        ('<tool_call>function\nf\n\n{\n"a":\t"\\u660e"\n}\n</tool_call>', "", [ToolCall("f", '{"a": "明"}')]),
        # as the published data have it
        (
            '<tool_call>function  \ntimbre_rag  \n{"query": "海绵宝宝的声音"}</tool_call>',
            "",
            [ToolCall("timbre_rag", '{"query": "海绵宝宝的声音"}')],
        ),
        (
            '<tool_call>function\n search\t\n{"query": "a\nb"}</tool_call>',
            "",
            [ToolCall("search", '{"query": "a\\nb"}')],
        ),
        # a valid call beside one that is not
        (f"A<tool_call>nonsense</tool_call>B{SEARCH.text}", "A", [SEARCH]),
        (f"A{SEARCH.text}B<tool_call>nonsense</tool_call>C", "AC", [SEARCH]),
    ],
)
def test_content_and_calls(text: str, content: str, calls: list[ToolCall]) -> None:
    assert parse_tool_calls(text) == ParsedText(content, tuple(calls))
    assert put_together(streamed(text)) == ParsedText(content, tuple(calls))


@pytest.mark.parametrize(
    "block",
    [
        "<tool_call></tool_call>",
        "<tool_call>function</tool_call>",
        "<tool_call>function\nsearch</tool_call>",
        "<tool_call>function\nsearch\n</tool_call>",
        '<tool_call>function search {"query": "a"}</tool_call>',
        '<tool_call>{"name": "search", "arguments": {}}</tool_call>',
        '<tool_call>function\nsearch\n{"query": "a"</tool_call>',
        "<tool_call>function\nsearch\n{'query': 'a'}</tool_call>",
        '<tool_call>function\nsearch\n{"query": "a"} please</tool_call>',
        '<tool_call>function\nsearch\n__import__("os").system("ls")</tool_call>',
        '<tool_call>function\nsearch\n{"query": NaN}</tool_call>',
        '<tool_call>function\nsearch\n{"query": 1e999}</tool_call>',
        '<tool_call>function\nsearch\n{"query": "\\ud800"}</tool_call>',
        f'<tool_call>function\nsearch\n{{"query": {"9" * 5000}}}</tool_call>',
        f"<tool_call>function\nsearch\n{'[' * 100_000}</tool_call>",
        f"<tool_call>function\nsearch\n{'[' * 100_000}{']' * 100_000}</tool_call>",
        '<tool_call>function\nsearch\n{"query": "a"}',
        '<tool_call>function\nsearch\n{"query": "a"}</tool_call',
        "<tool_call>",
        "<tool_cal",
        "</tool_call>",
    ],
)
def test_what_is_no_call_is_content(block: str) -> None:
    text = f"A{block}B"
    assert parse_tool_calls(text) == ParsedText(text)
    assert put_together(streamed([text])) == ParsedText(text)
    assert put_together(streamed([text[:7], text[7:-3], text[-3:]])) == ParsedText(text)


def test_only_offered_tools_are_called() -> None:
    text = f"A{WEATHER.text}{SEARCH.text}"
    both = (WEATHER, SEARCH)
    for tool_names, calls in (((), both), (["search"], (SEARCH,)), (["search", "get_weather"], both)):
        assert parse_tool_calls(text, tool_names) == ParsedText("A", calls)
        assert put_together(streamed(text, tool_names)) == ParsedText("A", calls)
    assert parse_tool_calls(text, ["get_date_time"]) == ParsedText(text)
    assert not any(isinstance(event, ToolCallName) for event in streamed(text, ["get_date_time"]))


def test_an_offered_tool_is_known_by_its_name_without_the_spaces_around_it() -> None:
    text = "<tool_call>function  \nget_date_time  \n{}</tool_call>"
    expected = ParsedText("", (ToolCall("get_date_time", "{}"),))
    assert parse_tool_calls(text, ["get_date_time"]) == expected
    assert put_together(streamed(text, ["get_date_time"])) == expected


def test_a_stream_cut_at_every_position() -> None:
    text = f"Wait.{WEATHER.text}{SEARCH.text}Done."
    for position in range(len(text) + 1):
        events = streamed([text[:position], text[position:]])
        assert put_together(events) == ParsedText("Wait.Done.", (WEATHER, SEARCH)), position


def test_content_comes_at_once() -> None:
    stream = ToolCallStream()
    assert stream.push("It ra") == [ContentDelta("It ra")]
    assert stream.push("ins <too") == [ContentDelta("ins ")]
    assert stream.push("ls>") == [ContentDelta("<tools>")]
    assert stream.push("<") == []
    assert stream.finish() == [ContentDelta("<")]


def test_a_name_comes_before_its_arguments() -> None:
    stream = ToolCallStream()
    assert stream.push("A<tool_call>func") == [ContentDelta("A")]
    assert stream.push("tion\nsea") == []
    assert stream.push("rch") == []
    assert stream.push("\n") == [ToolCallName(0, "search")]
    assert stream.push('{"query":"a"}') == []
    assert stream.push("</tool_") == []
    assert stream.push("call><tool_call>function\nf\n[") == [
        ToolCallArguments(0, '{"query": "a"}'),
        ToolCallName(1, "f"),
    ]
    assert stream.push("]</tool_call>") == [ToolCallArguments(1, "[]")]
    assert stream.finish() == []


def test_an_announced_call_may_turn_out_to_be_none() -> None:
    text = f"<tool_call>function\nsearch\nnonsense</tool_call>{WEATHER.text}"
    assert streamed([text]) == [
        ToolCallName(0, "search"),
        ToolCallName(1, "get_weather"),
        ToolCallArguments(1, WEATHER.arguments),
    ]


CALLS = st.builds(
    lambda name, value: ToolCall(name, json.dumps(value, ensure_ascii=False)),
    st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="<"), min_size=1),
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers() | st.just("天气"), max_size=3),
).filter(lambda call: "</tool_call>" not in call.arguments)
FRAGMENTS = st.one_of(
    CALLS.map(lambda call: call.text),
    st.sampled_from(
        ["<tool_call>", "</tool_call>", "function", "\n", "search", "{}", '{"a": "b', '"}', "<", "tool_call>"]
    ),
    st.text(max_size=5),
)


def cut(text: str, positions: Iterable[int]) -> list[str]:
    edges = [0, *sorted(position % (len(text) + 1) for position in positions), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


POSITIONS = st.lists(st.integers(min_value=0), max_size=8)


@given(st.lists(FRAGMENTS, max_size=12).map("".join), POSITIONS, st.sampled_from([(), ("search",)]))
def test_a_stream_gives_what_the_whole_text_gives(text: str, positions: list[int], tool_names: Sequence[str]) -> None:
    assert put_together(streamed(cut(text, positions), tool_names)) == parse_tool_calls(text, tool_names)


@given(st.lists(CALLS, min_size=1, max_size=4), st.text(st.characters(exclude_characters="<")), POSITIONS)
def test_calls_come_back_as_they_were_written(calls: list[ToolCall], lead_in: str, positions: list[int]) -> None:
    text = lead_in + "".join(call.text for call in calls)
    assert parse_tool_calls(text) == ParsedText(lead_in, tuple(calls))
    assert put_together(streamed(cut(text, positions))) == ParsedText(lead_in, tuple(calls))
