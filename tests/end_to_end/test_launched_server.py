"""Whole runs whose server they start themselves: it dies, they are killed, and the figures are the same."""

import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, CommandLine
from tests.processes import processes_saying, within

pytestmark = pytest.mark.slow

KEY = "sk-5up3r-53cr3t-k3y"
SERVER = f"{sys.executable} -m tests.servers.openai_server --port {{port}} --latency 0.2"


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """What only this test's servers have on their command lines; also an interpreter of that name."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("SERVER_KEY", KEY)
    return f"--model=m-{uuid.uuid4().hex}"


def words(folder: Path, mark: str, name: str, *further: str) -> list[str]:
    return [
        "run",
        "model=openai_transcription",
        f"model.model={mark.partition('=')[2]}",
        f"model.launch={SERVER} {mark} --key {KEY}",
        "model.api_key_variable=SERVER_KEY",
        "model.limits.concurrency=4",
        "suite=demo_asr",
        f"runs={folder}",
        f"name={name}",
        "statistics.resamples=100",
        *further,
    ]


def command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "evalkit.cli", *arguments]


def answers(run: Path) -> list[dict[str, Any]]:
    logs = run.glob("*/model.jsonl")
    return [json.loads(line) for path in logs for line in path.read_text().splitlines() if line.endswith("}")]


def metrics(run: Path) -> str:
    return (run / "metrics.json").read_text().replace(f'"name": "{run.name}"', '"name": "…"')


def server_of(mark: str) -> int:
    """The process id of the server itself, and not of its keeper."""
    (process_id,) = (each for each in processes_saying(mark) if not _says(each, "keeper.py", "evalkit.cli"))
    return process_id


def _says(process_id: int, *words: str) -> bool:
    line = Path(f"/proc/{process_id}/cmdline").read_text()
    return any(word in line for word in words)


def test_a_server_that_dies_in_the_middle_costs_nothing(
    tmp_path: Path, mark: str, evalkit_command: CommandLine
) -> None:
    clean = evalkit_command(*words(tmp_path, mark, "clean"))
    assert clean.returncode == 0, clean.stderr
    process = subprocess.Popen(
        command(words(tmp_path, mark, "killed")), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for count in (4, 12, 24):
        assert within(lambda count=count: len(answers(tmp_path / "killed")) >= count)  # type: ignore[misc]
        os.kill(server_of(mark), signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert errors.count("its server was ended by SIGKILL") == 3
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "clean")
    asked = Counter(each["sample"] for each in answers(tmp_path / "killed"))
    assert set(asked.values()) == {1}
    assert not processes_saying(mark)
    printed = (tmp_path / "killed" / "process_model.log").read_text()
    assert printed.count("listening on") == 4
    for path in (tmp_path / "killed").rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 75), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_no_server_outlives_its_run_which_continues_at_another_port(
    tmp_path: Path, mark: str, number: signal.Signals, status: int, evalkit_command: CommandLine
) -> None:
    arguments = words(tmp_path, mark, "run")
    process = subprocess.Popen(command(arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert within(lambda: len(answers(tmp_path / "run")) >= 4)
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == status, errors
    assert within(lambda: not processes_saying(mark))
    kept = {each["sample"] for each in answers(tmp_path / "run")}
    outcome = evalkit_command(*arguments)
    assert outcome.returncode == 0, outcome.stderr
    assert f"{len(kept)} answers of the session" in outcome.stderr
    asked = Counter(each["sample"] for each in answers(tmp_path / "run"))
    assert set(asked.values()) == {1}
    other = evalkit_command(*words(tmp_path, mark, "run", f"model.launch={SERVER} {mark} --key {KEY} --seed 1"))
    assert other.returncode != 0
    assert "holds answers of another model (server was" in other.stderr, "the command tells servers apart"
    assert KEY not in other.stderr


def test_a_judge_may_have_a_server_of_its_own(tmp_path: Path, mark: str, evalkit_command: CommandLine) -> None:
    run = evalkit_command(
        *("run", "model=openai_chat", "model.model=m", f"model.launch={SERVER} {mark}", "model@judge=word_judge"),
        *("task=demo_big_bench_audio", "limit=2", f"runs={tmp_path}", "name=run", f"model.model={mark[8:]}"),
    )
    assert run.returncode == 0, run.stderr
    judged = evalkit_command(
        *("judge", str(tmp_path / "run"), "model@judge=openai_chat", f"judge.model={mark[8:]}"),
        *(f"judge.launch={SERVER} {mark}", "name=judged"),
    )
    assert "judge: starting its server at http://127.0.0.1:" in judged.stderr, judged.stderr
    assert "listening on" in (tmp_path / "judged" / "process_judge.log").read_text()
    assert (tmp_path / "judged" / "demo_big_bench_audio" / "judge.jsonl").read_text().count("\n") >= 2
    assert not processes_saying(mark)


def test_a_command_that_fails_is_told_with_its_last_words(tmp_path: Path, evalkit_command: CommandLine) -> None:
    outcome = evalkit_command(
        *("run", "model=openai_chat", "model.model=m", "suite=demo_asr", f"runs={tmp_path}", "name=run"),
        f"model.launch={sys.executable} -c \"raise SystemExit('no GPU is free ({{port}})')\"",
    )
    assert outcome.returncode not in (0, 130)
    assert "the server that model.launch starts ended with status 1; it said: no GPU is free" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert (
        shutil.which("vllm") is not None
        or "no such program"
        in (
            evalkit_command(
                "run", "model=openai_chat", "model.model=m", "suite=demo_asr", "model.launch=vllm serve {port}"
            )
        ).stderr
    )
