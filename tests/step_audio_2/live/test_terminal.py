"""Talking on a terminal: files and lines in, words and WAV files out."""

import io
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import soundfile

from step_audio_2.assistant import Assistant
from step_audio_2.checkpoint import DEFAULT_VOICE
from step_audio_2.live.conversation import Conversation
from step_audio_2.live.options import parser_of, run
from step_audio_2.live.saved import About
from step_audio_2.live.terminal import Talk
from step_audio_2.live.tools import Tool
from tests.conftest import ROOT
from tests.step_audio_2.live.steering import Script, called, ended


def hold(assistant: Assistant, script: Script, *words: str, tools: Sequence[Tool] = ()) -> None:
    """Put turns to a model of this process, those of standard input if none are given."""
    options = parser_of("talk", "Talk.").parse_args(["--write"])
    talk = Talk(options, words, ExitStack())
    talk.hold(Conversation(assistant, tools=tools, settings=script.settings), About())


def test_a_line_that_cannot_be_answered_is_complained_of_and_the_next_one_read(
    assistant: Assistant, tokenizer: Any, monkeypatch: Any, capsys: Any, tmp_path: Path
) -> None:
    noise = tmp_path / "noise.txt"
    noise.write_text("no sound")
    long = "x" * 5_000  # longer than a name of a file can be
    monkeypatch.setattr("sys.stdin", io.StringIO(f"\n \nabsent.wav\n{noise}\n{long}\nhalf \udcff\n"))
    script = Script(*(ended(tokenizer.encode(word)) for word in ("one", "two")))
    hold(assistant, script)
    out, complaint = capsys.readouterr()
    assert out == f"[3] {long}\none\n[4] half \ufffd\ntwo\n"
    absent, unreadable = complaint.splitlines()
    assert absent == "error: absent.wav: there is no such recording"
    assert unreadable.startswith(f"error: {noise}: cannot be read as audio")


def test_a_word_that_cannot_be_answered_ends_the_talk(assistant: Assistant) -> None:
    with pytest.raises(ValueError, match=r"absent\.wav: there is no such recording"):
        hold(assistant, Script(), "absent.wav", "hello")


def test_a_terminal_obeys_nothing_that_a_tool_found(assistant: Assistant, tokenizer: Any, capsys: Any) -> None:
    tool = Tool("look", "looks", lambda: "\x1b]0;owned\x07\r\u202e")
    script = Script(ended(called(tokenizer, "look", "{}")), ended(tokenizer.encode("done")))
    hold(assistant, script, "look", tools=[tool])
    out = capsys.readouterr().out
    assert "<- \\x1b]0;owned\\x07\\r\\u202e [" in out
    assert "done" in out


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (PermissionError(13, "denied", "answers/1.wav"), 1, "error: [Errno 13] denied: 'answers/1.wav'\n"),
        (RuntimeError("a server of tools"), 1, "error: a server of tools\n"),
        (KeyError("its own"), 1, "error: 'its own'\n"),
        (KeyboardInterrupt(), 130, "\n"),
    ],
)
def test_a_talk_that_fails_says_so_in_one_line_and_closes_what_it_opened(
    error: BaseException, status: int, said: str, monkeypatch: Any, capsys: Any
) -> None:
    closed: list[bool] = []

    def talk(_: Namespace, resources: ExitStack) -> None:
        resources.callback(closed.append, True)
        raise error

    monkeypatch.setattr("sys.argv", ["talk"])
    assert run(parser_of("talk", "Talk."), talk, KeyError) == status
    assert capsys.readouterr() == ("", said)
    assert closed


def talk(*words: object, said: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "step_audio_2.live", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, input=said, capture_output=True, text=True, timeout=300)


@pytest.mark.slow  # as all below: every call loads a model
def test_turns_are_answered_in_words_and_sound(
    tiny_checkpoint: Path, voice: Path, voices_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("bm25s", reason="the live extra is not installed")
    (tmp_path / "weather.json").write_text("{}")
    settings = ["--output", tmp_path, "--documents", ROOT / "docs", "--weather", tmp_path / "weather.json"]
    done = talk(tiny_checkpoint, *settings, voice, "hello there", "--voices", voices_folder)
    assert done.returncode == 0, done.stderr
    assert f"[1] {voice}" in done.stdout
    assert "[2] hello there" in done.stdout
    for number in (1, 2):
        sound = soundfile.info(tmp_path / f"{number}.wav")
        assert (sound.samplerate, sound.channels) == (24_000, 1)
        assert sound.frames % 960 == 0


@pytest.mark.slow
def test_lines_of_standard_input_are_turns(tiny_checkpoint: Path) -> None:
    done = talk(tiny_checkpoint, "--write", said="one\ntwo\n")
    assert done.returncode == 0, done.stderr
    assert "[1] one\n" in done.stdout
    assert "[2] two\n" in done.stdout


@pytest.mark.slow
def test_a_conversation_is_kept_and_held_again(tiny_checkpoint: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    settings = ["--write", "--system", "小跃", "--seed", "7"]
    first = talk(tiny_checkpoint, "one", tiny_checkpoint / DEFAULT_VOICE, *settings, "--save", kept)
    assert first.returncode == 0, first.stderr
    again = talk(tiny_checkpoint, "--write", "--replay", kept)
    assert again.returncode == 0, again.stderr
    assert "[1] one\nthen: " in again.stdout
    assert "[2] 002_user_1.wav\nthen: " in again.stdout
    assert again.stdout.endswith("\n2 of 2 answers have the same tokens\n")


@pytest.mark.slow
def test_what_is_wrong_is_said_in_one_line(tiny_checkpoint: Path, tmp_path: Path) -> None:
    for words, message in (
        ([tmp_path / "absent"], "absent: no such folder"),
        ([tiny_checkpoint, "hi", "--voices", tmp_path], "manifest.jsonl: cannot be read"),
        ([tiny_checkpoint, "hi", "--voice", tmp_path / "no.wav"], "no.wav: the prompt cannot be read"),
        ([tiny_checkpoint, "--replay", tmp_path], "conversation.json: no such file; a saved conversation has it"),
    ):
        done = talk(*words)
        assert done.returncode == 1
        assert message in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
