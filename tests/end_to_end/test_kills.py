"""Commands that are killed at random moments: whatever they leave is the old state or the new one, and can be read."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import evalkit
from reports.write import write_report
from tests.runs import make_run

KILLS = 12
COUNT = 1_500
WORDS = "the cat sat on a mat while seventeen geese flew over colour television sets".split()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(1)
    references = {f"u{number:04}": " ".join(rng.choices(WORDS, k=12)) for number in range(COUNT)}
    answers = {id_: " ".join(rng.sample(text.split(), k=11)).title() for id_, text in references.items()}
    return make_run(tmp_path_factory.mktemp("runs"), "run", references, answers, "statistics.resamples=1000")


def kill_at(words: list[str], seconds: float) -> bool:
    """Start a command, and say whether it was killed before its end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "evalkit.cli", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(seconds)
    process.kill()
    return process.wait() == -signal.SIGKILL


def seconds_of(words: list[str]) -> float:
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "evalkit.cli", *words], check=True, capture_output=True)
    return time.monotonic() - started


@pytest.mark.slow
def test_scores_that_are_killed_are_those_of_before_or_of_after(run: Path) -> None:
    schemes = {"whisper": b"", "raw": b""}
    for scheme in schemes:
        took = seconds_of(["score", str(run), f"schemes=[{scheme}]"])
        schemes[scheme] = (run / "metrics.json").read_bytes()
    rng, killed = random.Random(2), 0
    for number in range(KILLS):
        scheme = list(schemes)[number % 2]
        killed += kill_at(["score", str(run), f"schemes=[{scheme}]"], rng.uniform(0.3, 1.0) * took)
        assert (run / "metrics.json").read_bytes() in schemes.values()
        comparison = evalkit.compare_runs(run, run, resamples=100)
        assert comparison.compared
        assert not comparison.regressed
        evalkit.read_run(run).scores("librispeech_other")
    assert killed >= KILLS // 4
    for scheme, content in schemes.items():
        seconds_of(["score", str(run), f"schemes=[{scheme}]"])
        assert (run / "metrics.json").read_bytes() == content


@pytest.mark.slow
def test_a_report_that_is_killed_is_that_of_before_or_of_after(run: Path, tmp_path: Path) -> None:
    output = tmp_path / "report"

    def state() -> dict[str, bytes]:
        paths = (path for path in output.rglob("*") if path.is_file() and not path.name.startswith("."))
        return {
            path.relative_to(output).as_posix(): path.read_bytes()
            for path in paths
            if not path.relative_to(output).parts[0].startswith(".unfinished-")
        }

    words = ["report", str(run), f"--output={output}"]
    took = seconds_of(words)
    whole = state()
    rng, killed = random.Random(3), 0
    for _ in range(KILLS):
        killed += kill_at(words, rng.uniform(0.3, 1.0) * took)
        assert state() == whole, "the same report, and no file of it cut short"
    assert killed >= KILLS // 4
    write_report([run], output_folder=output)
    assert state() == whole
