"""What a run says of itself while it goes on: in a log, and on a terminal."""

import os
import pty
import re
import subprocess
import sys
import termios

import pytest

from evalkit.chain import Outcome
from evalkit.progress import Progress
from evalkit.types import Call, Failure, Message, Request, Response, Sample, Usage
from tests.conftest import ROOT

CALL = Call("model", Request((Message("user", ("what?",)),)))


def done(progress: Progress, task: str, *, asked: bool = True, skipped: bool = False) -> None:
    progress.sample_done(task, Outcome(Sample("s"), "skipped" if skipped else "scored"), asked=asked)


def test_the_time_left_is_that_of_the_samples_that_are_asked_about(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with Progress({"old": ("Old", 80), "new": ("New", 20)}) as progress:
        for _ in range(80):
            done(progress, "old", asked=False)
        progress.finished("old")
        for _ in range(4):
            now[0] += 5.0
            progress.answered("new", "s", CALL, Response("yes", usage=Usage(cost=0.01)))
            done(progress, "new")
        now[0] += 5.0
        progress.failed("new", "s", CALL, Response(failure=Failure("error", "no")))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Old: 0 calls, 0 failed; 80 of 80 samples needed no asking; 0 s since the start"
    # 16 samples are left, at five seconds each; the eighty that were kept took none.
    assert lines[1] == "81 of 100 samples, 2 calls, 0 failed, cost 0.0200, 0.2 a second, about 3 min left"
    assert lines[2] == "83 of 100 samples, 4 calls, 0 failed, cost 0.0400, 0.2 a second, about 2 min left"


def test_samples_that_a_model_cannot_be_asked_are_told_from_those_that_are_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    with Progress({"task": ("Task", 3)}) as progress:
        done(progress, "task", asked=False, skipped=True)
        done(progress, "task", asked=False)
        progress.answered("task", "s", CALL, Response("yes"))
        done(progress, "task")
        progress.finished("task")
    expected = "Task: 1 call, 0 failed; 1 of 3 samples needed no asking; 1 of 3 samples skipped; 0 s since the start\n"
    assert capsys.readouterr().err == expected


ON_A_TERMINAL = """
from tests.evalkit.test_progress import CALL, Progress, Response, done
with Progress({"one": ("One", 2), "two": ("Two", 2)}) as progress:
    for task in ("one", "two"):
        for _ in range(2):
            progress.answered(task, "s", CALL, Response("yes"))
            done(progress, task)
        progress.finished(task)
"""


def test_a_bar_on_a_terminal_counts_all_tasks_together() -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    process = subprocess.Popen([sys.executable, "-c", ON_A_TERMINAL], cwd=ROOT, stderr=theirs)
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # as Linux says that the other end is closed
            break
        if not part:
            break
        written += part
    os.close(ours)
    assert process.wait() == 0
    text = written.decode()
    assert "0 of 2 tasks:   0%|" in text
    assert "1 of 2 tasks:" in text
    assert re.search(r"One: 2 calls, 0 failed; \d+ s since the start", text)
    assert "| 4/4, " in text
    assert " left, 4 calls, 0 failed" in text
