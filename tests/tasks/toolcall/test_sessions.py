"""Reading the benchmark's files as they are laid out on disk."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.acquisition.verification import verify
from evalkit.cli.catalogue import read_options
from evalkit.errors import AudioError, ConfigurationError, DataError
from evalkit.types import Message, ToolCall
from tasks.toolcall import Sessions, ToolCalling
from tests.stored_samples import as_stored
from tests.tasks.toolcall.replica import SESSIONS, write_replica

HUMAN = {"from": "human", "value": {"type": "wav", "value": "wav/a.wav"}, "text": "现在几点了"}
ASSISTANT = {"from": "assistant", "text": "好的"}


@pytest.mark.parametrize("unpacked_in", ["Step-Audio_Toolcall", "."])
def test_the_layout_of_the_hub_and_an_unpacked_archive_are_read_alike(tmp_path: Path, unpacked_in: str) -> None:
    samples = {sample.id: sample for sample in Sessions(write_replica(tmp_path, unpacked_in=unpacked_in))}
    assert len(samples) == sum(map(len, SESSIONS.values()))
    sample = samples["get_date_time_positive-0"]
    assert sample.groups == {"tool": "Date & Time", "file": "get_date_time_positive"}
    assert sample.references == ("<tool_call>function\nget_date_time\n{}</tool_call>",)
    assert [audio.locator for audio in sample.audio] == [
        "wav/get_date_time_positive.jsonl-0-0.wav",
        "wav/get_date_time_positive.jsonl-0-2.wav",
    ]
    assert sample.metadata == {
        "tool": "get_date_time",
        "positive": True,
        "turns": [
            {"role": "user", "text": "你好", "audio": 0},
            {"role": "assistant", "text": "我在听。"},
            {"role": "user", "text": "现在几点了", "audio": 1},
        ],
    }
    assert all(audio.waveform(16_000).size for sample in samples.values() for audio in sample.audio)
    assert not samples["timbre_negative-0"].metadata["positive"]
    assert as_stored(sample) == sample


def test_roles_come_from_the_turns_not_from_their_position(tmp_path: Path) -> None:
    spoken_answer = {**ASSISTANT, "value": {"type": "wav", "value": "wav/b.wav"}}
    written = {"from": "human", "text": "你好"}
    [sample] = Sessions(one_session(tmp_path, [spoken_answer, written, HUMAN, ASSISTANT]), tools=["timbre"])
    assert [(turn["role"], turn.get("audio")) for turn in sample.metadata["turns"]] == [
        ("assistant", None),
        ("user", None),
        ("user", 0),
    ]
    assert [audio.locator for audio in sample.audio] == ["wav/a.wav"]


def published(role: str, text: str, recording: str | None = None) -> dict[str, Any]:
    """A turn with the fields of the published files."""
    value = {"type": "wav", "value": recording} if recording else text
    return {"session_id": "7", "turn_idx": 0, "from": role, "text": text, "value": value}


SPACED_CALL = '<tool_call>function  \ntimbre_rag  \n{"query": "老爷爷的声音"}</tool_call>'
PUBLISHED_SESSION = [
    published("Human", "换成老爷爷的声音。", "wav/a.wav"),
    published("Assistant", f"好的。 {SPACED_CALL}"),
    published("Input", "音色已更新。"),
    published("Assistant", "我是老爷爷。", "wav/b.wav"),
    published("Human", "再换回来。", "wav/c.wav"),
    published("Assistant", '我来算。 <tool_call>function\ncalculate\n{"expression": "1 + 1"}</tool_call>'),
]


def test_a_session_in_the_published_form_is_read(tmp_path: Path) -> None:
    [sample] = Sessions(one_session(tmp_path, PUBLISHED_SESSION), tools=["timbre"])
    assert sample.references == (PUBLISHED_SESSION[-1]["text"],)
    assert [audio.locator for audio in sample.audio] == ["wav/a.wav", "wav/c.wav"]
    call = {"name": "timbre_rag", "arguments": '{"query": "老爷爷的声音"}', "id": "call-1-0"}
    assert sample.metadata["turns"] == [
        {"role": "user", "text": "换成老爷爷的声音。", "audio": 0},
        {"role": "assistant", "text": f"好的。 {SPACED_CALL}", "calls": [call]},
        {"role": "tool", "text": "音色已更新。"},
        {"role": "assistant", "text": "我是老爷爷。"},
        {"role": "user", "text": "再换回来。", "audio": 1},
    ]


def test_calls_and_results_in_the_history_reach_the_model_as_such(tmp_path: Path) -> None:
    sessions = Sessions(one_session(tmp_path, PUBLISHED_SESSION), tools=["timbre"])
    [sample] = sessions
    call = next(ToolCalling(name="toolcall", title="Tool calling", dataset=sessions).chain(sample))
    timbre = ToolCall("timbre_rag", '{"query": "老爷爷的声音"}', "call-1-0")
    assert call.request.messages == (
        Message("user", (sample.audio[0],)),
        Message("assistant", ("好的。",), (timbre,)),
        Message("tool", ("音色已更新。",), tool_call_id="call-1-0"),
        Message("assistant", ("我是老爷爷。",)),
        Message("user", (sample.audio[1],)),
    )


@pytest.mark.parametrize(
    ("file", "tool", "sessions"),
    [
        ("get_date_time_negative", "get_date_time", 4),
        ("timbre_negative", "timbre", 1),
        ("timbre_positive", "timbre", 3),
        ("web_search_positive", "web_search", 2),
    ],
)
def test_real_sessions_load(tmp_path: Path, shared_data: Path, file: str, tool: str, sessions: int) -> None:
    text = (shared_data / "stepeval_toolcall" / f"{file}.jsonl").read_text(encoding="utf-8")
    other = file.replace("negative", "positive") if "negative" in file else file.replace("positive", "negative")
    (tmp_path / f"{file}.jsonl").write_text(text, encoding="utf-8")
    (tmp_path / f"{other}.jsonl").write_text("")
    samples = list(Sessions(tmp_path, tools=[tool]))
    assert [sample.id for sample in samples] == [f"{file}-{number}" for number in range(sessions)]
    for sample, line in zip(samples, text.splitlines(), strict=True):
        turns = json.loads(line)
        assert sample.references == (turns[-1]["text"],)
        humans = [turn for turn in turns if turn["from"] == "Human"]
        assert [audio.locator for audio in sample.audio] == [turn["value"]["value"] for turn in humans]
        roles = {"Human": "user", "Assistant": "assistant", "Input": "tool"}
        assert [turn["role"] for turn in sample.metadata["turns"]] == [roles[turn["from"]] for turn in turns[:-1]]
        for turn, written in zip(sample.metadata["turns"], turns, strict=False):
            assert turn["text"] == written["text"]
            assert len(turn.get("calls", ())) == written["text"].count("<tool_call>")


def test_a_file_that_was_cut_short_is_noticed_though_another_makes_up_for_it(tmp_path: Path) -> None:
    facts = next(option.content for option in read_options("task") if option.name == "toolcall")["facts"]
    known = facts["group_sizes"]["file"]
    assert sum(known.values()) == 1463
    for file in known:
        sessions = [[HUMAN, ASSISTANT]] * (known[file] + {"timbre_positive": -1, "timbre_negative": 1}.get(file, 0))
        lines = (json.dumps(session) + "\n" for session in sessions)
        (tmp_path / f"{file}.jsonl").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "wav").mkdir()
    soundfile.write(tmp_path / "wav" / "a.wav", np.zeros(1_600), 16_000)
    task = ToolCalling(name="toolcall", title="Tool calling", dataset=Sessions(tmp_path), expected_samples=1463)
    checks = {check.name: check for check in verify(task, facts).checks}
    assert checks["samples"].status == checks["sizes by tool"].status == "ok"
    assert checks["sizes by file"].status == "differs"


def test_only_the_tools_asked_for_are_read(tmp_path: Path) -> None:
    write_replica(tmp_path)
    (tmp_path / "timbre_negative.jsonl").unlink()
    weather = list(Sessions(tmp_path, tools=["get_weather"]))
    assert {sample.metadata["tool"] for sample in weather} == {"get_weather"}
    with pytest.raises(ConfigurationError, match="no group 'weather', did you mean 'get_weather'"):
        Sessions(tmp_path, tools=["weather"])
    with pytest.raises(DataError, match="timbre_negative.jsonl: cannot be opened"):
        list(Sessions(tmp_path))


def test_a_missing_folder_says_what_to_download(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "nowhere")
    assert not sessions.at_hand
    with pytest.raises(DataError, match="no such folder; download the data set stepfun-ai/StepEval-Audio-Toolcall"):
        list(sessions)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    replica = write_replica(tmp_path / "replica")
    recording = replica / "Step-Audio_Toolcall" / "wav" / "timbre_positive.jsonl-0-0.wav"
    recording.rename(tmp_path / "outside.wav")
    recording.symlink_to(tmp_path / "outside.wav")
    sample = next(sample for sample in Sessions(replica) if sample.id == "timbre_positive-0")
    with pytest.raises(AudioError, match="leads out of the data root"):
        sample.audio[0].waveform(16_000)
    sample = next(sample for sample in Sessions(replica, root=tmp_path) if sample.id == "timbre_positive-0")
    assert sample.audio[0].waveform(16_000).size


@pytest.mark.parametrize(
    ("session", "message"),
    [
        ({"from": "human"}, r"line 2: not a session"),
        ([], r"line 2: a session must end with"),
        ([ASSISTANT], r"line 2: a session must end with"),
        ([HUMAN, ASSISTANT, HUMAN], r"line 2: a session must end with"),
        ([HUMAN, ASSISTANT, ASSISTANT], r"line 2: a session must end with"),
        ([HUMAN, {"from": "tool", "text": ""}, HUMAN, ASSISTANT], r"line 2, turn 2: must be an object whose 'from'"),
        ([HUMAN, "text"], r"line 2, turn 2: must be an object"),
        ([{"from": "human", "text": None}, ASSISTANT], r"line 2, turn 1: its 'text' is None"),
        ([{"from": "human", "text": ""}, ASSISTANT], r"line 2, turn 1: has neither words nor a recording"),
        (
            [{**HUMAN, "value": "wav/a.wav"}, ASSISTANT],
            r"line 2, turn 1: its 'value' is 'wav/a.wav', neither its text nor of the form",
        ),
        ([{**HUMAN, "value": {"type": "mp3", "value": "a"}}, ASSISTANT], r"line 2, turn 1: its 'value'"),
        (
            [{**HUMAN, "value": {"type": "wav", "value": "../a.wav"}}, ASSISTANT],
            r"line 2, turn 1: audio path '../a.wav' leads",
        ),
        (
            [{**HUMAN, "value": {"type": "wav", "value": "/etc/a.wav"}}, ASSISTANT],
            r"line 2, turn 1: audio path '/etc/a.wav'",
        ),
    ],
)
def test_a_malformed_session_is_named_by_file_line_and_turn(tmp_path: Path, session: Any, message: str) -> None:
    folder = one_session(tmp_path, [HUMAN, ASSISTANT], session)
    with pytest.raises(DataError, match=rf"timbre_positive.jsonl {message}"):
        list(Sessions(folder, tools=["timbre"]))


def test_a_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    folder = one_session(tmp_path, [HUMAN, ASSISTANT])
    for line in ("{", "[" * 100_000):
        (folder / "timbre_positive.jsonl").write_text(line)
        with pytest.raises(DataError, match=r"timbre_positive.jsonl line 1: not JSON"):
            list(Sessions(folder, tools=["timbre"]))


def one_session(folder: Path, *sessions: Any) -> Path:
    (folder / "timbre_positive.jsonl").write_text("".join(json.dumps(session) + "\n" for session in sessions))
    (folder / "timbre_negative.jsonl").write_text("")
    return folder
