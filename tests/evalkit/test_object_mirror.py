"""What befalls runs on object stores: kills, copies that are deleted, others who look, take over or remove things."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from evalkit import object_mirror, object_store
from evalkit.errors import StoreError
from evalkit.object_mirror import HELD
from evalkit.object_store import copy_of, fetched, held
from evalkit.results.folder import RunFolder
from tests.conftest import ROOT

pytest.importorskip("fsspec")

from tests.shared_store import SHARED_STORE


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bucket of a store that several processes see."""
    folder = tmp_path / "store" / "bucket"
    folder.mkdir(parents=True)
    monkeypatch.setenv(SHARED_STORE, str(tmp_path / "store"))
    monkeypatch.setattr(object_mirror, "SECONDS_TO_SETTLE", 0.0)
    return folder


def address(folder: Path) -> str:
    return f"shared://{folder.relative_to(os.environ[SHARED_STORE])}"


def until(condition: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("never came true")


_WRITER = """
import os, sys, time
import tests.shared_store
from evalkit import object_store
from evalkit.object_store import copy_of, held

object_store.SECONDS_BETWEEN = 0.02
address, answers = sys.argv[1:]
path = copy_of(address)
with held(path):
    with (path / "model.jsonl").open("a") as log:
        for number in range(int(answers)):
            log.write(f"{number}\\n")
            log.flush()
        print("written", flush=True)
        time.sleep(600)
"""


@pytest.fixture
def writer() -> Iterator[Callable[[str, int], subprocess.Popen[str]]]:
    """A process that holds a folder and writes answers to it, until it is killed."""
    begun = []

    def begin(where: str, answers: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, where, str(answers)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        return process

    yield begin
    for process in begun:
        killed(process)


def killed(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


Writer = Callable[[str, int], subprocess.Popen[str]]


@pytest.mark.slow
def test_a_copy_that_was_deleted_after_a_kill_takes_nothing_from_the_store(store: Path, writer: Writer) -> None:
    run = store / "run"
    run.mkdir()
    process = writer(address(run), 3)
    until(lambda: (run / "model.jsonl").is_file() and (run / "model.jsonl").read_text() == "0\n1\n2\n")
    killed(process)
    for path in copy_of(address(run)).iterdir():
        path.unlink()
    assert (fetched(address(run)) / "model.jsonl").read_text() == "0\n1\n2\n"
    with held(copy_of(address(run))):
        assert (copy_of(address(run)) / "model.jsonl").read_text() == "0\n1\n2\n"
    assert (run / "model.jsonl").read_text() == "0\n1\n2\n"
    assert not (run / HELD).exists()


def test_a_killed_run_goes_on_from_its_copy_though_a_second_start_was_killed_as_well(
    store: Path, writer: Writer
) -> None:
    run = store / "run"
    run.mkdir()
    killed(writer(address(run), 2))
    killed(writer(address(run), 1))
    (run / "model.jsonl").write_text("0\n")  # as an earlier push had it
    with held(copy_of(address(run))):
        assert (copy_of(address(run)) / "model.jsonl").read_text() == "0\n1\n0\n"
    assert (run / "model.jsonl").read_text() == "0\n1\n0\n"


@pytest.mark.slow
@pytest.mark.parametrize("of", ["the folder above", "a part of it"])
def test_to_look_at_a_folder_leaves_the_run_in_it_that_goes_on_here_as_it_stands(
    store: Path, writer: Writer, of: str
) -> None:
    run = store / "runs" / "night"
    (run / "shards").mkdir(parents=True)
    (run / "shards" / "config.yaml").write_text("{}")
    (store / "runs" / "other.json").write_text("{}")
    writer(address(run), 2)
    until(lambda: (run / "model.jsonl").is_file())
    (run / "model.jsonl").write_text("0\n")  # older than the copy
    log = copy_of(address(run)) / "model.jsonl"
    before = log.stat().st_ino
    looked = fetched(address(store / "runs" if of == "the folder above" else run / "shards"))
    assert (looked / ("other.json" if of == "the folder above" else "config.yaml")).is_file()
    assert log.stat().st_ino == before
    assert log.read_text() == "0\n1\n"


@pytest.mark.slow
def test_to_write_to_a_folder_leaves_what_another_process_holds_in_it_alone(store: Path, writer: Writer) -> None:
    run = store / "night"
    shard = run / "shards" / "1-of-2"
    shard.mkdir(parents=True)
    writer(address(shard), 2)
    until(lambda: (shard / "model.jsonl").is_file() and (shard / "model.jsonl").read_text() == "0\n1\n")
    with held(copy_of(address(run))):
        (copy_of(address(run)) / "metrics.json").write_text("{}")
        (shard / "model.jsonl").unlink()
    assert (run / "metrics.json").is_file()
    assert not (shard / "model.jsonl").exists(), "what the shard writes is sent by its own process alone"
    assert (copy_of(address(shard)) / "model.jsonl").read_text() == "0\n1\n"


def test_what_another_machine_brings_to_a_folder_within_meanwhile_is_left_as_it_is(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = store / "night"
    shard = run / "shards" / "1-of-2"
    shard.mkdir(parents=True)
    (shard / "model.jsonl").write_text("0\n")
    with held(copy_of(address(run))):
        (copy_of(address(run)) / "metrics.json").write_text("{}")
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("EVALKIT_CACHE", str(tmp_path / "another machine"))
            with held(copy_of(address(shard))):
                (copy_of(address(shard)) / "model.jsonl").write_text("0\n1\n")
    assert (run / "metrics.json").is_file()
    assert (shard / "model.jsonl").read_text() == "0\n1\n"
    assert (fetched(address(run)) / "shards" / "1-of-2" / "model.jsonl").read_text() == "0\n1\n"


def test_whoever_reads_a_recording_reads_it_whole_while_another_process_fetches_it_anew(store: Path) -> None:
    recording = store / "data" / "a.wav"
    recording.parent.mkdir()
    recording.write_bytes(b"a" * 100_000)
    with (fetched(address(store / "data")) / "a.wav").open("rb") as file:
        recording.write_bytes(b"b")
        assert (fetched(address(store / "data")) / "a.wav").read_bytes() == b"b"
        assert file.read() == b"a" * 100_000


_FETCHER = """
import sys
import tests.shared_store
from evalkit.object_store import fetched

class Counted(tests.shared_store.SharedStore):
    def get_file(self, path, *arguments, **options):
        print(path)
        super().get_file(path, *arguments, **options)

tests.shared_store.fsspec.register_implementation("shared", Counted, clobber=True)
fetched(sys.argv[1])
"""


def test_of_processes_that_want_the_same_at_once_one_fetches_it(store: Path) -> None:
    for number in range(50):
        (store / f"{number}.wav").write_bytes(b"a" * 100_000)
    words = [sys.executable, "-c", _FETCHER, address(store)]
    fetchers = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    said = "".join(fetcher.communicate()[0] for fetcher in fetchers)
    assert said.count(".wav") == 50


def test_a_run_whose_hold_was_taken_from_it_overwrites_nothing(store: Path) -> None:
    run = store / "run"
    run.mkdir()

    def taken() -> None:
        with held(copy_of(address(run))):
            (copy_of(address(run)) / "model.jsonl").write_text("ours\n")
            (run / HELD).unlink()
            (run / "model.jsonl").write_text("theirs\n")

    with pytest.raises(StoreError, match="is not held by this process any more"):
        taken()
    assert (run / "model.jsonl").read_text() == "theirs\n"
    assert (fetched(address(run)) / "model.jsonl").read_text() == "theirs\n"


def test_a_copy_that_is_deleted_in_the_middle_takes_nothing_from_the_store(store: Path) -> None:
    run = store / "run"
    run.mkdir()
    (run / "model.jsonl").write_text("0\n")

    def deleted() -> None:
        with held(copy_of(address(run))):
            shutil.rmtree(copy_of(address(run)))

    with pytest.raises(StoreError, match="its copy at .* was deleted"):
        deleted()
    assert (run / "model.jsonl").read_text() == "0\n"


def test_what_others_remove_in_the_middle_is_there_in_the_end(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "SECONDS_BETWEEN", 0.02)
    run = store / "run"
    run.mkdir()
    path = copy_of(address(run))
    with held(path):
        for name in ("model.jsonl", "config.yaml", "gone.json"):
            (path / name).write_text(f"{name}\n")
        until(lambda: len(list(run.iterdir())) == 4)
        for name in ("model.jsonl", "gone.json"):
            (run / name).unlink()
        (path / "gone.json").unlink()
    assert {each.name: each.read_text() for each in run.iterdir()} == {
        name: f"{name}\n" for name in ("model.jsonl", "config.yaml")
    }


def test_a_hold_that_cannot_be_begun_is_given_back(store: Path) -> None:
    run = store / "run"
    run.mkdir()
    (run / "model.jsonl").write_text("0\n")
    (copy_of(address(run)) / "model.jsonl").mkdir(parents=True)
    with pytest.raises(StoreError, match="model.jsonl"), held(copy_of(address(run))):
        pass
    assert not (run / HELD).exists()


@pytest.mark.parametrize("name", ["night [v2]", "a*b", "was?", "ä 測試", "50% off", "#1"])
def test_names_of_any_kind(store: Path, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = store / name
    run.mkdir()
    with held(copy_of(address(run))):
        for file in (f"{name}.jsonl", "metrics.json"):
            (copy_of(address(run)) / file).write_text("1\n")
    with held(copy_of(address(run))):
        (copy_of(address(run)) / "metrics.json").unlink()
    assert [path.name for path in run.iterdir()] == [f"{name}.jsonl"]
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "another machine"))
    assert (fetched(address(run)) / f"{name}.jsonl").read_text() == "1\n"


class _Counted:
    """A store that counts the bytes that are sent to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from fsspec.implementations.local import LocalFileOpener, LocalFileSystem

        self.sent = 0
        put, write = LocalFileSystem.put_file, LocalFileOpener.write

        def put_file(fs: LocalFileSystem, path: str, *arguments: object, **options: object) -> None:
            self.sent += os.path.getsize(path)
            put(fs, path, *arguments, **options)

        def written(file: LocalFileOpener, content: bytes) -> int:
            self.sent += len(content)
            number: int = write(file, content)
            return number

        monkeypatch.setattr(LocalFileSystem, "put_file", put_file)
        monkeypatch.setattr(LocalFileOpener, "write", written, raising=False)


@pytest.mark.slow
def test_of_a_log_that_grows_what_was_added_is_sent_alone(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "SECONDS_BETWEEN", 0.02)
    monkeypatch.setattr(object_mirror, "_LEAST_APPENDED_TO", 1_000)
    monkeypatch.setattr(object_mirror, "_APPENDING", {"shared"})
    counted = _Counted(monkeypatch)
    run = store / "run"
    run.mkdir()
    path, line = copy_of(address(run)), json.dumps({"text": "a" * 80}) + "\n"
    stored = run / "model.jsonl"
    with held(path), (path / "model.jsonl").open("w") as log:
        half = 0  # of a line that is being written
        for number in range(50):
            log.write(line[half:] + line * 19)
            log.flush()
            until(lambda: stored.is_file() and stored.stat().st_size == (number + 1) * 20 * len(line))  # noqa: B023
            half = log.write(line[:40])
            log.flush()
        log.write(line[half:])
    assert stored.read_text() == line * 1_001
    assert counted.sent < 2 * 1_001 * len(line)


def test_a_log_that_others_cut_or_replaced_is_sent_whole(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "SECONDS_BETWEEN", 0.02)
    monkeypatch.setattr(object_mirror, "_LEAST_APPENDED_TO", 10)
    monkeypatch.setattr(object_mirror, "_APPENDING", {"shared"})
    run = store / "run"
    run.mkdir()
    log = copy_of(address(run)) / "model.jsonl"
    stored = run / "model.jsonl"

    def is_in_line() -> bool:
        return stored.is_file() and stored.read_bytes() == log.read_bytes()

    with held(copy_of(address(run))):
        log.write_text("first line\nsecond line\n")
        until(is_in_line)
        stored.unlink()
        with log.open("a") as file:
            file.write("third line\n")
        until(is_in_line)
        log.with_name("other").write_text("another first line\nsecond line\nthird line\n")
        log.with_name("other").replace(log)
        until(is_in_line)
        os.truncate(log, len("another first line\n"))
        with log.open("a") as file:
            file.write("another second line, longer than both before\n")
    assert stored.read_bytes() == log.read_bytes()


def test_the_last_push_waits_for_a_store_that_is_away(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store / "run"
    run.mkdir()

    def comes_back(_: float) -> None:
        run.unlink()
        (store / "away").rename(run)

    with held(copy_of(address(run))):
        (copy_of(address(run)) / "model.jsonl").write_text("0\n")
        run.rename(store / "away")
        run.write_text("no folder")  # NotADirectoryError at every access
        monkeypatch.setattr("evalkit.object_store.time.sleep", comes_back)
    assert (run / "model.jsonl").read_text() == "0\n"


def test_a_run_that_is_begun_anew_stays_held(store: Path) -> None:
    run = store / "run"
    run.mkdir()
    (run / "model.jsonl").write_text("0\n")
    with held(copy_of(address(run))), closing(RunFolder(copy_of(address(run)))) as folder:
        folder.set_aside()
        (folder.path / "model.jsonl").write_text("anew\n")
    assert (run / "model.jsonl").read_text() == "anew\n"
    assert (run / "replaced" / "1" / "model.jsonl").read_text() == "0\n"
    assert not list(run.rglob(HELD))
