"""Sweeps whose runs are jobs of a launcher, which starts a job again that was told to make room."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from evalkit.results.metrics_file import read_run
from evalkit.run.audit import audit_run
from tests.conftest import CommandLine
from tests.processes import wait_for_lines
from tests.servers.backends import digest_backend
from tests.servers.openai_server import OpenAIServer

pytest.importorskip("hydra_plugins.hydra_submitit_launcher")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def figures(folder: Path) -> str:
    return (folder / "metrics.json").read_text().replace(folder.name, "NAME")


@pytest.mark.slow
def test_a_job_that_makes_room_is_started_again_and_its_run_ends_as_if_undisturbed(
    tmp_path: Path, evalkit_command: CommandLine
) -> None:
    pytest.importorskip("pocketsphinx")
    undisturbed = evalkit_command(
        "run", "model=pocketsphinx", "task=demo_clean", "name=undisturbed", f"runs={tmp_path}"
    )
    assert undisturbed.returncode == 0
    words = ["--multirun", "hydra/launcher=jobs", "model=pocketsphinx", "task=demo_clean"]
    sweep = subprocess.Popen(
        [sys.executable, "-m", "evalkit.cli", "run", *words, f"runs={tmp_path}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = tmp_path / "pocketsphinx-demo_clean" / "demo_clean" / "model.jsonl"
    wait_for_lines(sweep, log, 1)
    (mine,) = (tmp_path / ".submitit").glob("[0-9]*")
    (job,) = children(int(mine.name))
    os.kill(job, signal.SIGUSR2)
    said, _ = sweep.communicate(timeout=180)
    assert sweep.returncode == 0, said
    assert "finishing the batch, as SIGUSR2 asks" in told(mine)
    assert "needed no asking" in told(mine)
    answered = Counter(json.loads(line)["sample"] for line in log.read_text().splitlines())
    assert len(answered) == 24
    assert set(answered.values()) == {1}, "an answered sample was asked again"
    assert figures(tmp_path / "pocketsphinx-demo_clean") == figures(tmp_path / "undisturbed")
    assert not audit_run(tmp_path / "pocketsphinx-demo_clean").findings


def told(job: Path) -> str:
    return "".join(path.read_text() for path in job.glob("*_log.*"))


@pytest.mark.slow
def test_a_job_that_cannot_run_is_told_in_a_line_and_the_others_are_carried_out(
    tmp_path: Path, evalkit_command: CommandLine
) -> None:
    predictions = tmp_path / "predictions.jsonl"
    predictions.write_text('{"id": "1", "text": "one"}\n')
    outcome = evalkit_command(
        *("run", "--multirun", "hydra/launcher=jobs", "model=predictions", "task=demo_clean"),
        *(f"model.path={tmp_path / 'none.jsonl'},{predictions}", f"runs={tmp_path / 'runs'}"),
    )
    assert outcome.returncode == 2
    assert "none.jsonl: no such file of predictions" in outcome.stderr
    assert "the other runs of the sweep may have gone well or not: `evalkit list runs`" in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.slow
def test_jobs_that_begin_at_once_on_one_empty_cache_have_a_run_each(
    tmp_path: Path, evalkit_command: CommandLine
) -> None:
    tasks = ("demo_clean", "demo_noise", "demo_telephone", "demo_reverberation")
    with OpenAIServer(digest_backend) as server:
        outcome = evalkit_command(
            *("run", "--multirun", "hydra/launcher=jobs", "model=openai_chat", f"model.base_url={server.base_url}"),
            *(
                "model.model=m",
                f"task={','.join(tasks)}",
                "limit=1,2",
                "cache.roles=[model]",
                f"runs={tmp_path / 'runs'}",
            ),
            *(f"cache.folder={tmp_path / 'answers'}", "statistics.resamples=100"),
        )
    assert outcome.returncode == 0, outcome.stderr
    names = [f"openai_chat-{task}-limit={limit}" for task in tasks for limit in (1, 2)]
    runs = tmp_path / "runs"
    assert sorted(path.name for path in runs.iterdir() if path.name != ".submitit") == sorted(names)
    for name in names:
        assert not audit_run(runs / name).findings
        assert len(read_run(runs / name).tasks) == 1
    for job in (runs / ".submitit").glob("[0-9]*"):
        assert "Traceback" not in told(job)
        assert "database is locked" not in told(job)
