"""Processes that end with their starter, however that ends, and whose output is kept."""

import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from evalkit.errors import StoreError
from evalkit.inference.processes.kept import KeptProcess
from evalkit.redaction import redacted_text
from tests.conftest import ROOT
from tests.processes import processes_running, processes_saying, within


def marked_sleep() -> tuple[str, str]:
    """A shell command of two processes that do nothing for long, and what their command lines say."""
    mark = str(9_000_000 + uuid.uuid4().int % 1_000_000)
    return f"sleep {mark} & sleep {mark}", f"sleep {mark}"


def both_sleep(sleeping: str) -> bool:
    """Whether both of its processes are at it: the shell, and the keeper, say the same words before that."""
    return within(lambda: processes_running(sleeping) == 2)


def test_output_is_kept_without_secrets_and_the_last_of_it_told(tmp_path: Path) -> None:
    script = "echo one; printf 'the key is sk-123456789\\n\\033[31mred\\n' >&2; printf 'no line break'; exit 3"
    process = KeptProcess(["sh", "-c", script], tmp_path / "log", lambda line: redacted_text(line, ["sk-123456789"]))
    assert process.wait(300)
    kept = ["one", "the key is (key removed)", "\\x1b[31mred", "no line break"]
    assert (tmp_path / "log").read_text().splitlines() == kept
    assert process.epitaph() == f"ended with status 3; it said: {' | '.join(kept)}"
    process.end()


@pytest.mark.parametrize(
    ("script", "epitaph"),
    [
        ("kill -KILL $$", "was ended by SIGKILL and said nothing"),
        ("kill -SEGV $$", "was ended by SIGSEGV and said nothing"),
        ("exit 0", "ended with status 0 and said nothing"),
    ],
)
def test_how_it_ended_is_said(script: str, epitaph: str) -> None:
    process = KeptProcess(["sh", "-c", script], None, str)
    assert process.wait(300)
    assert process.epitaph() == epitaph
    assert process.was_killed == ("SIGKILL" in epitaph)


def test_ending_it_ends_all_that_it_started() -> None:
    script, sleeping = marked_sleep()
    process = KeptProcess(["sh", "-c", script], None, str)
    assert both_sleep(sleeping)
    assert process.alive
    process.end()
    assert not process.alive
    assert within(lambda: not processes_saying(sleeping))


def test_what_it_leaves_behind_when_it_ends_is_ended() -> None:
    script, sleeping = marked_sleep()
    process = KeptProcess(["sh", "-c", f"({script}) & exit 0"], None, str)
    assert process.wait(300)
    assert within(lambda: not processes_saying(sleeping))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_where_its_starter_is_killed(number: signal.Signals) -> None:
    script, sleeping = marked_sleep()
    program = (
        "import time; from evalkit.inference.processes.kept import KeptProcess; "
        f"process = KeptProcess(['sh', '-c', {script!r}], None, str); time.sleep(600)"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    assert both_sleep(sleeping)
    starter.send_signal(number)
    starter.wait(120)
    assert within(lambda: not processes_saying(sleeping))


@pytest.mark.slow
def test_what_does_not_heed_sigterm_is_killed() -> None:
    script, sleeping = marked_sleep()
    process = KeptProcess(["sh", "-c", f"trap '' TERM; {script}"], None, str)
    assert both_sleep(sleeping)
    process.end()
    assert process.was_killed
    assert within(lambda: not processes_saying(sleeping))


def test_a_log_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no/such/log: cannot be written"):
        KeptProcess(["true"], tmp_path / "no" / "such" / "log", str)
