"""Runs in shards, each a process of its own: in any order, twice, killed, stopped by a scheduler; and then merged."""

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

from evalkit.cli.main import main
from tests.conftest import ROOT
from tests.end_to_end.served_runs import KEY, TASK, evalkit_run, model_and_judge, recordings, words
from tests.model_adapters.tiny_checkpoints import save_whisper
from tests.processes import kills_at_random, wait_for_lines, within
from tests.servers.openai_server import OpenAIServer

COUNT = 16
SAMPLES = 163
pytestmark = pytest.mark.slow


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    pytest.importorskip("openai", reason="the openai extra is not installed")
    monkeypatch.setenv("SERVER_KEY", KEY)
    return {**os.environ, "SERVER_KEY": KEY}


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(model_and_judge, key=KEY, latency=0.3) as server:
        yield server


def ended(process: "subprocess.Popen[str]") -> str:
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output


def answers(folder: Path) -> list[str]:
    """Whom a run, or its shards, have asked, the model under test alone."""
    logs = folder.rglob(f"{TASK}/model.jsonl")
    return [json.loads(line)["sample"] for log in logs for line in log.read_text().splitlines() if line.endswith("}")]


def test_sixteen_shards_in_any_order_two_twice_and_one_killed_are_the_run_without_shards(
    tmp_path: Path,
    environment: dict[str, str],
    server: OpenAIServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    manifest = recordings(tmp_path / "data", SAMPLES)

    def started(number: int, *more: str) -> "subprocess.Popen[str]":
        settings = (f"shard={number}/{COUNT}", *more)
        return evalkit_run(words(manifest, server.base_url, tmp_path / "s", "run", *settings), env=environment)

    ended(evalkit_run(words(manifest, server.base_url, tmp_path / "w", "run"), env=environment))
    whole, run = tmp_path / "w" / "run", tmp_path / "s" / "run"
    order = random.Random(3).sample(range(1, COUNT + 1), COUNT)
    killed, absent, *others, last = order
    slow = started(killed, "model.limits.concurrency=1")
    log = run / "shards" / f"{killed}-of-{COUNT}" / TASK / "model.jsonl"
    wait_for_lines(slow, log, 3)
    slow.send_signal(signal.SIGSTOP)  # alive, and in no hurry
    again = started(killed)
    _, refused = again.communicate(timeout=300)
    assert "another evalkit process is writing to this run" in refused, "the same shard twice at once"
    slow.kill()
    slow.communicate()
    for few in (others[:4], others[4:8], others[8:], others[:2]):  # some at once; the first two twice
        for process in [started(number) for number in few]:
            ended(process)
    assert max(Counter(answers(run)).values()) == 1, "a shard that ran twice asked again"

    kept = len(log.read_bytes().splitlines())
    size = len(range(killed - 1, SAMPLES, COUNT))
    assert main(["merge", str(run)]) == 1
    said = capsys.readouterr()
    lines = said.out.splitlines()
    state = {killed: f"not finished; samples without an answer: {TASK} {size - kept:,} of {size:,}"}
    for number in (absent, last):
        share = len(range(number - 1, SAMPLES, COUNT))
        state[number] = f"not begun; samples without an answer: {TASK} {share} of {share}"
    assert lines == [f"shard {number}/{COUNT}, {state[number]}" for number in sorted(state)]
    assert "not merged, 3 of 16 shards are not finished" in said.err
    assert not (run / "metrics.json").exists()

    for process in [started(number) for number in (last, killed, absent)]:
        ended(process)
    assert sorted(answers(run)) == sorted(answers(whole)), "nothing is lost or doubled"
    assert main(["merge", str(run)]) == 0
    assert (run / "metrics.json").read_bytes() == (whole / "metrics.json").read_bytes()


def test_a_merge_that_is_killed_is_done_again(tmp_path: Path) -> None:
    rng = random.Random(4)
    runs = made_of_predictions(tmp_path, 3_000)
    command = [sys.executable, "-m", "evalkit.cli", "merge", str(runs / "sharded")]
    subprocess.run(command, check=True, capture_output=True)
    expected = (runs / "sharded" / "metrics.json").read_bytes()
    (runs / "sharded" / "metrics.json").unlink()
    for _ in kills_at_random(repeat(command), 5, rng):
        if (runs / "sharded" / "metrics.json").exists():
            assert (runs / "sharded" / "metrics.json").read_bytes() == expected
            (runs / "sharded" / "metrics.json").unlink()
    subprocess.run(command, check=True, capture_output=True)
    assert (runs / "sharded" / "metrics.json").read_bytes() == expected
    assert not list((runs / "sharded").glob("*/*.unfinished"))


def made_of_predictions(folder: Path, count: int) -> Path:
    """A run of stored predictions in two shards."""
    from tests.runs import make_run

    drawn = random.Random(1)
    references = {f"u{number}": " ".join(drawn.choices("abcdefgh", k=12)) for number in range(count)}
    for number in (1, 2):
        make_run(folder, "sharded", references, references, f"shard={number}/2", "statistics.resamples=2000")
    return folder


def test_a_run_with_speech_transcriber_and_judge_is_merged_and_read_scored_judged_and_compared_like_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    roles = ["model=echo", "model@judge=word_judge", "model@transcriber=transformers_asr"]
    tasks = "task=[demo_cvss_en_zh,demo_toolcall,demo_clean]"
    settings = [*roles, f"transcriber.path={save_whisper(tmp_path / 'whisper')}", tasks, "limit=8"]

    def evalkit(*arguments: str) -> None:
        assert main(arguments) == 0, capsys.readouterr().err

    evalkit("run", *settings, "name=whole")
    evalkit("run", "--multirun", *settings, "name=sharded", "shard=2/3,1/3,3/3")
    evalkit("merge", "runs/sharded")
    whole, sharded = tmp_path / "runs" / "whole", tmp_path / "runs" / "sharded"
    before, after = ((run / "metrics.json").read_text() for run in (whole, sharded))
    assert after == before.replace('"name": "whole"', '"name": "sharded"')
    speech = [sorted(path.relative_to(run).as_posix() for path in run.glob("*/speech/*/*")) for run in (whole, sharded)]
    assert speech[0] == speech[1]
    assert speech[0]
    evalkit("compare", "runs/whole", "runs/sharded")
    evalkit("diff", "runs/whole", "runs/sharded")
    evalkit("report", "runs/whole", "runs/sharded")
    evalkit("judge", "runs/sharded", "model@judge=word_judge", "name=judged")
    evalkit("score", "runs/sharded")
    evalkit("run", *settings, "name=sharded")
    assert (sharded / "metrics.json").read_text() == after
    with pytest.raises(AssertionError, match="was continued without shards"):
        evalkit("merge", "runs/sharded")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_shard_that_a_scheduler_stops_says_so_by_its_exit_status_and_goes_on(
    tmp_path: Path, environment: dict[str, str], server: OpenAIServer, number: signal.Signals
) -> None:
    manifest = recordings(tmp_path / "data", 60)
    arguments = words(manifest, server.base_url, tmp_path, "run", "shard=2/2")
    process = evalkit_run([*arguments, "model.limits.concurrency=2"], env=environment)
    assert within(lambda: len(answers(tmp_path / "run")) >= 4)
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 75, errors
    assert errors.splitlines()[-1] == (
        f"evalkit: stopped by {number.name}; what was answered is kept, the same command continues"
    )
    kept = len(answers(tmp_path / "run"))
    assert 4 <= kept < 30
    ended(evalkit_run(arguments, env=environment))
    assert max(Counter(answers(tmp_path / "run")).values()) == 1
    assert len(answers(tmp_path / "run")) == 30


def test_the_slurm_script_of_the_documentation_starts_a_shard_again_that_was_stopped(
    tmp_path: Path, environment: dict[str, str], server: OpenAIServer
) -> None:
    manifest = recordings(tmp_path / "data", 60)
    arguments = words(manifest, server.base_url, tmp_path, "night", "model.limits.concurrency=2")
    page = (ROOT / "docs" / "clusters.md").read_text()
    (script,) = re.findall(r"^```sh\n(#!/bin/bash\n.*?)^```$", page, re.MULTILINE | re.DOTALL)
    chosen = "model=whisper_large_v3 suite=asr_open name=night"
    assert chosen in script
    (tmp_path / "job.sh").write_text(script.replace(chosen, shlex.join(arguments)))
    programs = {
        "srun": 'exec "$@"',
        "evalkit": f'echo $$ > {tmp_path}/process; exec {sys.executable} -m evalkit.cli "$@"',
        "scontrol": f'echo "$@" >> {tmp_path}/requeued',
    }
    (tmp_path / "bin").mkdir()
    for name, line in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{line}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    # The last task of an array has the number of the whole as its own.
    array = {"SLURM_ARRAY_JOB_ID": "77", "SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "2"}
    slurm = {**array, "SLURM_JOB_ID": "77"}
    environment |= {**slurm, "PATH": f"{tmp_path / 'bin'}:{environment['PATH']}", "PYTHONPATH": str(ROOT)}

    def submitted() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(["bash", tmp_path / "job.sh"], env=environment, stderr=subprocess.DEVNULL)

    job = submitted()
    assert within(lambda: len(answers(tmp_path / "night")) >= 4)
    os.kill(int((tmp_path / "process").read_text()), signal.SIGUSR1)
    assert job.wait(300) == 75
    assert (tmp_path / "requeued").read_text() == "requeue 77_2\n"
    assert submitted().wait(300) == 0
    assert (tmp_path / "requeued").read_text() == "requeue 77_2\n", "what is done is not started again"
    assert len(answers(tmp_path / "night")) == len(set(answers(tmp_path / "night"))) == 30
