"""Runs that something happens to: what was answered is kept, and the same command ends as if nothing had been."""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalkit.run.audit import audit_run
from tests.conftest import ROOT, write_jsonl
from tests.end_to_end.misbehaving import WORDS, heard
from tests.end_to_end.served_runs import KEY, evalkit_run, metrics_of, model_and_judge, recordings, words
from tests.processes import wait_for_lines, within
from tests.servers.openai_server import OpenAIServer

pytestmark = pytest.mark.slow

COUNT = 80
TASK = "librispeech_clean"


class Bench:
    """A data set of its own, a model that may misbehave, and runs of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        self.fault = folder / "fault.json"
        self.manifest = _data_set(folder / "data")
        (folder / "configs" / "model").mkdir(parents=True)
        (folder / "configs" / "model" / "misbehaving.yaml").write_text(
            "defaults:\n  - /prompts@prompts: recognizer\n"
            "_target_: tests.end_to_end.misbehaving.Misbehaving\ntitle: Misbehaving\nfault: ???\n"
        )
        self.run("clean").wait()
        self.clean = self.metrics("clean")

    def run(self, name: str, *overrides: str) -> "subprocess.Popen[str]":
        chosen = [
            *("--config-dir", str(self.folder / "configs"), "model=misbehaving", f"model.fault={self.fault}"),
            *(f"task={TASK}", f"tasks.{TASK}.dataset.path={self.manifest}", "statistics.resamples=100"),
            *(f"runs={self.runs}", f"name={name}", *overrides),
        ]
        return evalkit_run(chosen, env={**os.environ, "PYTHONPATH": str(ROOT)})

    def log(self, name: str) -> Path:
        return self.runs / name / TASK / "model.jsonl"

    def plant(self, kind: str, at: int) -> None:
        """Have the model misbehave from a batch of four on, until the fault is removed."""
        self.fault.write_text(json.dumps({"kind": kind, "at": at}))

    def metrics(self, name: str) -> str:
        return (self.runs / name / "metrics.json").read_text().replace(f'"{name}"', '"NAME"')

    def assert_completes(self, name: str, failed_before: int = 0) -> None:
        """The same command again: figures of a run that nothing happened to, and nothing asked twice."""
        self.fault.unlink(missing_ok=True)
        process = self.run(name)
        said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        assert self.metrics(name) == self.clean
        records = [json.loads(line) for line in self.log(name).read_text().splitlines()]
        answered = Counter(record["sample"] for record in records if "failure" not in record["response"])
        assert len(answered) == COUNT
        assert set(answered.values()) == {1}, "an answered sample was asked again"
        assert len(records) - COUNT == failed_before
        assert not audit_run(self.runs / name).findings


def _data_set(folder: Path) -> Path:
    folder.mkdir()
    noise, rows = np.random.default_rng(0), []
    for number in range(COUNT):
        path = folder / f"{number:03}.wav"
        soundfile.write(path, noise.uniform(-0.5, 0.5, 1_600 + 16 * number), 16_000, subtype="PCM_16")
        waveform, _ = soundfile.read(path, dtype="float32")
        text = heard(waveform.tobytes()).split()
        text[number % 8] = WORDS[number % len(WORDS)]  # so that there are errors to count
        rows.append({"id": f"u{number:03}", "audio": path.name, "text": " ".join(text)})
    return write_jsonl(folder / "manifest.jsonl", rows)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("faults"))


@pytest.fixture(autouse=True)
def no_fault(bench: Bench) -> Iterator[None]:
    yield
    bench.fault.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("signals", "status", "line"),
    [
        ([signal.SIGKILL], -signal.SIGKILL, ""),
        ([signal.SIGTERM], 75, "stopped by SIGTERM; what was answered is kept, the same command continues"),
        ([signal.SIGUSR1], 75, "stopped by SIGUSR1; what was answered is kept, the same command continues"),
        ([signal.SIGINT], 130, "interrupted; what was answered is kept, the same command continues"),
        ([signal.SIGINT, signal.SIGINT], 130, "what was answered is kept, the same command continues"),
        ([signal.SIGTERM, signal.SIGKILL], -signal.SIGKILL, ""),
    ],
    ids=lambda value: "-".join(number.name for number in value) if isinstance(value, list) else "",
)
def test_a_signal(bench: Bench, signals: list[signal.Signals], status: int, line: str) -> None:
    name = "-".join(number.name for number in signals).lower()
    first, *further = signals
    bench.plant("wait", at=6)
    with bench.run(name) as process:
        assert process.stderr is not None
        wait_for_lines(process, bench.log(name), 20)
        process.send_signal(first)
        stderr = ""
        while first != signal.SIGKILL and "finishing the batch" not in stderr:
            stderr += process.stderr.readline()
            assert process.poll() is None, stderr
        for number in further:
            process.send_signal(number)
        if not further:
            bench.fault.unlink()
        stderr += process.stderr.read()
    assert process.returncode == status, stderr
    assert line in stderr
    assert "Traceback" not in stderr
    kept = bench.log(name).read_bytes().count(b"\n")
    if first == signal.SIGKILL or further:
        assert kept == 20
    else:
        assert 24 <= kept < COUNT, "the batch under way is finished"
    bench.assert_completes(name)


def test_a_recording_that_cannot_be_read(bench: Bench) -> None:
    recording = bench.manifest.parent / "040.wav"
    whole = recording.read_bytes()
    recording.write_bytes(b"RIFF" + bytes(2_000))
    try:
        process = bench.run("unreadable")
        _, stderr = process.communicate(timeout=300)
    finally:
        recording.write_bytes(whole)
    assert process.returncode == 1, stderr
    assert "1 sample failed and counts as wrong" in stderr
    responses = [json.loads(line)["response"] for line in bench.log("unreadable").read_text().splitlines()]
    assert [each["failure"]["kind"] for each in responses if "failure" in each] == ["unreadable_audio"]
    bench.assert_completes("unreadable", failed_before=1)


@pytest.mark.parametrize("kind", ["raise", "too_few"])
def test_a_model_that_misbehaves_from_the_middle_on(bench: Bench, kind: str) -> None:
    bench.plant(kind, at=10)
    process = bench.run(kind, "max_failures=20")
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 2, stderr
    assert "more than max_failures=20" in stderr, stderr
    assert "Traceback" not in stderr
    records = [json.loads(line) for line in bench.log(kind).read_text().splitlines()]
    failed = [record["response"]["failure"] for record in records if "failure" in record["response"]]
    assert len(failed) > 20
    assert len(records) - len(failed) >= 36, "what was answered before is kept"
    bench.assert_completes(kind, failed_before=len(failed))


def test_a_model_that_hangs(bench: Bench) -> None:
    bench.plant("hang", at=10)
    process = bench.run("hang", "executor.batch_deadline=8")
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 2, stderr
    last = stderr.splitlines()[-1]
    assert last.startswith("evalkit: model: no answer within executor.batch_deadline=8 s to u"), stderr
    assert last.count("u0") == 4, "the samples of the batch are named"
    assert "model.python=PYTHON" in last
    assert "Traceback" not in stderr
    assert bench.log("hang").read_bytes().count(b"\n") == 36, "what was answered before is kept"
    bench.assert_completes("hang")


def test_two_processes_at_once(bench: Bench) -> None:
    bench.plant("wait", at=COUNT // 4)  # or the first would be done before the last begins
    processes = [bench.run("at_once") for _ in range(4)]
    assert within(lambda: sum(process.poll() is not None for process in processes) == 3)
    bench.fault.unlink()
    outcomes = [(process.communicate(timeout=300), process.returncode) for process in processes]
    assert sorted(status for _, status in outcomes) == [0, 2, 2, 2], outcomes
    for (_, stderr), status in outcomes:
        assert "Traceback" not in stderr
        assert not status or "at_once: another evalkit process is writing to this run" in stderr.splitlines()[-1]
    bench.assert_completes("at_once")


def test_a_judge_that_is_away_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_KEY", KEY)
    manifest, runs = recordings(tmp_path / "data", 60), tmp_path / "runs"

    def arguments(name: str, judge: str) -> list[str]:
        return words(manifest, model.base_url, runs, name, "cache.folder=null", f"judge.base_url={judge}")

    with OpenAIServer(model_and_judge, key=KEY, latency=0.05) as model:
        with OpenAIServer(model_and_judge, key=KEY, latency=0.05) as judge:
            assert evalkit_run(arguments("clean", judge.base_url)).wait() == 0
            process = evalkit_run(arguments("away", judge.base_url))
            wait_for_lines(process, runs / "away" / "big_bench_audio" / "judge.jsonl", 5)
        # The model goes on while its judge is away.
        wait_for_lines(process, runs / "away" / "big_bench_audio" / "model.jsonl", 60)
        with OpenAIServer(model_and_judge, key=KEY, port=judge.port):
            said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert metrics_of(runs / "away") == metrics_of(runs / "clean")


def test_a_name_that_is_not_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_KEY", KEY)
    manifest, runs = recordings(tmp_path / "data", 12), tmp_path / "runs"
    with OpenAIServer(model_and_judge, key=KEY) as server:
        assert evalkit_run(words(manifest, server.base_url, runs, "clean")).wait() == 0
        nowhere = "http://judge.invalid/v1"  # a name that no resolver knows, by RFC 6761
        unknown = [f"judge.base_url={nowhere}", "judge.limits.patience=2"]
        process = evalkit_run(words(manifest, server.base_url, runs, "unresolved", "cache.folder=null", *unknown))
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 2
        assert stderr.splitlines()[-1].startswith("evalkit: judge: no answer for"), stderr
        assert "judge.invalid" in stderr.splitlines()[-1]
        assert "Traceback" not in stderr
        again = evalkit_run(words(manifest, server.base_url, runs, "unresolved", "cache.folder=null"))
        said = again.communicate(timeout=300)
        assert again.returncode == 0, said
    assert metrics_of(runs / "unresolved") == metrics_of(runs / "clean")
