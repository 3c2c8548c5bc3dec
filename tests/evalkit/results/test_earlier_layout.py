"""A task's folder as earlier versions wrote it: whole requests in every line, all speech in one folder, no index."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalkit.audio import Audio
from evalkit.audio.digests import file_digest
from evalkit.results.copying import join_responses
from evalkit.results.recorded_calls import RecordedCalls
from evalkit.results.responses import ResponseStore
from evalkit.types import Call, Message, Request, Response

TOOL = {"type": "function", "function": {"name": "get_weather", "description": "How the weather is. " * 40}}
LONG = Request((Message("system", ("Be kind. " * 60,)), Message("user", ("Who are you?",))), tools=(TOOL,))
SPOKEN = Response("I am I.", seconds=1.5, speech=Audio("speech/0a1b2c3d.flac"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    recording = tmp_path / "task" / "speech" / "0a1b2c3d.flac"
    recording.parent.mkdir(parents=True)
    soundfile.write(recording, np.random.default_rng(0).uniform(-0.5, 0.5, 1_600), 16_000)
    speech = {"locator": "speech/0a1b2c3d.flac", "duration": 0.1, "digest": file_digest(str(recording))}
    response = {"text": "I am I.", "seconds": 1.5, "speech": speech}
    asked = json.loads(LONG.content())
    line = {"sample": "a", "call": 0, "request": LONG.content_hash(), "asked": asked, "response": response}
    (tmp_path / "task" / "model.jsonl").write_text(json.dumps(line) + "\n")
    return tmp_path / "task"


def test_it_is_continued_as_it_is(folder: Path) -> None:
    line = (folder / "model.jsonl").read_bytes()
    waveform = np.zeros(1_600, np.float32)
    for _ in range(2):
        with ResponseStore(folder) as store:
            assert store.get("a", 0, Call("model", LONG)) == SPOKEN
            assert store.usage["model"].answers >= 1
            store.append("b", 0, Call("model", LONG), Response("me", speech=Audio.of_waveform("b", waveform, 16_000)))
    assert (folder / "model.jsonl").read_bytes().startswith(line)
    said = sorted(path.relative_to(folder).as_posix().count("/") for path in folder.rglob("*.flac"))
    assert said == [1, 2], "the old recording where it was, the new one in a folder of its own"


def test_its_requests_are_shown_whole_and_merged_with_newer_ones(folder: Path, tmp_path: Path) -> None:
    with ResponseStore(tmp_path / "newer") as store:
        store.append("b", 0, Call("model", LONG), Response("me"))
    join_responses([folder, tmp_path / "newer"], tmp_path / "joined")
    with RecordedCalls(tmp_path / "joined") as calls:
        for sample, text in {"a": "I am I.", "b": "me"}.items():
            (call,) = calls.of(sample, [{"role": "model", "text": text, "failure": None}])
            assert call.asked == json.loads(LONG.content())
    assert (tmp_path / "joined" / "speech" / "0a1b2c3d.flac").is_file()


def test_speech_that_was_lost_is_asked_again(folder: Path) -> None:
    (folder / "speech" / "0a1b2c3d.flac").unlink()
    with ResponseStore(folder) as store:
        assert store.get("a", 0, Call("model", LONG)) is None
