"""Real recognition on a cluster of this machine whose workers are killed."""

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from evalkit.run.audit import audit_run
from tests.conftest import CommandLine
from tests.evalkit.inference.ray.conftest import processes_with, replicas
from tests.processes import within

pytestmark = pytest.mark.slow
KILLS = 20
TASKS = ("demo_clean", "demo_noise", "demo_reverberation")
PATIENCE = 900  # seconds, on a machine with much else to do


def words(folder: Path, *more: str) -> list[str]:
    return ["run", "model=pocketsphinx", f"task=[{','.join(TASKS)}]", "name=run", f"runs={folder}", *more]


def answered(run: Path) -> list[tuple[str, str]]:
    """Task and sample of every answer that the run has kept, in order of coming."""
    logs = ((task, run / task / "model.jsonl") for task in TASKS)
    lines = ((task, line) for task, log in logs if log.is_file() for line in log.read_text().splitlines())
    return [(task, json.loads(line)["sample"]) for task, line in lines if line.endswith("}")]


def test_a_run_whose_workers_are_killed_twenty_times_is_the_local_run(
    tmp_path: Path, address: str, evalkit_command: CommandLine
) -> None:
    local, run = tmp_path / "local" / "run", tmp_path / "ray" / "run"
    whole = evalkit_command(*words(tmp_path / "local"), timeout=PATIENCE)
    assert whole.returncode == 0, whole.stderr
    settings = ("executor=ray", f"executor.address={address}", "executor.replicas=2")
    command = [sys.executable, "-m", "evalkit.cli", *words(tmp_path / "ray", *settings)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    rng, killed = random.Random(4), 0
    while killed < KILLS:
        next_at = len(answered(run)) + 1 + killed % 2
        assert within(lambda: len(answered(run)) >= next_at or process.poll() is not None, PATIENCE)  # noqa: B023
        time.sleep(rng.uniform(0, 0.3))
        assert process.poll() is None, f"it ended after {killed} kills: {process.communicate()}"
        if alive := replicas():
            os.kill(rng.choice(alive), signal.SIGKILL)
            killed += 1
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "a replica died" in errors
    assert (run / "metrics.json").read_bytes() == (local / "metrics.json").read_bytes()
    assert set(Counter(answered(run)).values()) == {1}, "nothing is doubled"
    assert sorted(answered(run)) == sorted(answered(local)), "nothing is lost"
    assert audit_run(run).findings == ()
    assert within(lambda: not replicas()), "none outlives the run"


def test_an_interrupted_run_and_a_killed_one_leave_no_process_and_go_on(
    tmp_path: Path, evalkit_command: CommandLine
) -> None:
    pytest.importorskip("ray", reason="the ray extra is not installed")
    mark, run = secrets.token_hex(16), tmp_path / "run"
    command = ["run", "model=pocketsphinx", f"task={TASKS[0]}", "name=run", f"runs={tmp_path}"]
    for number, ending in ((3, signal.SIGINT), (6, signal.SIGKILL)):
        process = subprocess.Popen(
            [sys.executable, "-m", "evalkit.cli", *command, "executor=ray", "executor.replicas=2"],
            env={**os.environ, "MARK": mark},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert within(lambda: len(answered(run)) >= number or process.poll() is not None, PATIENCE)  # noqa: B023
        if ending == signal.SIGINT:
            os.killpg(process.pid, ending)  # as a terminal does it
        else:
            process.send_signal(ending)
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == {signal.SIGINT: 130, signal.SIGKILL: -9}[ending], errors
        assert within(lambda: not processes_with(mark))
    whole = evalkit_command(*command, timeout=PATIENCE)
    assert whole.returncode == 0, whole.stderr
    assert set(Counter(answered(run)).values()) == {1}, "nothing is asked twice"
    assert audit_run(run).findings == ()
