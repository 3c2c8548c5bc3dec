"""Conversations kept in a folder: all that was said and done is there, and is read from a stranger's folder safely."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch

from step_audio_2.assistant import Assistant, Thought
from step_audio_2.chat import AudioPart, TokenPart
from step_audio_2.live.conversation import Conversation
from step_audio_2.live.dialogue import AnswerTokens
from step_audio_2.live.recorded import Recorded, held_again, with_recorded_results
from step_audio_2.live.saved import FILE, About, SavedConversation, SavedError, SavedPart
from step_audio_2.live.tools import Document, Tool, ToolError, ToolResult, call_tool
from step_audio_2.speaking import Sound
from step_audio_2.speech import Token2Wav
from step_audio_2.tool_calls import ContentDelta, ToolCall
from tests.step_audio_2.live.steering import Script, called, ended, never, spoken

QUERY = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
ABOUT = About({"title": "tiny"}, {"temperature": 0.7}, 3, "小跃", ({"type": "function"},))
FOUND = Document("news", "Sunny.", "news.txt", "8月28日")
SEARCH = Tool("search", "…", lambda query: ToolResult(f"{query}: sunny", (FOUND,)), QUERY)


def test_all_of_a_turn_is_kept(
    assistant: Assistant, token2wav: Token2Wav, voice: Path, tokenizer: Any, tmp_path: Path
) -> None:
    other = tmp_path / "other.wav"
    other.write_bytes(voice.read_bytes())
    change = Tool("timbre_rag", "…", lambda query: ToolResult("好", voice=token2wav.prepare(other)), QUERY)
    searching = [*spoken(tokenizer, "稍等。"), *called(tokenizer, "search", '{"query": "Köln"}')]
    changing = called(tokenizer, "timbre_rag", '{"query": "x"}')
    script = Script(ended(searching), ended(changing), ended(spoken(tokenizer, "好。")))
    conversation = Conversation(
        assistant, tools=[SEARCH, change], token2wav=token2wav, voice=voice, settings=script.settings
    )
    dialogue = Recorded(conversation, tmp_path / "kept", ABOUT)
    said = torch.linspace(-0.5, 0.5, 3_001)
    events = list(dialogue.answer(AudioPart(said), "Köln?"))
    saved = SavedConversation.load(tmp_path / "kept")
    assert saved.about == ABOUT
    (turn,) = saved.turns
    assert [part.text for part in turn.user] == ["", "Köln?"]
    heard, rate = soundfile.read(saved.folder / turn.user[0].recording, dtype="float32")
    assert rate == 16_000
    assert torch.equal(torch.from_numpy(heard), said)
    assert turn.words == "稍等。好。"
    first, second, third = turn.answers
    assert [answer.voice for answer in turn.answers] == [voice.name, voice.name, "other.wav"]
    assert first.ids == tuple(searching)
    assert all(answer.stopped and answer.input_tokens > 0 for answer in turn.answers)
    assert first.output_tokens == len(searching) + 1
    (call,) = first.calls
    assert (call.name, call.arguments) == ("search", '{"query": "Köln"}')
    assert call.result is not None
    assert (call.result.text, call.result.documents, call.result.voice) == ("Köln: sunny", (FOUND,), "")
    assert second.calls[0].result is not None
    assert second.calls[0].result.voice == "other.wav"
    assert (second.sound, second.first_sound, second.first_word) == ("", None, None)
    assert first.first_word is not None
    assert first.first_sound is not None
    assert 0 < first.first_word <= first.first_sound
    sounds = sum(len(event.waveform) for event in events if isinstance(event, Sound))
    kept = [soundfile.info(saved.folder / answer.sound) for answer in (first, third)]
    assert sum(info.frames for info in kept) == sounds
    assert {info.samplerate for info in kept} == {24_000}
    assert str(tmp_path) not in (tmp_path / "kept" / FILE).read_text(encoding="utf-8")


def writing(assistant: Assistant, folder: Path, *answers: list[int], tools: tuple[Tool, ...] = ()) -> Recorded:
    script = Script(*answers)
    return Recorded(Conversation(assistant, tools=tools, settings=script.settings), folder, ABOUT)


def test_interruptions_and_answers_given_anew_are_told_apart(
    assistant: Assistant, tokenizer: Any, tmp_path: Path
) -> None:
    answers = [ended(tokenizer.encode(text)) for text in ("one two three four five", "one", "two", "three")]
    dialogue = writing(assistant, tmp_path, *answers)
    events = dialogue.answer("go on")
    assert isinstance(next(events), ContentDelta)
    events.close()
    list(dialogue.answer("count"))
    list(dialogue.regenerate())
    dialogue.interrupt(played=1.5)
    saved = SavedConversation.load(tmp_path)
    assert [turn.interrupted for turn in saved.turns] == [True, False, False]
    assert [turn.again for turn in saved.turns] == [False, False, True]
    assert [turn.played for turn in saved.turns] == [None, None, 1.5]
    assert [(turn.user, turn.words) for turn in saved.kept_turns][1:] == [((SavedPart("count"),), "two")]
    assert len(saved.kept_turns) == 2
    assert "one two three four five".startswith(saved.turns[0].words)


def test_an_interruption_before_anything_was_said_is_of_that_turn_and_not_of_the_one_before(
    assistant: Assistant, tokenizer: Any, tmp_path: Path
) -> None:
    dialogue = writing(assistant, tmp_path, ended(tokenizer.encode("one")))
    list(dialogue.answer("count"))
    events = dialogue.answer("go on")
    dialogue.interrupt(played=0.0)
    list(events)
    turns = SavedConversation.load(tmp_path).turns
    assert [(turn.interrupted, turn.played, turn.words) for turn in turns] == [(False, None, "one"), (True, 0.0, "")]


def test_a_turn_that_ended_in_an_error_is_not_kept(assistant: Assistant, tokenizer: Any, tmp_path: Path) -> None:
    dialogue = writing(assistant, tmp_path, ended(tokenizer.encode("one")))
    with pytest.raises(ValueError, match="is the most that the model reads"):
        list(dialogue.answer("rain " * 20_000))
    list(dialogue.answer("count"))
    assert [turn.words for turn in SavedConversation.load(tmp_path).turns] == ["one"]


def test_an_answer_given_anew_to_what_could_not_be_kept_does_not_take_the_place_of_the_turn_before(
    assistant: Assistant, tokenizer: Any, tmp_path: Path
) -> None:
    answers = [ended(tokenizer.encode(text)) for text in ("one", "two", "three", "four")]
    dialogue = writing(assistant, tmp_path, *answers)
    list(dialogue.answer("first"))
    (tmp_path / "002_user_1.wav").mkdir()
    with pytest.raises(SavedError, match=r"002_user_1\.wav: cannot be written"):
        list(dialogue.answer(AudioPart(torch.zeros(160))))
    dialogue.interrupt(played=0.5)
    list(dialogue.regenerate())
    list(dialogue.regenerate())
    turns = SavedConversation.load(tmp_path).turns
    assert [(turn.words, turn.again, turn.played) for turn in turns] == [
        ("one", False, None), ("three", False, None), ("four", True, None)
    ]  # fmt: skip
    assert turns[1].user[0].recording == "003_user_1.wav"


def test_a_turn_whose_sound_cannot_be_written_is_remembered_by_nobody(
    assistant: Assistant, token2wav: Token2Wav, voice: Path, tokenizer: Any, tmp_path: Path
) -> None:
    script = Script(*(ended(spoken(tokenizer, text)) for text in ("好。", "是。", "不。")))
    conversation = Conversation(assistant, token2wav=token2wav, voice=voice, settings=script.settings)
    dialogue = Recorded(conversation, tmp_path, ABOUT)
    list(dialogue.answer("first"))
    (tmp_path / "002_1.wav").mkdir()
    with pytest.raises(SavedError, match=r"002_1\.wav: cannot be written"):
        list(dialogue.answer("second"))
    list(dialogue.regenerate())
    turns = SavedConversation.load(tmp_path).turns
    assert [(turn.words, turn.again) for turn in turns] == [("好。", False), ("不。", True)]
    assert len(conversation.history) == 1


def test_a_thought_is_kept(assistant: Assistant, tokenizer: Any, tmp_path: Path) -> None:
    think = Assistant(assistant.model, assistant.tokenizer, "think")
    dialogue = writing(think, tmp_path, tokenizer.encode("hmm\n</think>"), ended(tokenizer.encode("yes")))
    (thought,) = [event for event in dialogue.answer("sure?") if isinstance(event, Thought)]
    assert SavedConversation.load(tmp_path).turns[0].answers[0].thought == thought


def test_no_conversation_is_written_over(assistant: Assistant, tmp_path: Path) -> None:
    writing(assistant, tmp_path)
    with pytest.raises(SavedError, match="holds a conversation already"):
        writing(assistant, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(SavedError, match="cannot be made"):
        writing(assistant, tmp_path / "file" / "folder")


def sampled(assistant: Assistant, *tools: Tool) -> Conversation:
    settings = {"max_new_tokens": 12, "do_sample": True, "temperature": 1.0}
    return Conversation(assistant, "小跃", tools, settings=settings, seed=5)


def test_the_same_turns_have_the_same_tokens_once_more(assistant: Assistant, tmp_path: Path) -> None:
    dialogue = Recorded(sampled(assistant), tmp_path, ABOUT)
    list(dialogue.answer("one"))
    list(dialogue.answer(AudioPart(torch.linspace(-0.3, 0.3, 8_000))))
    list(dialogue.regenerate())
    list(dialogue.answer("three"))
    saved = SavedConversation.load(tmp_path)
    now: list[tuple[int, ...]] = []
    for _, events in held_again(saved, sampled(assistant)):
        now += (event.ids for event in events if isinstance(event, AnswerTokens))
    then = [answer.ids for turn in saved.turns for answer in turn.answers]
    assert now == then
    assert len(set(now)) == 4  # it was no accident that they are equal


def test_tools_give_once_more_what_they_gave(assistant: Assistant, tokenizer: Any, tmp_path: Path) -> None:
    gave: list[str] = []

    def look(query: str) -> str:
        gave.append(query)
        if query == "fail":
            raise ToolError("away")
        return f"{query} {len(gave)}"

    tool = Tool("search", "…", look, QUERY)
    calls = [ended(called(tokenizer, "search", f'{{"query": "{query}"}}')) for query in ("a", "a", "fail")]
    dialogue = writing(assistant, tmp_path, *calls, ended(tokenizer.encode("ok")), tools=(tool,))
    list(dialogue.answer("go"))
    (again,) = with_recorded_results([tool], SavedConversation.load(tmp_path))

    def result(query: str) -> str:
        (given,) = [call_tool({"search": again}, ToolCall("search", f'{{"query":"{query}"}}'), never())]
        assert given is not None
        return given.text

    gave.clear()
    assert [result("a"), result("a"), result("a")] == ["a 1", "a 2", "a 1"]
    assert result("fail") == "工具search没有成功：away。"
    assert gave == ["a", "fail"]  # what was not given then is run now


TURN: dict[str, Any] = {"user": [{"text": "hi"}], "answers": [{"words": "hello"}]}


def stranger(folder: Path, *turns: Any, **changes: Any) -> Path:
    document = {"format": 1, "about": {}, "turns": list(turns), **changes}
    (folder / FILE).write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_what_a_stranger_leaves_out_or_adds_is_no_matter(tmp_path: Path) -> None:
    (turn,) = SavedConversation.load(stranger(tmp_path, {**TURN, "reference": "hello"})).turns
    assert (turn.user[0].text, turn.words) == ("hi", "hello")


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        ({"user": [{"recording": "../secret.wav"}]}, r"turns\[0\]: '../secret.wav' is not the name of a WAV file"),
        ({"user": [{"recording": "/etc/passwd"}]}, "is not the name of a WAV file"),
        ({"user": [{"recording": "..\\secret.wav"}]}, "is not the name of a WAV file"),
        ({"answers": [{"sound": "away.wav"}]}, "away.wav: no such file in the folder"),
        ({"answers": [{"sound": "link.wav"}]}, "link.wav: no such file in the folder"),
        ({"answers": [{"sound": "folder.wav"}]}, "folder.wav: no such file in the folder"),
        ({"answers": [{"words": 3}]}, r"turns\[0\]\.answers\[0\]\.words: 3 is not of the type str"),
        ({"answers": [{"ids": [1, True]}]}, r"ids\[1\]: True is not of the type int"),
        ({"answers": [{"calls": [{"name": "x"}]}]}, r"calls\[0\]: lacks arguments"),
        ({"answers": "hello"}, "answers: is no JSON array"),
        ({"played": float("inf")}, "played: inf is not of the type float"),
        ({"again": True}, "there is no turn before it"),
        ({"user": []}, r"turns\[0\]: its user says nothing"),
        ({"user": [{"text": "\ud83d"}]}, r"user\[0\]\.text: '\\ud83d' holds half of a character"),
        ({"user": [{"recording": f"{'a' * 300}.wav"}]}, "a{80}: no such file in the folder"),
        ("hello", r"turns\[0\]: is no JSON object"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(turn: Any, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (tmp_path / "secret.wav").touch()
    (folder / "folder.wav").mkdir()
    os.symlink(tmp_path / "secret.wav", folder / "link.wav")
    with pytest.raises(SavedError, match=message):
        SavedConversation.load(stranger(folder, {**TURN, **turn} if isinstance(turn, dict) else turn))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; a saved conversation has it"),
        (b"{", "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b"\xff", "cannot be read as JSON"),
        (b"[]", "is no JSON object"),
        (b'{"format": 2}', "its format is 2; this version reads 1"),
        (b'{"format": 1}', "about: is no JSON object"),
    ],
)
def test_a_file_that_is_none_is_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    with pytest.raises(SavedError, match=message):
        SavedConversation.load(tmp_path)


def test_tokens_are_nothing_that_a_user_says(assistant: Assistant, tokenizer: Any, tmp_path: Path) -> None:
    dialogue = writing(assistant, tmp_path, ended(tokenizer.encode("ok")))
    with pytest.raises(SavedError, match="texts and recordings"):
        list(dialogue.answer(TokenPart([1])))
