"""A run that is scored again or audited in several processes: the same as in one, and a clear end whatever befalls."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.audio import Audio
from evalkit.errors import EvalkitError, StoreError
from evalkit.run.audit import audit_run
from evalkit.run.rescore import rescore
from evalkit.types import Call, Failure, Response, Sample
from tests.processes import has_ended, within
from tests.stored_runs import stored_run

pytestmark = pytest.mark.slow  # processes start

ROWS = 4  # of a chunk
RECOGNISED, JUDGED = "recognised", "judged"
FILES = ("metrics.json", f"{RECOGNISED}/scores.parquet", f"{JUDGED}/scores.parquet")
IN_TWO_PROCESSES = """
import sys
from pathlib import Path
import evalkit.results.scores, evalkit.run.audit, evalkit.run.rescore
evalkit.results.scores.ROWS_AT_ONCE = 4
evalkit.run.audit.processes_for = evalkit.run.rescore.processes_for = lambda samples: 2
print("once", flush=True)
"""
ROUGH = '''
import os, signal, time
from pathlib import Path
from tasks.asr import Transcription

class Rough(Transcription):
    """Does what the environment says to the process that scores the eighth sample."""

    def chain(self, sample):
        if sample.id == "r07":
            if os.environ.get("ROUGH") == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if os.environ.get("ROUGH") == "wait":
                Path(os.environ["ROUGH_FILE"]).write_text(str(os.getpid()))
                time.sleep(600)
        return (yield from super().chain(sample))
'''


def task(target: str, **settings: Any) -> dict[str, Any]:
    place = {"table": "asr", "group": "English", "benchmark": target}
    return {"_target_": target, "title": target, "place": place, "dataset": {}, **settings}


CONFIG: dict[str, Any] = {
    "name": "run",
    "statistics": {"level": 0.95, "resamples": 50, "seed": 0},
    "tasks": {
        RECOGNISED: task("tasks.asr.Transcription", language="en", schemes=["default", "raw"]),
        JUDGED: task("tasks.big_bench_audio.BigBenchAudio", answer="text"),
    },
    "model": {"_target_": "mine.Model", "title": "Stand-in"},
    "judge": {"_target_": "mine.Judge", "title": "Judge"},
}


def sample(number: int, letter: str) -> Sample:
    key = f"{letter}{number:02}"
    return Sample(
        key,
        (Audio(f"{key}.wav", duration=1.5),),
        (f"geese numéro {number}",),
        ("en", "de")[number % 5 == 3],
        groups={"half": "ab"[number % 2]} if number != 6 else {},
        clusters={"speaker": f"speaker {number // 3}"},
    )


# Of one task the last chunk is full.
SAMPLES = {
    RECOGNISED: [sample(each, "r") for each in range(22)],
    JUDGED: [sample(each, "j") for each in range(3 * ROWS)],
}


def answer(call: Call, sample: Sample) -> Response | None:
    number = int(sample.id[1:])
    if call.role == "judge":
        return Response(("CORRECT", "INCORRECT", "hard to say")[number % 3])
    if number in (5, 13):
        return Response(failure=Failure("timeout", f"late at {number}"))
    if number == 10:
        return None
    return Response("" if number == 11 else f"geese numéro {number + number % 4 // 3} \ud83d")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of many small chunks."""
    monkeypatch.setattr("evalkit.results.scores.ROWS_AT_ONCE", ROWS)
    return stored_run(tmp_path / "run", CONFIG, SAMPLES, answer)


@pytest.fixture
def in_processes(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Has all that follows scored in so many processes."""

    def choose(processes: int) -> None:
        for user in ("audit", "rescore"):
            monkeypatch.setattr(f"evalkit.run.{user}.processes_for", lambda samples: processes)

    return choose


@pytest.fixture
def rough(run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose task is the user's own, which may harm the process that scores."""
    (run.parent / "rough_tasks.py").write_text(ROUGH)
    monkeypatch.syspath_prepend(str(run.parent))
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("tasks.asr.Transcription\n", "rough_tasks.Rough\n"))
    return run


def contents(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in FILES}


def test_several_processes_write_the_same_bytes_as_one(run: Path, in_processes: Callable[[int], None]) -> None:
    before = contents(run)
    in_processes(1)
    rescore(run)
    assert contents(run) == before
    in_processes(2)
    result = rescore(run)
    assert contents(run) == before
    counted = result.tasks[RECOGNISED].samples
    assert (counted.total, counted.failed, counted.skipped) == (22, 2, 1)


def test_what_is_wrong_with_a_sample_is_said_as_by_one_process(run: Path, in_processes: Callable[[int], None]) -> None:
    log, before, said = run / RECOGNISED / "model.jsonl", contents(run), []
    log.write_text("".join(line for line in log.read_text().splitlines(True) if '"sample":"r18"' not in line))
    for processes in (1, 2):
        in_processes(processes)
        with pytest.raises(StoreError, match="no answer for sample r18 to what is asked now") as caught:
            rescore(run)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert contents(run) == before


def test_a_process_that_is_killed_is_named(
    rough: Path, in_processes: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(rough)
    in_processes(2)
    monkeypatch.setenv("ROUGH", "kill")
    with pytest.raises(EvalkitError, match="recognised: a process that worked on samples was ended from outside"):
        rescore(rough, allow=["rough_tasks"])
    with pytest.raises(EvalkitError, match="recognised: a process that worked on samples was ended from outside"):
        audit_run(rough, allow=["rough_tasks"])
    assert contents(rough) == before


def test_a_script_is_carried_out_once(run: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"{IN_TWO_PROCESSES}\nevalkit.run.rescore.rescore(Path(sys.argv[1]))\n")
    before = contents(run)
    done = subprocess.run([sys.executable, script, run], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "once\n", "")
    assert contents(run) == before


@pytest.mark.parametrize(
    ("command", "number"), [("score", signal.SIGINT), ("score", signal.SIGKILL), ("audit", signal.SIGINT)]
)
def test_an_end_from_outside_leaves_no_process(
    rough: Path, tmp_path: Path, command: str, number: signal.Signals
) -> None:
    script, at_work = tmp_path / "script.py", tmp_path / "at_work"
    words = [command, str(rough), "--allow", "rough_tasks"]
    script.write_text(f"{IN_TWO_PROCESSES}\nfrom evalkit.cli.main import main\nsys.exit(main({words}))\n")
    environment = {**os.environ, "ROUGH": "wait", "ROUGH_FILE": str(at_work), "PYTHONPATH": str(rough.parent)}
    process = subprocess.Popen(
        [sys.executable, script], env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert within(lambda: at_work.is_file() and at_work.read_text())
    # As the terminal does it, whose interrupt goes to all processes of the group.
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=300)
    assert has_ended(int(at_work.read_text()))
    if number == signal.SIGINT:
        assert said.splitlines() == ["evalkit: interrupted; what was answered is kept, the same command continues"]
        assert process.returncode == 130
