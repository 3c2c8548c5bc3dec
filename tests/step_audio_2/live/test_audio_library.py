"""Recordings are found by description, by what is said and by how they sound, and voices are changed by them."""

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch

from step_audio_2.live.audio_library import AudioLibrary, LibraryError, read_manifest
from step_audio_2.live.tools import ToolError, ToolResult
from step_audio_2.live.voice_search import VOICE_CHANGED, voice_search
from step_audio_2.speech import Token2Wav

pytest.importorskip("bm25s", reason="the live extra is not installed")


@pytest.fixture(scope="module")
def library(voices_folder: Path) -> AudioLibrary:
    return AudioLibrary.from_folder(voices_folder)


@pytest.mark.parametrize(
    ("query", "name"),
    [("海绵宝宝的声音", "low.wav"), ("北京大爷", "high.wav"), ("storyteller, deep", "middle.wav")],
)
def test_a_voice_is_found_by_its_description(query: str, name: str, library: AudioLibrary) -> None:
    assert library.by_description(query)[0].recording.name == name
    assert library.by_description("zebra") == []


def test_a_recording_is_found_by_what_is_said(library: AudioLibrary) -> None:
    assert [entry.recording.name for entry in library.by_transcript("once upon a time", 3)] == ["middle.wav"]


def test_descriptions_are_found_by_meaning_where_there_are_embeddings(voices_folder: Path) -> None:
    def embed(texts: Any) -> torch.Tensor:
        return torch.tensor([[float("快乐" in text or "happy" in text), 1.0] for text in texts])

    library = AudioLibrary.from_folder(voices_folder, embed)
    first, *others = library.by_description("somebody happy", 3)
    assert first.recording.name == "low.wav"
    assert len(others) == 2


def test_a_recording_is_found_by_its_sound(
    library: AudioLibrary, voices_folder: Path, token2wav: Token2Wav, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(voices_folder / "high.wav")
    soundfile.write(tmp_path / "again.wav", 0.5 * samples[: rate * 3 // 4], rate)
    found = library.by_sound(tmp_path / "again.wav", token2wav, 3)
    assert found[0].recording.name == "high.wav"
    assert len(found) == 3


def test_a_description_changes_the_voice_and_the_model_reads_the_published_sentence(
    library: AudioLibrary, voices_folder: Path, token2wav: Token2Wav, voice: Path
) -> None:
    tool = voice_search(library, token2wav, voice)
    result = tool.run(query="海绵宝宝的声音")
    assert isinstance(result, ToolResult)
    assert result.text == VOICE_CHANGED == "你的音色已经更新完成，请继续对话。"
    assert result.voice is token2wav.voice(voices_folder / "low.wav")
    assert result.voice in token2wav._states, "the voice is ready before the next answer begins"
    assert [document.source for document in result.documents] == ["low.wav"]
    with pytest.raises(ToolError, match="没有找到符合zebra的声音"):
        tool.run(query="zebra")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("默认男音色", "low.wav"),
        ("默认女音色", "high.wav"),
        ("换回你原来的声音", "default_female.wav"),
        ("your original voice", "default_female.wav"),
        ("the default female voice", "high.wav"),
    ],
)
def test_the_way_back(
    query: str, name: str, library: AudioLibrary, voices_folder: Path, token2wav: Token2Wav, voice: Path
) -> None:
    tool = voice_search(library, token2wav, voice, male=voices_folder / "low.wav", female=voices_folder / "high.wav")
    result = tool.run(query=query)
    assert isinstance(result, ToolResult)
    assert result.voice is not None
    assert Path(result.voice.name).name == name
    only = voice_search(library, token2wav, voice).run(query="默认男音色")
    assert isinstance(only, ToolResult)
    assert only.voice is token2wav.voice(voice)


def test_a_recording_that_is_no_voice_is_told_without_its_path(
    voices_folder: Path, token2wav: Token2Wav, voice: Path, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "short.wav", [0.0] * 100, 16_000)
    record = {"recording": "short.wav", "description": "short"}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(record))
    with pytest.raises(ToolError) as error:
        voice_search(AudioLibrary.from_folder(tmp_path), token2wav, voice).run(query="short")
    assert str(error.value) == "录音short.wav不能用作音色"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: is no JSON"),
        ("[]", "line 1: must be an object of texts"),
        ('{"recording": "a.wav", "description": 3}', "line 1: must be an object of texts"),
        ('{"recording": "a.wav"}', "line 1: lacks 'description'"),
        ('{"recording": "a.wav", "description": "b", "speeker": "c"}', "line 1: unknown key 'speeker'; known keys are"),
        ('{"recording": "a.wav", "description": "b"}', "line 1: there is no recording a.wav in the library's folder"),
        (f'{{"recording": "{"a" * 300}.wav", "description": "b"}}', "line 1: there is no recording a{80} in"),
        ('{"recording": "a\\u0000.wav", "description": "b"}', "line 1: there is no recording"),
        ('{"recording": "/etc/passwd", "description": "b"}', "line 1: there is no recording passwd in"),
        ('\n{"recording": "a.wav", "description": "b\u2028c"}', "line 2: there is no recording a.wav"),
        ('{"recording": "../x/manifest.jsonl", "description": "b"}', "there is no recording manifest.jsonl"),
    ],
)
def test_a_line_of_a_manifest_that_cannot_be_used_is_named(line: str, message: str, tmp_path: Path) -> None:
    for folder in ("library", "x"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "manifest.jsonl").write_text(line)
    with pytest.raises(LibraryError, match=message) as error:
        read_manifest(tmp_path / "library")
    assert "manifest.jsonl" in str(error.value)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"manifest\.jsonl: cannot be read"):
        read_manifest(tmp_path)
