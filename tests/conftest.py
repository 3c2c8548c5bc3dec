"""What many tests need: real speech where it is at hand, and the command line as a user runs it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Tiny models are slowed down by threads that wait for one another, and each worker of the tests has a core of its own.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Where the tests run in the background of a shell, interrupts are ignored, and the processes they start inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples each time, so that a change answers for itself alone; and however long they take.
settings.register_profile("tests", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

# Each worker and each command that a test starts would compile every module again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"
DEMO_SPEECH = ROOT / "tasks" / "demo_speech"

CommandLine = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test is answered from what another one asked."""
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def shared_data() -> Path:
    """Real speech with transcripts, which lies beside some checkouts."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real speech at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def evalkit_command(tmp_path: Path) -> CommandLine:
    """The command line, run as a process of its own in an empty folder."""

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "200", **options.pop("env", {})}
        return subprocess.run(
            [sys.executable, "-m", "evalkit.cli", *arguments],
            cwd=options.pop("cwd", tmp_path),
            env=environment,
            capture_output=True,
            text=True,
            timeout=options.pop("timeout", 300),
            **options,
        )

    return run


@pytest.fixture
def evalkit_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line in this process: for what would only wait for another one to begin."""
    from evalkit.cli.main import main

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        status = main(arguments)
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, printed.out, printed.err)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return run


def write_jsonl(path: Path, records: list[dict[str, Any]]) -> Path:
    """A JSON Lines file."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path
