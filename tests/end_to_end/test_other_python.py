"""Whole runs of a model in another Python: killed, interrupted, and not a word lost or doubled."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evalkit.chain import Outcome
from evalkit.run.composition import compose_configuration
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import Plan, plan_from_config
from evalkit.types import Call, Response
from tests.conftest import ROOT, CommandLine
from tests.processes import has_ended, within

pytestmark = pytest.mark.slow

CONFIG = """\
# Writes words, elsewhere
defaults:
  - /prompts@prompts: recognizer
_target_: tests.evalkit.inference.processes.models_elsewhere.Recogniser
title: Elsewhere
folder: ???
"""


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is run, but for the name."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "elsewhere.yaml").write_text(CONFIG)
    return [
        "model=elsewhere",
        f"model.python={sys.executable}",
        "suite=demo_asr",
        f"runs={tmp_path}",
        "statistics.resamples=100",
    ]


def make_plan(words: list[str], folder: Path, name: str) -> Plan:
    (folder / name).mkdir()
    config = compose_configuration([*words, f"model.folder={folder / name}", f"name={name}-run"], [folder / "configs"])
    return plan_from_config(config, {"model": "elsewhere", "suite": "demo_asr"})


def process_ids(folder: Path) -> list[int]:
    return [int(path.read_text()) for path in sorted(folder.glob("*.pid"))]


class Killer:
    """Kills the worker at some answers."""

    def __init__(self, folder: Path, at: set[int]) -> None:
        self._folder = folder
        self._at = at
        self._answers = 0
        self.killed: list[int] = []

    def started(self, task: str, samples: int) -> None:
        """Nothing is done."""

    def answered(self, task: str, sample_id: str, call: Call, response: Response) -> None:
        """Count the answer, and kill where the count says so."""
        self._answers += 1
        if self._answers in self._at:
            self.killed.append(process_ids(self._folder)[-1])
            os.kill(self.killed[-1], signal.SIGKILL)

    def failed(self, task: str, sample_id: str, call: Call, response: Response) -> None:
        """No call fails."""
        pytest.fail(f"{sample_id}: {response.error}")

    def sample_done(self, task: str, outcome: Outcome, *, asked: bool) -> None:
        """Nothing is done."""

    def finished(self, task: str) -> None:
        """Nothing is done."""


def test_a_worker_that_is_killed_five_times_costs_nothing(tmp_path: Path, words: list[str]) -> None:
    clean = evaluate(make_plan(words, tmp_path, "clean"))
    killer = Killer(tmp_path / "killed", {3, 10, 19, 26, 37})
    killed = evaluate(make_plan(words, tmp_path, "killed"), killer)
    assert len(set(killer.killed)) == 5
    assert len(process_ids(tmp_path / "killed")) == 6
    for name in ("clean", "killed"):
        asked = Counter(
            json.loads(line)["sample"]
            for path in (tmp_path / f"{name}-run").glob("*/model.jsonl")
            for line in path.read_text().splitlines()
        )
        assert sum(asked.values()) == len(asked) == sum(task.samples.total for task in clean.results.tasks.values())
    assert killed.results.failed_samples == 0
    before, after = ((tmp_path / f"{name}-run" / "metrics.json").read_text() for name in ("clean", "killed"))
    assert after.replace("killed-run", "clean-run") == before
    assert all(map(has_ended, process_ids(tmp_path / "killed")))


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 75), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_no_worker_outlives_its_run_and_the_run_continues(
    tmp_path: Path, words: list[str], number: signal.Signals, status: int
) -> None:
    (tmp_path / "left").mkdir()
    arguments = [
        *words,
        f"model.folder={tmp_path / 'left'}",
        "name=left-run",
        "--config-dir",
        str(tmp_path / "configs"),
    ]
    command = [sys.executable, "-m", "evalkit.cli", "run", *arguments]

    def answers() -> list[dict[str, Any]]:
        logs = (tmp_path / "left-run").glob("*/model.jsonl")
        return [json.loads(line) for path in logs for line in path.read_text().splitlines() if line.endswith("}")]

    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert within(lambda: len(answers()) >= 4)
    process.send_signal(number)
    process.communicate(timeout=300)
    assert process.returncode == status
    assert all(map(has_ended, process_ids(tmp_path / "left")))
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert len({each["sample"] for each in answers()}) == len(answers())
    evaluate(make_plan(words, tmp_path, "clean"))
    after, before = ((tmp_path / f"{name}-run" / "metrics.json").read_text() for name in ("left", "clean"))
    assert after.replace("left-run", "clean-run") == before


def test_an_adapter_of_evalkits_own_gives_the_same_there_and_a_run_goes_on_with_it(
    tmp_path: Path, evalkit_command: CommandLine
) -> None:
    pytest.importorskip("pocketsphinx")
    words = ["run", "model=pocketsphinx", "task=demo_clean", f"runs={tmp_path}", "statistics.resamples=100"]
    elsewhere = f"model.python={sys.executable}"
    for further in (["limit=2", "name=run"], ["limit=4", "name=run", elsewhere], ["limit=4", "name=here"]):
        outcome = evalkit_command(*words, *further)
        assert outcome.returncode == 0, outcome.stderr
    there, here = ((tmp_path / name / "metrics.json").read_text() for name in ("run", "here"))
    assert there.replace('"name": "run"', '"name": "here"') == here
    lines = (tmp_path / "run" / "demo_clean" / "model.jsonl").read_text().splitlines()
    assert len(lines) == len({json.loads(line)["sample"] for line in lines}) == 4
