"""Saved conversations as samples: what is remembered of them, and what is asked again."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import DataError
from evalkit.prompts import Prompts
from evalkit.types import Message, Response, ToolCall
from tasks.tool_loop import RecordedConversations, SavedConversations
from tests.chains import calls_of, next_call, score_of
from tests.stored_samples import as_stored
from tests.tasks.tool_loop.talker import FOLDER

CALL = {"name": "get_weather", "arguments": '{"location": "oslo"}', "result": {"text": "oslo: snow", "seconds": 0.1}}
SEARCH = {"name": "search", "arguments": '{"query": "tea"}', "result": {"text": "Tea is brewed."}}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}


def turn(*answers: Any, text: str = "", recording: str = "", **fields: Any) -> dict[str, Any]:
    return {"user": [{"text": text, "recording": recording}], "answers": list(answers), **fields}


TURNS = [
    turn({"words": "Hello."}, text="Hi."),
    turn({"words": "Wait.", "calls": [CALL]}, {"words": "It snows."}, recording="002_user_1.wav"),
    {"user": [], "again": True, "answers": [{"words": "", "calls": [CALL]}, {"words": "Snow, I fear."}]},
    turn({"calls": [SEARCH, {**SEARCH, "result": None}]}, {"words": "One brews it."}, text="And tea?"),
]


def save(folder: Path, turns: Any = TURNS, **fields: Any) -> Path:
    folder.mkdir(parents=True)
    shutil.copy(FOLDER / "audio" / "weather-en-1.flac", folder / "002_user_1.wav")
    record = {"format": 1, "about": {"system": "Be brief.", "tools": [TOOL]}, "turns": turns, **fields}
    (folder / "conversation.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def task(folder: Path, **settings: Any) -> RecordedConversations:
    prompts = Prompts(
        {"model": {"toolcall": {"system": "The profile's."}, "search_result": {"user": "{audio} Sum up."}}}
    )
    dataset = SavedConversations(folder)
    return RecordedConversations(
        name="saved", title="Saved", dataset=dataset, prompts=prompts, **{"answer_mode": "text", **settings}
    )


def test_turns_that_called_tools_are_samples_with_all_that_went_before(tmp_path: Path) -> None:
    save(tmp_path / "monday")
    first, second = SavedConversations(tmp_path)
    assert (first.id, first.references) == ("monday-2", ("Snow, I fear.",))
    assert [audio.locator for audio in first.audio] == ["monday/002_user_1.wav"]
    assert (second.id, second.references, len(second.audio)) == ("monday-3", ("One brews it.",), 1)
    assert first.clusters == {"conversation": "monday"}
    assert [sample.id for sample in SavedConversations(tmp_path, every=False)] == ["monday-3"]
    # The folder of one conversation can be named by itself.
    assert [sample.id for sample in SavedConversations(tmp_path / "monday")] == [".-2", ".-3"]
    assert as_stored(second) == second


def test_the_last_answer_is_asked_for_with_calls_and_results_as_recorded(tmp_path: Path) -> None:
    save(tmp_path / "monday")
    saved = task(tmp_path)
    first, second = saved.samples()
    call = next_call(saved, second)
    assert call is not None
    assert call.role == "model"
    snow, tea = (
        ToolCall("get_weather", '{"location": "oslo"}', "call-3-0"),
        ToolCall("search", '{"query": "tea"}', "call-7-0"),
    )
    assert call.request.messages == (
        Message("system", ("Be brief.",)),
        Message("user", ("Hi.",)),
        Message("assistant", ("Hello.",)),
        Message("user", (second.audio[0],)),
        Message("assistant", ("",), (snow,)),
        Message("tool", ("oslo: snow",), tool_call_id="call-3-0"),
        Message("assistant", ("Snow, I fear.",)),
        Message("user", ("And tea?",)),
        Message("assistant", ("",), (tea,)),
        Message("tool", ("Tea is brewed.", " Sum up."), tool_call_id="call-7-0"),
    )
    assert call.request.tools == (TOOL,)
    shorter = next_call(saved, first)
    assert shorter is not None
    assert shorter.request.messages == call.request.messages[:6]


def test_the_judge_sees_the_conversation_and_the_results_of_this_turn(tmp_path: Path) -> None:
    saved = task(save(tmp_path / "monday").parent)
    _, second = saved.samples()
    [_, judge] = calls_of(saved, second, [Response("Hot water.")])
    words = str(judge.request.messages[-1].content[0])
    assert "user: Hi.\nassistant: Hello.\nuser: (a recording)" in words
    assert "<results>\nTea is brewed.\n</results>" in words
    assert "Hot water." in words
    assert score_of(saved, second, [Response("Hot water."), Response("Verdict: yes")]).statistics["grounded"] == (1, 1)
    assert score_of(saved, second, [Response("Hot air."), Response("Verdict: no")]).statistics["grounded"] == (0, 1)
    assert score_of(saved, second, [Response("")]).statistics["grounded"] == (0, 1)
    assert score_of(saved, second).statistics["grounded"] == (0, 1)
    failed = score_of(saved, second, [Response("Tea."), *[Response("maybe")] * 3])
    assert failed.failure is not None


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ({}, "its 'turns' is {}, not a list"),
        ([1], "its 'turns' must be a list of objects"),
        ([{"again": True, "answers": [{"words": ""}]}], "turn 1: answers anew what nobody has said"),
        ([turn(1)], "turn 1: its 'answers' must be a list of objects"),
        ([turn({"words": 1}, text="x")], "turn 1: its 'words' is 1, not a str"),
        ([turn({"calls": [1]}, {"words": "y"}, text="x")], "turn 1: its 'calls' must be a list of objects"),
        ([turn({"calls": [{**CALL, "result": []}]}, {"words": "y"})], "turn 1: its 'result' is \\[\\], not a dict"),
        ([turn({"words": "x"}, recording="../../x.wav")], "turn 1: audio path .* leads out of the data root"),
    ],
)
def test_what_is_no_conversation_is_refused_by_file_and_turn(tmp_path: Path, turns: Any, message: str) -> None:
    folder = save(tmp_path / "all" / "monday", turns)
    with pytest.raises(DataError, match=message) as refused:
        list(SavedConversations(folder.parent))
    assert str(folder / "conversation.json") in str(refused.value)


def test_other_formats_broken_files_and_folders_without_any_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a saved conversation of format 1"):
        list(SavedConversations(save(tmp_path / "new", format=2)))
    broken = save(tmp_path / "broken") / "conversation.json"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="not JSON"):
        list(SavedConversations(broken.parent))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no saved conversation"):
        list(SavedConversations(tmp_path / "empty"))
    with pytest.raises(DataError, match="the data set has no samples"):
        list(SavedConversations(save(tmp_path / "chat", TURNS[:1])))


def test_what_the_assistant_saves_is_read(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    from step_audio_2.live.saved import (
        About,
        SavedAnswer,
        SavedCall,
        SavedConversation,
        SavedPart,
        SavedResult,
        SavedTurn,
    )

    folder = save(tmp_path / "tuesday")
    result = SavedResult("oslo: snow", 0.1)
    cut_off = SavedAnswer("Let me", calls=(SavedCall("get_weather", "{}"),))
    SavedConversation(
        folder,
        About(system="Be brief.", tools=(TOOL,)),
        (
            SavedTurn((SavedPart("Weather?"),), (cut_off,), interrupted=True),
            SavedTurn(
                (SavedPart(recording="002_user_1.wav"), SavedPart("In Oslo.")),
                (SavedAnswer(calls=(SavedCall("get_weather", "{}", result),)), SavedAnswer("Snow.")),
            ),
            SavedTurn((SavedPart("Bye."),)),
        ),
    ).save()
    [sample] = SavedConversations(tmp_path)
    assert (sample.id, sample.references) == ("tuesday-2", ("Snow.",))
    assert [(message["role"], message["content"]) for message in sample.metadata["messages"]] == [
        ("user", ["Weather?"]),
        ("assistant", ["Let me"]),
        ("user", [0, "In Oslo."]),
        ("assistant", [""]),
        ("tool", ["oslo: snow"]),
    ]
    assert (sample.metadata["system"], sample.metadata["tools"]) == ("Be brief.", [TOOL])
