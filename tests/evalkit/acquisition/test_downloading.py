"""Downloads from a server on this machine that breaks off, changes its mind, and answers as others do."""

import hashlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalkit.acquisition.downloading import download
from evalkit.errors import DataError
from tests.evalkit.datasets.file_server import CONTENT, FileServer


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()


def test_a_file_is_fetched_once(tmp_path: Path, server: FileServer) -> None:
    file = tmp_path / "downloads" / "corpus.tar.gz"
    digest = hashlib.sha256(CONTENT).hexdigest()
    download(server.url, file, sha256=digest.upper())
    download(server.url, file, sha256=digest)
    assert file.read_bytes() == CONTENT
    assert server.asked == [None]
    assert [entry.name for entry in file.parent.iterdir()] == ["corpus.tar.gz"]


def test_a_broken_download_is_resumed(tmp_path: Path, server: FileServer) -> None:
    file = tmp_path / "corpus.tar.gz"
    server.breaks_after = 1_000_000
    with pytest.raises(DataError, match=re.escape(f"after 1,000,000 of {len(CONTENT):,} bytes; the same command")):
        download(server.url, file)
    assert not file.exists()
    server.breaks_after = None
    download(server.url, file)
    assert file.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000000-"]


@pytest.mark.parametrize("change", ["content", "no ranges", "no version"])
def test_a_download_that_cannot_be_resumed_starts_anew(tmp_path: Path, server: FileServer, change: str) -> None:
    file = tmp_path / "corpus.tar.gz"
    server.breaks_after = 1_000_000
    if change == "no version":
        server.entity_tag = None
    with pytest.raises(DataError):
        download(server.url, file)
    server.breaks_after = None
    if change == "content":
        server.content, server.entity_tag = CONTENT[::-1], '"v2"'
    server.ranges = change != "no ranges"
    download(server.url, file)
    assert file.read_bytes() == server.content


def test_a_download_that_ended_just_before_it_was_put_in_place(tmp_path: Path, server: FileServer) -> None:
    (tmp_path / "corpus.tar.gz.part").write_bytes(CONTENT)
    (tmp_path / "corpus.tar.gz.part.version").write_text('"v1"')
    download(server.url, tmp_path / "corpus.tar.gz")
    assert (tmp_path / "corpus.tar.gz").read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_other_content_than_is_known_is_refused(tmp_path: Path, server: FileServer) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    file = tmp_path / "corpus.tar.gz"
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(DataError, match=rf"corpus\.tar\.gz\.part: its SHA-256 is \w+, but that of .* is {digest}"):
        download(server.url, file, sha256=digest)
    assert not file.exists()
    file.write_bytes(b"something else")
    with pytest.raises(DataError, match="delete it and start again"):
        download(server.url, file, sha256=digest)


def test_servers_and_addresses_that_do_not_answer(tmp_path: Path, server: FileServer) -> None:
    with pytest.raises(DataError, match=r"/else: the server answers 404"):
        download(server.url.replace("corpus.tar.gz", "else"), tmp_path / "x")
    with pytest.raises(DataError, match=r"cannot be fetched \(.*refused.*\); the same command continues"):
        download("http://127.0.0.1:1/x", tmp_path / "x")
    for url in ("file:///etc/passwd", "ftp://127.0.0.1/x", "/etc/passwd"):
        with pytest.raises(DataError, match="not an http or https address"):
            download(url, tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("length", ["many", "-5", "1e3", ""])
def test_a_length_that_is_none_is_no_length(tmp_path: Path, server: FileServer, length: str) -> None:
    server.content_length = length or " "
    download(server.url, tmp_path / "corpus.tar.gz")
    assert (tmp_path / "corpus.tar.gz").read_bytes() == CONTENT
