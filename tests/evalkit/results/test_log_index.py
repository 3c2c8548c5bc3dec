"""The index beside a log: whatever becomes of it or of the log, what is found is what the log holds."""

import logging
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from evalkit.results.log_index import LogIndex
from evalkit.results.responses import ResponseStore
from evalkit.results.role_log import RoleLog
from evalkit.types import Call, Failure, Message, Request, Response, Usage

SAMPLES = tuple("abcdefgh")


def call(sample: str) -> Call:
    return Call("model", Request((Message("user", (f"what is said in {sample}?",)),)))


def answer(sample: str) -> Response:
    return Response(f"heard {sample}", seconds=0.5, usage=Usage(requests=1, output_tokens=ord(sample)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A task's folder with an answer to each sample, after a failure for the first."""
    with ResponseStore(tmp_path) as store:
        store.append("a", 0, call("a"), Response(failure=Failure("timeout", "late")))
        for sample in SAMPLES:
            store.append(sample, 0, call(sample), answer(sample))
    return tmp_path


def found(folder: Path, *, writable: bool = True) -> dict[str, Response | None]:
    with ResponseStore(folder, writable=writable) as store:
        assert store.usage["model"].failures == 1
        return {sample: store.get(sample, 0, call(sample)) for sample in SAMPLES}


def parsed_lines(folder: Path) -> int:
    """How many lines of the log are parsed to open it."""

    class Counted(RoleLog):
        parsed = 0

        def _parse(self, line: bytes, offset: int, line_number: int = 0) -> dict[str, Any]:
            self.parsed += 1
            return super()._parse(line, offset, line_number)

    log = Counted(folder / "model.jsonl", writable=False)
    LogIndex(log, writable=False)
    log.close()
    return log.parsed


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def of_another_version(path: Path) -> None:
    _, content = path.read_bytes().split(b"\n", 1)
    changed = content.replace(b'"version": 1', b'"version": 2')
    path.write_bytes(b"%08x\n" % crc32(changed) + changed)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut short": halved,
    "something else": lambda path: path.write_bytes(b"\0" * 500),
    "of another version": of_another_version,
}


def test_a_log_with_its_index_is_not_parsed(folder: Path) -> None:
    assert parsed_lines(folder) == 0
    assert found(folder) == {sample: answer(sample) for sample in SAMPLES}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_an_index_that_is_of_no_use_is_made_anew(folder: Path, damage: Callable[[Path], object]) -> None:
    before = (folder / "model.index").read_bytes()
    damage(folder / "model.index")
    assert parsed_lines(folder) == len(SAMPLES) + 1
    assert found(folder) == {sample: answer(sample) for sample in SAMPLES}
    again = (folder / "model.index").read_bytes()
    assert len(again) == len(before)
    assert parsed_lines(folder) == 0


def test_whatever_byte_of_an_index_is_damaged_the_answers_are_found(folder: Path) -> None:
    path = folder / "model.index"
    whole = path.read_bytes()
    chosen = random.Random(0)
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([chosen.randrange(256)]) + whole[place + 1 :])
        assert found(folder, writable=False)["h"] == answer("h")


def test_it_is_said_in_the_log_that_an_index_is_made_anew(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    halved(folder / "model.index")
    with caplog.at_level(logging.INFO, "evalkit"):
        found(folder)
    (line,) = caplog.messages
    assert line.startswith(f"{folder / 'model.index'}: cannot be read (")
    assert line.endswith("; made anew")


def test_a_log_that_was_edited_is_read_as_it_is_now(folder: Path) -> None:
    path = folder / "model.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2] + lines[3:]))
    assert found(folder) == {sample: None if sample == "b" else answer(sample) for sample in SAMPLES}


def test_an_edit_that_leaves_length_and_times_is_noticed(folder: Path) -> None:
    path = folder / "model.jsonl"
    times = path.stat()
    path.write_text(path.read_text().replace('"failure":{"kind":"timeout"', '"failurf":{"kind":"timeout"'))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with ResponseStore(folder) as store:
        assert (store.usage["model"].failures, store.usage["model"].answers) == (0, 9)


@pytest.mark.parametrize("year", [1971, 2200])
def test_clocks_that_jump_change_nothing(folder: Path, year: int) -> None:
    os.utime(folder / "model.jsonl", (0, (year - 1970) * 31_556_952))
    assert parsed_lines(folder) == 0
    assert found(folder) == {sample: answer(sample) for sample in SAMPLES}


def test_a_log_shorter_than_its_index_is_read_whole(folder: Path) -> None:
    halved(folder / "model.jsonl")
    answers = found(folder)
    assert answers["a"] == answer("a")
    assert answers["h"] is None


def test_the_index_of_another_log_is_left_aside(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    with ResponseStore(other) as store:
        store.append("z", 0, call("z"), answer("z"))
    (folder / "model.index").write_bytes((other / "model.index").read_bytes())
    assert found(folder) == {sample: answer(sample) for sample in SAMPLES}


def test_a_reader_writes_no_index(folder: Path) -> None:
    (folder / "model.index").unlink()
    assert found(folder, writable=False)["h"] == answer("h")
    assert not (folder / "model.index").exists()


def test_an_index_that_cannot_be_written_costs_no_answer(folder: Path) -> None:
    (folder / "model.index").unlink()
    (folder / "model.index.unfinished").mkdir()
    for _ in range(2):
        assert found(folder) == {sample: answer(sample) for sample in SAMPLES}


def test_of_an_answer_before_a_failure_and_one_after_it_the_later_one_is_found(folder: Path) -> None:
    with ResponseStore(folder) as store:
        store.append("a", 0, call("a"), Response(failure=Failure("timeout", "late again")))
        assert store.get("a", 0, call("a")) == Response(failure=Failure("timeout", "late again"))
    with ResponseStore(folder) as store:
        assert store.get("a", 0, call("a")) == answer("a")
        store.append("a", 0, call("a"), Response("better"))
    with ResponseStore(folder, writable=False) as store:
        assert store.get("a", 0, call("a")) == Response("better")


ENDLESS = """
import sys
from pathlib import Path
from evalkit.results import log_index
from evalkit.results.responses import ResponseStore
from tests.evalkit.results.test_log_index import answer, call
log_index._LEAST_ADDED = 20
with ResponseStore(Path(sys.argv[1])) as store:
    for number in range(10**9):
        store.append(str(number), 0, call("a"), answer("a"))
        print(number, flush=True)
"""


def test_after_a_kill_only_what_came_since_the_last_index_is_read(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        written = [process.stdout.readline() for _ in range(500)]
        process.kill()
        written += process.stdout.readlines()
    count = int([line for line in written if line.endswith(b"\n")][-1]) + 1
    parsed = parsed_lines(tmp_path)
    lines = (tmp_path / "model.jsonl").read_bytes().count(b"\n")
    assert lines >= count
    assert parsed <= lines / 4
    with ResponseStore(tmp_path) as store:
        assert store.usage["model"].answers == lines
        assert all(store.get(str(number), 0, call("a")) == answer("a") for number in range(lines))
    assert parsed_lines(tmp_path) == 0
