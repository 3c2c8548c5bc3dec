"""Answers kept from one run to the next."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.audio import Audio
from evalkit.errors import AudioError, StoreError
from evalkit.inference.served.cache import AnswerCache, identity
from evalkit.types import Failure, Message, Request, Response, ToolCall, Usage
from model_adapters.openai.models import ChatModel, TranscriptionModel
from tests.servers.sound import encode_speech, tone


def _recording(content: bytes, locator: str = "a.wav") -> Audio:
    return Audio(locator, content=lambda: content)


def _asking(*parts: str | Audio, **settings: Any) -> Request:
    return Request((Message("user", parts or ("hello",)),), **settings)


MODEL = {"model": "m", "server": "h"}


def test_one_question_has_one_identity_wherever_it_comes_from() -> None:
    first = _asking("Listen: ", _recording(b"sound"), generation={"temperature": 0, "seed": 1}, task="t", sample_id="1")
    again = _asking("Listen: ", _recording(b"sound", "b.flac"), generation={"seed": 1, "temperature": 0}, task="u")
    assert identity(first, MODEL) == identity(again, {"server": "h", "model": "m"})


@pytest.mark.parametrize(
    "other",
    [
        _asking("hello."),
        _asking("hel", "lo"),
        _asking(generation={"temperature": 0.5}),
        _asking(language="en"),
        _asking(output="speech"),
        _asking(tools=({"type": "function", "function": {"name": "f"}},)),
        _asking(replies=2),
        _asking(attempt=1),
        _asking("hello", _recording(b"")),
        Request((Message("system", ("hello",)),)),
        Request((Message("user", ("hello",), tool_calls=(ToolCall("f"),)),)),
        Request((Message("user", ("hello",)), Message("user", ()))),
    ],
    ids=repr,
)
def test_whatever_changes_the_question_changes_its_identity(other: Request) -> None:
    assert identity(other, MODEL) != identity(_asking(), MODEL)


def test_recordings_count_by_their_bytes_and_their_place_not_by_their_names() -> None:
    heard = identity(_asking(_recording(b"one"), _recording(b"two")), MODEL)
    assert identity(_asking(_recording(b"one", "x"), _recording(b"two", "y")), MODEL) == heard
    assert identity(_asking(_recording(b"two"), _recording(b"one")), MODEL) != heard
    assert identity(_asking(_recording(b"one"), _recording(b"twq")), MODEL) != heard


def test_a_recording_that_cannot_be_read_has_no_identity(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="absent"):
        identity(_asking(Audio("absent", tmp_path / "absent.wav")), MODEL)


def test_the_model_its_server_with_its_port_and_its_settings_count_but_not_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET", "sk-secret")

    def with_model(**settings: Any) -> str:
        model = ChatModel(**{"model": "m", "base_url": "http://127.0.0.1:8000/v1", **settings})
        return identity(_asking(), model.fingerprint())

    usual = with_model()
    for same in (
        {"base_url": "http://127.0.0.1:8000/v1/"},
        {"base_url": "http://127.0.0.1:9000/v1", "server": "127.0.0.1:8000/v1"},
        {"api_key_variable": "SECRET"},
        {"limits": {"concurrency": 2}},
        {"prices": {"input": 1}},
        {"stream": True},
    ):
        assert with_model(**same) == usual, same
    for different in (
        {"model": "n"},
        {"base_url": "http://127.0.0.2:8000/v1"},
        {"base_url": "http://127.0.0.1:9000/v1"},
        {"base_url": "http://127.0.0.1/v1"},
        {"base_url": "http://127.0.0.1:8000/other/v1"},
        {"deployment": "step-100"},
        {"sample_rate": 8_000},
        {"generation": {"temperature": 0}},
        {"extra_body": {"top_k": 1}},
    ):
        assert with_model(**different) != usual, different
    recogniser = TranscriptionModel("m", "http://127.0.0.1:8000/v1")
    assert identity(_asking(), recogniser.fingerprint()) != usual


def test_answers_come_back_whole_and_marked(tmp_path: Path) -> None:
    speech = encode_speech(tone(0.1), "wav")
    response = Response(
        text="yes \ud800 是",
        seconds=1.5,
        speech=_recording(speech),
        tool_calls=(ToolCall("f", '{"x": 1}', "call_1"),),
        replies=("yes", "no"),
        finish_reason="length",
        logprobs=({"token": "yes", "logprob": -0.5},),
        usage=Usage(requests=2, input_tokens=3, cost=0.25),
    )
    cache = AnswerCache(tmp_path / "deep" / "folder")
    assert cache.get("a") is None
    cache.put("a", response)
    cache.close()
    cache = AnswerCache(tmp_path / "deep" / "folder")
    found = cache.get("a")
    assert found is not None
    assert replace(found, speech=response.speech) == replace(response, cached=True)
    assert found.speech is not None
    assert found.speech.encoded() == speech
    assert len(found.speech.waveform(24_000)) == 2400
    cache.close()


def test_failures_never_enter(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path)
    cache.put("a", Response(text="partial", failure=Failure("error", "HTTP 500")))
    assert cache.get("a") is None
    cache.put("a", Response(text="good"))
    cache.put("a", Response(failure=Failure("error", "HTTP 500")))
    found = cache.get("a")
    assert found is not None
    assert found.text == "good"
    cache.close()


def test_an_empty_answer_is_one_too(tmp_path: Path) -> None:
    """Such as the right transcript of silence."""
    cache = AnswerCache(tmp_path)
    cache.put("a", Response(text=""))
    found = cache.get("a")
    assert found is not None
    assert (found.text, found.failed) == ("", False)
    cache.close()


_WRITER = """
import sys
from pathlib import Path
from evalkit.inference.served.cache import AnswerCache
from evalkit.types import Response
folder, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sys.stdin.read(1)
cache = AnswerCache(folder)
for number in range(count):
    cache.put(f"{name}-{number}", Response(text=f"{name} {number} " + "x" * 2000))
    cache.put("shared", Response(text="shared"))
    if number == 20:
        print("writing", flush=True)
cache.close()
"""


def _writer(folder: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder), name, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_several_processes_begin_and_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    names = "abcd"
    writers = [_writer(tmp_path, name, 100) for name in names]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate()
        assert writer.returncode == 0, errors.decode()
    cache = AnswerCache(tmp_path)
    for name in names:
        for number in range(100):
            found = cache.get(f"{name}-{number}")
            assert found is not None
            assert found.text.startswith(f"{name} {number} x")
    cache.close()


def test_a_cache_opened_by_many_at_the_same_moment_is_made_once(tmp_path: Path) -> None:
    code = """
import os, sys, threading
from pathlib import Path
from evalkit.inference.served.cache import AnswerCache
def open_all(number):
    barrier.wait()
    for attempt in range(20):
        try:
            AnswerCache(Path(sys.argv[1]) / str(attempt)).close()
        except BaseException as error:
            errors.append(error)
errors, barrier = [], threading.Barrier(4)
threads = [threading.Thread(target=open_all, args=(n,)) for n in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert not errors, errors
"""
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE) for _ in "ab"]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()


def test_a_writer_that_is_killed_leaves_what_it_had_written(tmp_path: Path) -> None:
    writer = _writer(tmp_path, "a", 1_000_000)
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.write(b"\n")
    writer.stdin.flush()
    assert writer.stdout.readline() == b"writing\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    cache = AnswerCache(tmp_path)
    for number in range(20):
        found = cache.get(f"a-{number}")
        assert found is not None
        assert found.text == f"a {number} " + "x" * 2000
    cache.put("after", Response(text="after"))
    assert cache.get("after") is not None
    cache.close()


def _assert_said_in_one_line(error: StoreError, path: Path) -> None:
    assert str(error).startswith(f"{path}: the cache cannot be used (")
    assert "cache.folder=null" in str(error)
    assert "\n" not in str(error)


def test_a_file_of_another_kind_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    path.write_bytes(b"this is no database, " * 1000)
    with pytest.raises(StoreError) as refusal:
        AnswerCache(tmp_path)
    _assert_said_in_one_line(refusal.value, path)


def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path)
    for number in range(200):
        cache.put(str(number), Response(text="x" * 500))
    cache.close()
    path = tmp_path / "answers.sqlite"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError) as refusal:
        AnswerCache(tmp_path).get("7")
    _assert_said_in_one_line(refusal.value, path)


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", json.dumps({"text": "", "error": None, "seconds": 1, "usage": {"x": 1}})]
)
def test_an_entry_that_cannot_be_understood_is_no_traceback(tmp_path: Path, text: str) -> None:
    AnswerCache(tmp_path).close()
    path = tmp_path / "answers.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO answers VALUES ('a', ?, NULL)", (text,))
    database.close()
    cache = AnswerCache(tmp_path)
    with pytest.raises(StoreError) as refusal:
        cache.get("a")
    _assert_said_in_one_line(refusal.value, path)
    cache.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as refusal:
        AnswerCache(tmp_path / "file" / "cache")
    _assert_said_in_one_line(refusal.value, tmp_path / "file" / "cache" / "answers.sqlite")


@pytest.mark.parametrize(("kind", "mode"), [("ext4", "wal"), ("nfs4", "delete"), ("fuse.sshfs", "delete")])
def test_on_a_file_system_that_machines_share_nothing_relies_on_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, mode: str
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/home {tmp_path} {kind} rw 0 0\n")
    monkeypatch.setattr("evalkit.file_systems.MOUNTS", mounts)
    AnswerCache(tmp_path / "cache").close()
    database = sqlite3.connect(tmp_path / "cache" / "answers.sqlite")
    assert database.execute("PRAGMA journal_mode").fetchone() == (mode,)
    database.close()


def test_a_cache_that_another_process_holds_is_not_to_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalkit.inference.served.cache._PATIENCE", 0)
    cache = AnswerCache(tmp_path)
    cache.put("a", Response("one"))
    holder = sqlite3.connect(tmp_path / "answers.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another process has been holding the cache") as caught:
        cache.put("b", Response("two"))
    assert "delete" not in str(caught.value)
    found = cache.get("a")
    assert found is not None
    assert found.text == "one", "reading does not wait"
    holder.execute("COMMIT")
    holder.close()
    cache.close()
