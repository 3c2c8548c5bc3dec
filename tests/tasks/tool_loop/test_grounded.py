"""What is asked of model, tools and judge in a loop, and what calls and answers are worth."""

from collections.abc import Sequence
from typing import Any

import pytest

from evalkit.audio import Audio
from evalkit.chain import Score
from evalkit.errors import ConfigurationError
from evalkit.prompts import Prompts
from evalkit.types import Message, Response, Sample, ToolCall
from tasks.tool_loop import GroundedAnswers, Questions
from tasks.tool_loop.loop import MOST_ROUNDS
from tests.chains import calls_of, next_call, score_of
from tests.tasks.tool_loop.talker import FOLDER, SAMPLES, call_of, offline_tools, result_of, words_of

SUMMARISE = "\n\n\n请用口语化形式总结检索结果，简短地回答用户的问题。"
PROMPTS = Prompts({"model": {"toolcall": {"system": "小跃"}, "search_result": {"user": f"{{audio}}{SUMMARISE}"}}})
YES, NO = Response("Verdict: yes"), Response("Verdict: no")


def task(**options: Any) -> GroundedAnswers:
    settings: dict[str, Any] = {"answer_mode": "text", "prompts": PROMPTS, **options}
    return GroundedAnswers(name="tool_loop", title="Tool loop", dataset=Questions(FOLDER), **settings)


def calling(*calls: ToolCall, text: str = "") -> Response:
    return Response(text, tool_calls=calls)


def scored(sample_id: str, *responses: Response, **options: Any) -> Score:
    return score_of(task(**options), SAMPLES[sample_id], responses)


@pytest.mark.parametrize(
    "sample", [sample for sample in SAMPLES.values() if "voices" not in sample.id], ids=lambda sample: sample.id
)
def test_an_assistant_that_uses_its_tools_well_has_everything_right(sample: Sample) -> None:
    tools, loop = offline_tools(), task()
    responses: list[Response] = []
    if (called := call_of(sample)) is not None:
        responses.append(calling(called))
        asked = next_call(loop, sample, responses)
        assert asked is not None
        assert asked.role == "tools"
        responses.append(result_of(tools, asked.request))
    responses.append(Response(words_of(sample)))
    needed = int(called is not None)
    score = score_of(loop, sample, [*responses, *[YES] * needed])
    assert score.statistics == {
        "grounded": (needed, needed),
        "answer_accuracy": (needed, needed),
        "call_accuracy": (1, 1),
        "rounds": (1 + needed, 1),
    }


def test_the_loop_is_that_of_the_published_example() -> None:
    sample, called = SAMPLES["facts-en-1"], ToolCall("search", '{"query": "lighthouse"}', "abc")
    result = Response("It is 43 metres tall.")
    spoken = calling(called, text="one moment")
    first, tool, second, judge = calls_of(task(), sample, [spoken, result, Response("43 metres")])
    assert first.request.messages == (Message("system", ("小跃",)), Message("user", (sample.audio[0],)))
    names = [schema["function"]["name"] for schema in first.request.tools]
    assert names == ["search", "get_date_time", "get_weather", "timbre_rag", "calculate"]
    # A server draws the ids of calls anew each time; what is asked of the tools does not depend on them.
    assert tool.request.messages == (
        Message("system", ("2025-08-28T10:00",)),
        Message("assistant", ("",), (ToolCall("search", '{"query": "lighthouse"}'),)),
    )
    assert second.request.messages == (
        *first.request.messages,
        Message("assistant", ("one moment",), (called,)),
        Message("tool", ("It is 43 metres tall.", SUMMARISE), tool_call_id="abc"),
    )
    assert second.request.tools == first.request.tools
    assert judge.role == "judge"
    [words] = judge.request.messages[-1].content
    for part in ("How tall is the Green Heron lighthouse?", "It is 43 metres tall.", "43 metres"):
        assert part in str(words)


def test_the_request_for_a_summary_belongs_to_web_search_alone() -> None:
    called = ToolCall("get_weather", '{"location": "oslo"}')
    [*_, second] = calls_of(task(), SAMPLES["weather-en-1"], [calling(called), Response("oslo: snow")])
    assert second.request.messages[-1].content == ("oslo: snow",)


def test_a_call_that_stands_in_the_text_is_remembered_once() -> None:
    written = Response('Wait. <tool_call>function\nget_weather\n{"location": "oslo"}</tool_call>')
    [*_, second] = calls_of(task(), SAMPLES["weather-en-1"], [written, Response("oslo: snow")])
    assert second.request.messages[-2] == Message(
        "assistant", ("Wait. ",), (ToolCall("get_weather", '{"location": "oslo"}', "call-2-0"),)
    )
    assert second.request.messages[-1].tool_call_id == "call-2-0"


@pytest.mark.parametrize(
    ("sample_id", "responses", "grounded", "right", "call"),
    [
        ("weather-en-1", [Response("minus 4"), YES], 0, 1, 0),  # guessed
        ("weather-en-1", [calling(ToolCall("search")), Response("light snow, minus 4"), Response("-4"), YES], 0, 1, 0),
        ("weather-en-1", [calling(ToolCall("get_weather")), Response("bergen: sunny"), Response("sun"), NO], 0, 0, 0),
        (
            "weather-en-1",
            [calling(ToolCall("get_weather")), Response("light snow, minus 4"), Response("?"), NO],
            0,
            0,
            1,
        ),
        ("weather-en-1", [calling(ToolCall("get_weather")), Response("light snow, minus 4"), Response(" ")], 0, 0, 1),
        ("weather-en-1", [], 0, 0, 0),
        ("none-en-1", [Response("A cat walks into a bar.")], 0, 0, 1),
        ("none-en-1", [calling(ToolCall("search")), Response("nothing"), Response("A cat.")], 0, 0, 0),
        ("none-en-1", [], 0, 0, 0),
    ],
)
def test_what_calls_and_answers_are_worth(
    sample_id: str, responses: Sequence[Response], grounded: int, right: int, call: int
) -> None:
    statistics = scored(sample_id, *responses).statistics
    needed = int(sample_id != "none-en-1")
    assert statistics["grounded"] == (grounded, needed)
    assert statistics["answer_accuracy"] == (right, needed)
    assert statistics["call_accuracy"] == (call, 1)


def test_two_calls_of_one_answer_are_both_carried_out_before_it_goes_on() -> None:
    one, other = ToolCall("get_weather", '{"location": "oslo"}', "1"), ToolCall("calculate", '{"expression": "1"}', "2")
    asked = calls_of(
        task(), SAMPLES["weather-en-1"], [calling(one, other), Response("light snow, minus 4"), Response("1")]
    )
    assert [call.role for call in asked] == ["model", "tools", "tools", "model"]
    results = asked[-1].request.messages[-2:]
    assert [(message.role, message.tool_call_id) for message in results] == [("tool", "1"), ("tool", "2")]


def test_a_model_that_never_stops_calling_is_stopped() -> None:
    again = [calling(ToolCall("get_date_time")), Response("10:00")]
    asked = calls_of(task(), SAMPLES["time-en-1"], [*again * MOST_ROUNDS, again[0]])
    assert [call.role for call in asked] == ["model", "tools"] * MOST_ROUNDS + ["model"]
    score = scored("time-en-1", *again * MOST_ROUNDS, again[0])
    assert score.statistics["rounds"] == (MOST_ROUNDS + 1, 1)


def test_a_spoken_answer_is_judged_by_what_is_heard() -> None:
    answer = Response("what it says it said", speech=Audio("speech/a.flac"))
    asked = calls_of(task(answer_mode="speech"), SAMPLES["time-en-1"], [answer, Response("it is 2:35")])
    assert [call.role for call in asked] == ["model", "transcriber", "judge"]
    assert "it is 2:35" in str(asked[-1].request.messages[-1].content[0])
    assert "what it says it said" not in str(asked[-1].request.messages[-1].content[0])
    silent = scored("time-en-1", Response("words without sound"), answer_mode="speech")
    assert silent.statistics["answer_accuracy"] == (0, 1)


def test_a_judge_that_cannot_be_read_fails_the_sample_and_not_its_call() -> None:
    called = [calling(ToolCall("get_weather")), Response("light snow, minus 4"), Response("snow")]
    score = scored("weather-en-1", *called, *[Response("perhaps")] * 3)
    assert score.failure is not None
    assert score.statistics["call_accuracy"] == (1, 1)
    assert score.statistics["grounded"] == (0, 1)


def test_time_is_counted_from_the_end_of_the_users_turn_where_it_is_wanted() -> None:
    called = Response(tool_calls=(ToolCall("get_date_time"),), seconds=1.0)
    rounds = [called, Response("14:35", seconds=0.25), Response("2:35", seconds=2.0, first_sound=0.5)]
    assert "first_sound" not in scored("time-en-1", *rounds, YES).statistics
    statistics = scored("time-en-1", *rounds, YES, timing=True).statistics
    assert (statistics["first_sound"], statistics["whole_answer"]) == ((1.75, 1), (3.25, 1))
    # Without streaming nobody knows when the sound began.
    unheard = scored("time-en-1", *rounds[:2], Response("2:35", seconds=2.0), YES, timing=True).statistics
    assert (unheard["first_sound"], unheard["whole_answer"]) == ((0, 0), (3.25, 1))


def test_unknown_modes_are_refused() -> None:
    for option in ("input_mode", "answer_mode"):
        with pytest.raises(ConfigurationError, match=f"{option} is 'both'; it must be"):
            task(**{option: "both"})
