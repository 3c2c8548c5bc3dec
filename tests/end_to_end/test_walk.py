"""The walk of one sample as docs/architecture.md has it, against a real run."""

import json
import re
import subprocess
import sys
import threading
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from evalkit.cli.main import main
from tests.conftest import ROOT

_STEP = re.compile(r"^\| \d+ \| `evalkit\.([\w.]+)` \|", re.MULTILINE)
# What the steps that are interfaces are in a run of a model of this process.
_CARRIED_OUT_BY = {
    "chain.ChainRun": "chain.ChainRun.__init__",
    "task.Task.chain": "tasks.toolcall.task.ToolCalling.chain",
    "inference.endpoint.Endpoint.answer": "inference.local.LocalEndpoint.answer",
}
_TASKS = "task=[demo_toolcall,demo_uro_repeat]"
_MODELS = ("model=echo", "model@transcriber=word_judge", "model@judge=word_judge")

# A run in a process of its own that notes which files of its folder it opens to read after it wrote them itself.
_WATCHED = """
import os, sys
import pyarrow.parquet
from evalkit.cli.main import main

folder = sys.argv[1]
written, read_back = set(), []

def watch(event, arguments):
    if event == "os.rename" and os.fspath(arguments[1]).startswith(folder):
        written.add(os.fspath(arguments[1]))
    if event != "open" or not isinstance(arguments[0], (str, os.PathLike)):
        return
    path = os.fspath(arguments[0])
    if path.startswith(folder) and arguments[2] & os.O_ACCMODE:
        written.add(path)
    elif path in written:
        read_back.append(path)

def metadata_of(path, *arguments, **settings):
    read_back.append(os.fspath(path))
    return read_metadata(path, *arguments, **settings)

read_metadata, pyarrow.parquet.read_metadata = pyarrow.parquet.read_metadata, metadata_of
sys.addaudithook(watch)
status = main(["run", f"runs={folder}", *sys.argv[2:]])
assert written
print(*read_back, sep="\\n")
sys.exit(status)
"""


def rehearsed(frame: FrameType | None) -> bool:
    """Whether a function is entered to see what a sample would ask, which is part of step 5."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "evalkit.run.rehearsal":
            return True
        frame = frame.f_back
    return False


def steps() -> list[str]:
    """The functions of the walk in order, by their names in the engine."""
    return _STEP.findall((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))


def test_a_run_enters_the_functions_of_the_walk_in_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entered: dict[str, None] = {}

    def note(frame: FrameType, event: str, argument: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith(("evalkit.", "tasks.")):
            name = f"{module.removeprefix('evalkit.')}.{frame.f_code.co_qualname}"
            if name not in entered and not rehearsed(frame):
                entered[name] = None

    words = ["run", "task=demo_toolcall", *_MODELS, "limit=1", f"runs={tmp_path}"]
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        status = main(words)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    assert status == 0, capsys.readouterr().err
    order = [_CARRIED_OUT_BY.get(step, step) for step in steps()]
    assert len(order) == 16
    assert [name for name in entered if name in order] == order


def test_no_room_is_entered_more_than_three_times() -> None:
    rooms = [room for room, _ in groupby(step.partition(".")[0] for step in steps())]
    assert {room: rooms.count(room) for room in rooms if rooms.count(room) > 3} == {}


def test_nothing_that_was_written_is_read_back_but_speech_by_whom_it_is_put_to(tmp_path: Path) -> None:
    words = [_TASKS, *_MODELS, "limit=2", "name=run"]
    command = [sys.executable, "-c", _WATCHED, str(tmp_path), *words]
    outcome = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["tasks"].keys() >= {"demo_toolcall"}
    read_back = {Path(line) for line in outcome.stdout.splitlines() if line.startswith(str(tmp_path))}
    assert {path for path in read_back if path.parent.parent.name != "speech"} == set()
