"""What a recording is known by: its bytes, not its name."""

import hashlib
import os
import sqlite3
from pathlib import Path

import pytest

from evalkit.audio import Audio, digests
from evalkit.types import Message, Request


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a moment ago may be remembered, so that a test need not wait."""
    monkeypatch.setattr(digests, "_SETTLED_NANOSECONDS", -(1 << 62))


def asking(path: Path) -> Request:
    return Request((Message("user", (Audio("a.wav", path),)),))


def test_another_recording_under_the_same_name_is_another_question(tmp_path: Path) -> None:
    clean, noisy = tmp_path / "clean", tmp_path / "noisy"
    for folder, content in ((clean, b"clean"), (noisy, b"noisy")):
        folder.mkdir()
        (folder / "a.wav").write_bytes(content)
    assert asking(clean / "a.wav").content_hash() != asking(noisy / "a.wav").content_hash()
    moved = tmp_path / "moved.wav"
    moved.write_bytes(b"clean")
    assert asking(moved).content_hash() == asking(clean / "a.wav").content_hash()


def test_bytes_in_a_table_are_known_as_the_same_file_is(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"sound")
    assert Audio("a", content=lambda: b"sound").digest() == Audio("a", tmp_path / "a").digest()


def test_a_recording_that_is_not_at_hand_has_no_digest_and_its_name_is_what_there_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "pipe", Path("a\0b")):
        assert Audio("a", path).digest() is None
    assert Audio("a").digest() is None
    assert Request((Message("user", (Audio("a"),)),)).content().count("digest") == 0


def test_a_replaced_file_is_noticed_even_where_size_and_date_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    before, status = Audio("a", file).digest(), file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert Audio("a", file).digest() != before


def test_a_file_that_has_not_changed_is_read_once_in_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    digest = Audio("a", file).digest()
    digests._index(str(tmp_path / "cache"))._keep()
    digests._index.cache_clear()  # as a new process
    monkeypatch.setattr(hashlib, "file_digest", None)  # reading would fail
    assert Audio("a", file).digest() == digest


def test_a_cache_that_cannot_be_used_costs_only_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    expected = Audio("a", content=file.read_bytes).digest()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "recordings.sqlite").write_bytes(b"no database" * 1000)
    (tmp_path / "plain file").write_bytes(b"")
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.close()
    for folder in (tmp_path / "broken", tmp_path / "plain file"):
        monkeypatch.setenv("EVALKIT_CACHE", str(folder))
        assert Audio("a", file).digest() == expected
