"""A full disk, files that cannot be locked: nothing answered is lost, and the restart ends as if undisturbed."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalkit.run.audit import audit_run
from tests.conftest import CommandLine, write_jsonl
from tests.evalkit.results.test_folder_lock import without_locks
from tests.processes import within

pytestmark = pytest.mark.slow
TASK = "librispeech_clean"
SAMPLES = 1_500


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """Of a run that answers in a moment."""
    rows = [
        {"id": f"u{number:05}", "audio": f"{number}.wav", "text": f"word {number} of many"} for number in range(SAMPLES)
    ]
    answers = [{"id": row["id"], "text": "a word of many"} for row in rows]
    return [
        f"task={TASK}",
        f"tasks.{TASK}.dataset.path={write_jsonl(tmp_path / 'manifest.jsonl', rows)}",
        "model=predictions",
        f"model.path={write_jsonl(tmp_path / 'answers.jsonl', answers)}",
        "name=run",
        "statistics.resamples=100",
    ]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, which ``resize`` makes larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a file system can be mounted by root alone")
    yield folder
    subprocess.run(["umount", folder], check=True)


def resize(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


def undisturbed(evalkit_command: CommandLine, runs: Path, arguments: list[str]) -> bytes:
    outcome = evalkit_command("run", f"runs={runs}", *arguments)
    assert outcome.returncode == 0, outcome.stderr
    return (runs / "run" / "metrics.json").read_bytes()


def assert_ended_as_if_undisturbed(run: Path, metrics: bytes) -> None:
    assert (run / "metrics.json").read_bytes() == metrics
    lines = (run / TASK / "model.jsonl").read_text().splitlines()
    assert Counter(json.loads(line)["sample"] for line in lines) == {f"u{number:05}": 1 for number in range(SAMPLES)}
    assert not audit_run(run).findings


def test_a_full_disk_ends_a_run_in_one_line_and_loses_nothing(
    tmp_path: Path, evalkit_command: CommandLine, arguments: list[str], small_disk: Path
) -> None:
    metrics = undisturbed(evalkit_command, tmp_path / "runs", arguments)
    run = small_disk / "run"
    log = run / TASK / "model.jsonl"
    kept = b""
    # In the log of answers at first, then in the scores, the index or the files of the run.
    for size in ("120k", "260k", "400k", "520k"):
        resize(small_disk, size)
        outcome = evalkit_command("run", f"runs={small_disk}", *arguments)
        if outcome.returncode == 0:
            break
        assert "No space left on device" in outcome.stderr
        assert "Traceback" not in outcome.stderr
        written = log.read_bytes() if log.is_file() else b""
        assert written.startswith(kept)
        kept = written[: written.rfind(b"\n") + 1]
    assert kept, "the disk was never full"
    resize(small_disk, "64m")
    assert undisturbed(evalkit_command, small_disk, arguments) == metrics
    assert_ended_as_if_undisturbed(run, metrics)


def test_of_two_runs_started_at_once_where_files_cannot_be_locked_one_is_refused(
    tmp_path: Path, evalkit_command: CommandLine, arguments: list[str]
) -> None:
    metrics = undisturbed(evalkit_command, tmp_path / "runs", arguments)
    (tmp_path / "site").mkdir()
    environment = without_locks(tmp_path / "site")
    runs = tmp_path / "raced"
    command = [sys.executable, "-m", "evalkit.cli", "run", f"runs={runs}", *arguments]
    racing = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ended = [(process.communicate()[1], process.returncode) for process in racing]
    assert 0 in [code for _, code in ended]
    for stderr, code in ended:
        assert code == 0 or (code == 2 and "run: another evalkit process is writing to this run" in stderr)
    assert_ended_as_if_undisturbed(runs / "run", metrics)


def test_a_run_killed_where_files_cannot_be_locked_is_continued(
    tmp_path: Path, evalkit_command: CommandLine, arguments: list[str]
) -> None:
    metrics = undisturbed(evalkit_command, tmp_path / "runs", arguments)
    (tmp_path / "site").mkdir()
    environment = without_locks(tmp_path / "site")
    runs = tmp_path / "killed"
    command = [sys.executable, "-m", "evalkit.cli", "run", f"runs={runs}", *arguments]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        assert within(lambda: (runs / "run" / TASK / "model.jsonl").is_file())
        process.kill()
    outcome = evalkit_command("run", f"runs={runs}", *arguments, env=environment)
    assert outcome.returncode == 0, outcome.stderr
    assert (runs / "run" / ".lock-2").is_file()
    assert_ended_as_if_undisturbed(runs / "run", metrics)
