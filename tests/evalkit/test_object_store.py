"""Runs and data on an object store: a server of the S3 protocol in a process of its own, and fsspec's in memory."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalkit import object_mirror, object_store
from evalkit.cli.run_argument import run_argument
from evalkit.datasets import open_dataset
from evalkit.errors import ConfigurationError, DataError, StoreError
from evalkit.object_mirror import HELD
from evalkit.object_store import address_of, copy_of, fetched, held, is_address
from tests.conftest import CommandLine, write_jsonl
from tests.processes import wait_for_lines, within

TASK = "librispeech_clean"
WORDS = "the cat sat on a mat while seventeen geese flew".split()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for others that take a run at the same moment."""
    monkeypatch.setattr(object_mirror, "SECONDS_TO_SETTLE", 0.0)


@pytest.mark.parametrize("text", ["s3://bucket/runs", "gs://bucket/a b", "memory://x"])
def test_addresses(text: str) -> None:
    assert is_address(text)
    assert address_of(copy_of(text)) == text


@pytest.mark.parametrize("text", ["runs", "/data/x", "C:/runs", "https://host/x", "file:///x", "a:b", "s3:/bucket"])
def test_paths_are_no_addresses(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize("text", ["s3://", "s3://bucket/../x", "s3://key:secret@bucket/x"])
def test_addresses_that_cannot_be(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        copy_of(text)
    assert "secret" not in str(caught.value)


def test_what_no_library_speaks_to_is_told_in_a_line() -> None:
    with pytest.raises((ConfigurationError, StoreError), match=r"^nowhere://bucket/run: .*nowhere"):
        fetched("nowhere://bucket/run")


@pytest.fixture
def memory() -> Iterator[str]:
    fsspec = pytest.importorskip("fsspec")
    yield "memory://bucket/run"
    fsspec.filesystem("memory").store.clear()


def there(name: str) -> bytes:
    import fsspec

    content: bytes = fsspec.filesystem("memory").cat_file(f"/bucket/run/{name}")
    return content


def names() -> list[str]:
    import fsspec

    return sorted(path.removeprefix("/bucket/run/") for path in fsspec.filesystem("memory").find("/bucket/run"))


def test_what_is_written_is_there_in_the_end_and_fetched_elsewhere(
    memory: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = copy_of(memory)
    with held(path):
        assert json.loads(there(HELD))["process"] == os.getpid()
        (path / "task").mkdir(parents=True)
        (path / "task" / "model.jsonl").write_text("one\n")
        (path / ".lock").touch()
        with pytest.raises(StoreError, match="is being written to by process"), held(path):
            pass
    assert names() == ["task/model.jsonl"]
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "another machine"))
    assert fetched(memory) == copy_of(memory) != path
    with held(copy_of(memory)):
        with (copy_of(memory) / "task" / "model.jsonl").open("a") as file:
            file.write("two\n")
        (copy_of(memory) / "metrics.json").write_text("{}")
    assert there("task/model.jsonl") == b"one\ntwo\n"
    monkeypatch.setenv("EVALKIT_CACHE", str(path.parents[3]))
    with held(path):
        assert (path / "task" / "model.jsonl").read_text() == "one\ntwo\n"
        (path / "metrics.json").unlink()
    assert names() == ["task/model.jsonl"]


def test_a_folder_that_another_machine_holds_is_refused_and_read_as_it_was_last_brought(memory: str) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    store.pipe_file("/bucket/run/metrics.json", b"{}")
    store.pipe_file(
        f"/bucket/run/{HELD}",
        json.dumps({"host": "node7", "process": 1, "started": "", "copy": "/x", "since": "noon"}).encode(),
    )
    refused = (
        "is being written to by process 1 on node7 since noon; if that has ended, delete memory://bucket/run/.held"
    )
    with pytest.raises(StoreError, match=refused), held(copy_of(memory)):
        pass
    assert (fetched(memory) / "metrics.json").read_text() == "{}"


@pytest.mark.parametrize(("is_ahead", "content"), [(False, "theirs"), (True, "ours")])
def test_a_copy_that_was_never_brought_into_line_is_not_taken_for_what_is_newer(
    memory: str, is_ahead: bool, content: str
) -> None:
    import fsspec

    gone = {"host": socket.gethostname(), "process": 2**22 + 1, "started": "", "since": "noon"}
    holder = {**gone, "copy": str(copy_of(memory)), "token": "of that hold"}
    store = fsspec.filesystem("memory")
    store.pipe_file(f"/bucket/run/{HELD}", json.dumps(holder).encode())
    store.pipe_file("/bucket/run/model.jsonl", b"theirs")
    copy_of(memory).mkdir(parents=True)
    (copy_of(memory) / "model.jsonl").write_text("ours")
    if is_ahead:
        (copy_of(memory) / HELD).write_text("of that hold")
    with held(copy_of(memory)):
        assert (copy_of(memory) / "model.jsonl").read_text() == content
    assert there("model.jsonl").decode() == content


def test_nothing_there_is_told_by_the_address(memory: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="memory://bucket/none: nothing is there"):
        run_argument("memory://bucket/none")
    with pytest.raises(DataError, match="memory://bucket/none: no such file or folder"):
        next(iter(open_dataset(fetched("memory://bucket/none"))))


def test_a_file_is_fetched_with_what_lies_beside_it(memory: str) -> None:
    import fsspec

    for name in ("manifest.jsonl", "audio/a.flac"):
        fsspec.filesystem("memory").pipe_file(f"/bucket/run/{name}", name.encode())
    manifest = fetched(f"{memory}/manifest.jsonl")
    assert manifest.read_text() == "manifest.jsonl"
    assert (manifest.parent / "audio" / "a.flac").read_text() == "audio/a.flac"
    fsspec.filesystem("memory").pipe_file("/bucket/run/audio/a.flac", b"another")
    assert (fetched(f"{memory}/manifest.jsonl").parent / "audio" / "a.flac").read_text() == "another"


@pytest.fixture
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of an S3 server, which a test may name words for."""
    s3fs = pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    from tests.servers.object_store import object_store_server

    with object_store_server(*getattr(request, "param", ())) as address:
        for key, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "s3cr3t-of-the-store",
            "AWS_ENDPOINT_URL": address,
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(key, value)
        s3fs.S3FileSystem.clear_instance_cache()  # of the server of another test
        s3fs.S3FileSystem(skip_instance_cache=True).mkdir("evals")
        yield "s3://evals"


_MACHINE = """
import sys
from evalkit import object_mirror
from evalkit.errors import StoreError
from evalkit.object_store import copy_of, held

object_mirror.SECONDS_TO_SETTLE = 0.5
for address in map(str.strip, sys.stdin):
    said = False
    try:
        with held(copy_of(address)):
            said = bool(print("has it", flush=True) or sys.stdin.readline())
    except StoreError as error:
        if not said:
            print(error, flush=True)
            sys.stdin.readline()
"""


@pytest.mark.slow
@pytest.mark.parametrize("bucket", [(), ("--unconditional",)], indirect=True, ids=["conditional", "unconditional"])
def test_of_machines_that_take_a_run_at_the_same_moment_one_has_it(bucket: str, tmp_path: Path) -> None:
    machines = [
        subprocess.Popen(
            [sys.executable, "-c", _MACHINE],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "EVALKIT_CACHE": str(cache)},
        )
        for cache in (tmp_path / "first", tmp_path / "second")
    ]  # fmt: skip

    def tell(words: str) -> None:
        for machine in machines:
            assert machine.stdin is not None
            machine.stdin.write(f"{words}\n")
            machine.stdin.flush()

    def said(machine: subprocess.Popen[str]) -> str:
        assert machine.stdout is not None
        return machine.stdout.readline().strip()

    try:
        for number in range(15):
            tell(f"{bucket}/run-{number}")
            one, other = sorted(map(said, machines))
            assert one == "has it"
            assert other.startswith(f"{bucket}/run-{number}: is being written to by process ")
            tell("go on")
    finally:
        for machine in machines:
            machine.kill()
            machine.communicate()


def test_a_hold_that_was_made_by_an_attempt_whose_answer_was_lost_is_this_process_s(
    memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    pipe_file = MemoryFileSystem.pipe_file

    def sent_twice(fs: MemoryFileSystem, path: str, value: bytes, **how: str) -> None:
        pipe_file(fs, path, value, **how)
        if how:
            pipe_file(fs, path, value, **how)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", sent_twice)
    with held(copy_of(memory)):
        (copy_of(memory) / "metrics.json").write_text("{}")
    assert names() == ["metrics.json"]


def test_a_hold_that_a_store_refuses_in_words_of_its_own_is_told_by_who_has_it(
    memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    pipe_file = MemoryFileSystem.pipe_file

    def refused(fs: MemoryFileSystem, path: str, value: bytes, **how: str) -> None:
        theirs = {"host": "node7", "process": 1, "started": "", "copy": "/x", "since": "noon", "token": "theirs"}
        pipe_file(fs, path, json.dumps(theirs).encode())
        raise OSError(22, "At least one of the pre-conditions you specified did not hold")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refused)
    with pytest.raises(StoreError, match="being written to by process 1 on node7 since noon"), held(copy_of(memory)):
        pass


@pytest.mark.slow
def test_a_run_on_an_object_store_is_continued_on_another_machine_and_reported_from_a_third(
    bucket: str, tmp_path: Path, evalkit_command: CommandLine
) -> None:
    import s3fs
    import soundfile

    data = tmp_path / "data"
    data.mkdir()
    rows = []
    for number in range(40):
        soundfile.write(data / f"{number}.wav", [0.001 * number] * 160, 16_000)
        rows.append({"id": f"u{number}", "audio": f"{number}.wav", "text": " ".join(WORDS[: 2 + number % 8])})
    write_jsonl(data / "manifest.jsonl", rows)
    answers = write_jsonl(tmp_path / "answers.jsonl", [{"id": row["id"], "text": "the cat sat"} for row in rows])
    s3fs.S3FileSystem(skip_instance_cache=True).put(str(data), "evals/", recursive=True)

    def words(name: str, runs: object, manifest: object, limit: int) -> list[str]:
        return [
            *("run", "model=predictions", f"model.path={answers}", f"task={TASK}", f"name={name}", f"runs={runs}"),
            *(f"tasks.{TASK}.dataset.path={manifest}", "statistics.resamples=100", f"limit={limit}"),
        ]

    def command(machine: str, *arguments: str) -> str:
        outcome = evalkit_command(*arguments, env={"EVALKIT_CACHE": str(tmp_path / machine)})
        assert outcome.returncode == 0, outcome.stderr
        assert "s3cr3t" not in outcome.stdout + outcome.stderr
        return outcome.stdout

    command("local", *words("night", tmp_path / "runs", data / "manifest.jsonl", 40))
    command("first", *words("night", f"{bucket}/runs", f"{bucket}/data/manifest.jsonl", 15))
    said = command("second", *words("night", f"{bucket}/runs", f"{bucket}/data/manifest.jsonl", 40))
    assert f"Tables and chart: evalkit report {bucket}/runs/night" in said
    command("third", "score", f"{bucket}/runs/night")
    audited = command("fourth", "audit", f"{bucket}/runs/night")
    assert "40" in audited
    assert "WER" in command("fourth", "report", f"{bucket}/runs/night")
    store = s3fs.S3FileSystem(skip_instance_cache=True)
    assert (
        store.cat_file("evals/runs/night/metrics.json") == (tmp_path / "runs" / "night" / "metrics.json").read_bytes()
    )
    log = store.cat_file(f"evals/runs/night/{TASK}/model.jsonl").decode().splitlines()
    assert len(log) == 40, "what the first machine asked was not asked again"
    assert not store.exists(f"evals/runs/night/{HELD}")
    for path in store.find("evals/runs"):
        assert b"s3cr3t" not in store.cat_file(path)


@pytest.mark.slow
def test_a_killed_run_goes_on_from_what_is_on_its_machine(
    bucket: str, tmp_path: Path, evalkit_command: CommandLine
) -> None:
    import s3fs

    pytest.importorskip("pocketsphinx")
    words = ["run", "model=pocketsphinx", "task=demo_noise", "name=killed", f"runs={bucket}/runs"]
    process = subprocess.Popen(
        [sys.executable, "-m", "evalkit.cli", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    log = copy_of(f"{bucket}/runs/killed") / "demo_noise" / "model.jsonl"
    wait_for_lines(process, log, 2)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    elsewhere = evalkit_command(*words, env={"EVALKIT_CACHE": str(tmp_path / "another machine")})
    assert elsewhere.returncode == 2
    assert "s3://evals/runs/killed: is being written to by process" in elsewhere.stderr
    assert "Traceback" not in elsewhere.stderr
    again = evalkit_command(*words)
    assert again.returncode == 0, again.stderr
    store = s3fs.S3FileSystem(skip_instance_cache=True)
    answered = [
        json.loads(line)["sample"] for line in store.cat_file("evals/runs/killed/demo_noise/model.jsonl").splitlines()
    ]
    assert len(answered) == len(set(answered)) == 8


@pytest.mark.slow
def test_objects_that_stand_for_folders_are_none_of_a_run(bucket: str) -> None:
    import s3fs

    store = s3fs.S3FileSystem(skip_instance_cache=True)
    for name, content in (("", b""), ("task/", b""), ("task/model.jsonl", b"{}\n")):
        store.pipe_file(f"evals/run/{name}", content)
    with held(copy_of(f"{bucket}/run")):
        assert (copy_of(f"{bucket}/run") / "task" / "model.jsonl").read_text() == "{}\n"
    assert store.cat_file("evals/run/task/model.jsonl") == b"{}\n"


@pytest.mark.slow
def test_a_long_log_grows_on_an_s3_store_by_what_is_added(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    monkeypatch.setattr(object_store, "SECONDS_BETWEEN", 0.1)
    store = s3fs.S3FileSystem(skip_instance_cache=True)
    name, line = "evals/nächte 50% [a]/model.jsonl", f"{'x' * 999_999}\n"
    log = copy_of(f"s3://{name}")

    def is_there(size: int) -> bool:
        store.invalidate_cache()
        return store.exists(name) and bool(store.info(name)["size"] == size)

    with held(log.parent), log.open("w") as file:
        for size in range(9, 13):
            file.write(line * (9 if size == 9 else 1))
            file.flush()
            assert within(lambda: is_there(size * 1_000_000))  # noqa: B023
        tag = store.info(name)["ETag"].strip('"')
    assert store.cat_file(name) == line.encode() * 12
    assert tag.endswith("-2"), "two parts: what was there, which the store copied, and what was added"


@pytest.mark.slow
def test_a_bucket_that_is_not_there_is_one_line(bucket: str) -> None:
    for attempt in (lambda: fetched(f"{bucket}-other/run"), lambda: held(copy_of(f"{bucket}-other/run")).__enter__()):
        with pytest.raises(StoreError, match=r"^s3://evals-other/run: .*bucket does not exist"):
            attempt()
