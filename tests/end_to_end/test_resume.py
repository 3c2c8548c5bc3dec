"""A run killed at random moments, against one that was left alone."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from evalkit.run.audit import audit_run
from tests.conftest import CommandLine, write_jsonl
from tests.processes import wait_for_lines

WORDS = "the cat sat on a mat while seventeen geese flew over colour television sets".split()


def command(name: str, runs: Path, arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "evalkit.cli", "run", f"runs={runs}", f"name={name}", *arguments]


def kill_when(process: subprocess.Popen[bytes], log: Path, lines: int) -> None:
    """Kill a run as soon as its log has so many lines, or let it end."""
    while process.poll() is None:
        if log.is_file() and log.read_bytes().count(b"\n") >= lines:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.002)
    process.wait()


def assert_killed_equals_undisturbed(runs: Path, task: str, arguments: list[str], kills: int) -> None:
    subprocess.run(command("undisturbed", runs, arguments), check=True, capture_output=True)
    log = runs / "killed" / task / "model.jsonl"
    total = (runs / "undisturbed" / task / "model.jsonl").read_bytes().count(b"\n")
    rng = random.Random(20_260_101)
    moments = [*rng.sample(range(1, total), kills - 3), 0, 0, total]
    rng.shuffle(moments)
    killed = 0
    for lines in moments:
        process = subprocess.Popen(
            command("killed", runs, arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if lines == 0:
            time.sleep(rng.uniform(0.2, 2.0))
            process.kill()
        kill_when(process, log, lines)
        killed += process.returncode == -signal.SIGKILL
    assert killed >= kills // 2, "most attempts should have been killed in the middle"
    subprocess.run(command("killed", runs, arguments), check=True, capture_output=True)

    undisturbed, resumed = ((runs / name / "metrics.json").read_text() for name in ("undisturbed", "killed"))
    assert resumed == undisturbed.replace('"name": "undisturbed"', '"name": "killed"')
    asked = Counter(json.loads(line)["sample"] for line in log.read_text().splitlines())
    assert len(asked) == total
    assert set(asked.values()) == {1}, "an answered sample was asked again"
    assert not audit_run(runs / "killed").findings


@pytest.mark.slow
def test_a_killed_run_of_stored_predictions_ends_as_if_undisturbed(tmp_path: Path) -> None:
    rng = random.Random(1)
    texts = {f"utterance-{number:05}": " ".join(rng.choices(WORDS, k=12)) for number in range(4_000)}
    manifest = write_jsonl(
        tmp_path / "manifest.jsonl", [{"id": id_, "audio": f"{id_}.wav", "text": text} for id_, text in texts.items()]
    )
    answers = [{"id": id_, "text": " ".join(rng.sample(text.split(), k=11))} for id_, text in texts.items()]
    predictions = write_jsonl(tmp_path / "answers.jsonl", answers)
    arguments = [
        "task=librispeech_clean",
        f"tasks.librispeech_clean.dataset.path={manifest}",
        "model=predictions",
        f"model.path={predictions}",
        "statistics.resamples=200",
    ]
    assert_killed_equals_undisturbed(tmp_path / "runs", "librispeech_clean", arguments, kills=6)


@pytest.mark.slow
def test_a_recogniser_killed_ten_times_ends_as_if_undisturbed(tmp_path: Path) -> None:
    pytest.importorskip("pocketsphinx")
    arguments = ["task=demo_noise", "model=pocketsphinx"]
    assert_killed_equals_undisturbed(tmp_path, "demo_noise", arguments, kills=10)


def test_two_processes_do_not_write_to_one_run(tmp_path: Path, evalkit_command: CommandLine) -> None:
    from evalkit.results.folder import RunFolder

    folder = RunFolder(tmp_path / "runs" / "held")
    outcome = evalkit_command("run", "name=held", "task=demo_clean", "model=predictions", "model.path=none.jsonl")
    folder.close()
    assert outcome.returncode == 2
    assert "runs/held: another evalkit process is writing to this run" in outcome.stderr


@pytest.mark.slow
def test_an_interrupt_keeps_what_was_answered_and_says_how_to_go_on(tmp_path: Path) -> None:
    pytest.importorskip("pocketsphinx")
    words = command("interrupted", tmp_path, ["task=demo_clean", "model=pocketsphinx"])
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "interrupted" / "demo_clean" / "model.jsonl"
    wait_for_lines(process, log, 1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "evalkit: interrupted; what was answered is kept, the same command continues" in stderr
    assert "Traceback" not in stderr
    assert all(json.loads(line)["response"]["text"] is not None for line in log.read_text().splitlines())
