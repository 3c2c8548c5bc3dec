"""Commands that are killed at random moments: whatever they leave is the old state or the new one, and can be read."""

import random
import subprocess
import sys
from itertools import cycle, repeat
from pathlib import Path

import pytest

import evalkit
from reports.write import write_report
from tests.processes import kills_at_random
from tests.runs import make_run

KILLS = 8
COUNT = 1_500
WORDS = "the cat sat on a mat while seventeen geese flew over colour television sets".split()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(1)
    references = {f"u{number:04}": " ".join(rng.choices(WORDS, k=12)) for number in range(COUNT)}
    answers = {id_: " ".join(rng.sample(text.split(), k=11)).title() for id_, text in references.items()}
    return make_run(tmp_path_factory.mktemp("runs"), "run", references, answers, "statistics.resamples=1000")


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "evalkit.cli", *map(str, words)]


def carry_out(words: list[str]) -> None:
    subprocess.run(words, check=True, capture_output=True)


@pytest.mark.slow
def test_scores_that_are_killed_are_those_of_before_or_of_after(run: Path) -> None:
    schemes = [command("score", run, f"schemes=[{scheme}]") for scheme in ("whisper", "raw")]
    contents = []
    for words in schemes:
        carry_out(words)
        contents.append((run / "metrics.json").read_bytes())
    for _ in kills_at_random(cycle(schemes), KILLS, random.Random(2)):
        assert (run / "metrics.json").read_bytes() in contents
        comparison = evalkit.compare_runs(run, run, resamples=100)
        assert comparison.compared
        assert not comparison.regressed
        evalkit.read_run(run).scores("librispeech_other")
    for words, content in zip(schemes, contents, strict=True):
        carry_out(words)
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

    words = command("report", run, f"--output={output}")
    carry_out(words)
    whole = state()
    for _ in kills_at_random(repeat(words), KILLS, random.Random(3)):
        assert state() == whole, "the same report, and no file of it cut short"
    write_report([run], output_folder=output)
    assert state() == whole
