"""Talking on a terminal: files and lines in, words and WAV files out."""

import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from step_audio_2.checkpoint import DEFAULT_VOICE
from tests.conftest import ROOT

pytestmark = pytest.mark.slow  # every call loads a model


def talk(*words: object, said: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "step_audio_2.live", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, input=said, capture_output=True, text=True, timeout=300)


def test_turns_are_answered_in_words_and_sound(
    tiny_checkpoint: Path, voice: Path, voices_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("bm25s", reason="the live extra is not installed")
    (tmp_path / "weather.json").write_text("{}")
    settings = ["--output", tmp_path, "--documents", ROOT / "docs", "--weather", tmp_path / "weather.json"]
    done = talk(tiny_checkpoint, voice, "hello there", *settings, "--voices", voices_folder)
    assert done.returncode == 0, done.stderr
    assert f"[1] {voice}" in done.stdout
    assert "[2] hello there" in done.stdout
    for number in (1, 2):
        sound = soundfile.info(tmp_path / f"{number}.wav")
        assert (sound.samplerate, sound.channels) == (24_000, 1)
        assert sound.frames % 960 == 0


def test_lines_of_standard_input_are_turns(tiny_checkpoint: Path) -> None:
    done = talk(tiny_checkpoint, "--write", said="one\ntwo\n")
    assert done.returncode == 0, done.stderr
    assert "[1] one\n" in done.stdout
    assert "[2] two\n" in done.stdout


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
