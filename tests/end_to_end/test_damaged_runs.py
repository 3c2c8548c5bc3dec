"""A run folder with a damaged or doctored file: the right results, or one line and exit status 2, of every command."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.cli.main import main
from tests.end_to_end.damage import Damage, damages
from tests.runs import make_run

REFERENCES = {f"s{number}": "the cat sat on a mat" for number in range(6)}
ANSWERS = {id_: "the cat sat on mat" if id_ < "s3" else text for id_, text in REFERENCES.items()}
TASK = "librispeech_other"
FILES = (
    "config.yaml",
    "events.jsonl",
    "metrics.json",
    "provenance.json",
    f"{TASK}/model.jsonl",
    f"{TASK}/scores.parquet",
)

Commands = Callable[[Path], list[list[str]]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs with the same answers, ``base`` and ``damaged``."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("base", "damaged"):
        make_run(folder, name, REFERENCES, ANSWERS, "statistics.resamples=50")
    return folder


def readers(runs: Path) -> list[list[str]]:
    base, damaged = str(runs / "base"), str(runs / "damaged")
    return [
        ["list", "runs", str(runs)],
        ["compare", base, damaged, "--resamples=50"],
        ["compare", damaged, base, "--resamples=50"],
        ["report", damaged, f"--output={runs}/report"],
        ["score", damaged],
    ]


def another_attempt(runs: Path) -> list[list[str]]:
    data = [f"tasks.{TASK}.dataset.path={runs}/damaged-manifest.jsonl", f"model.path={runs}/damaged-answers.jsonl"]
    settings = [f"runs={runs}", "name=damaged", "model.title=damaged", "statistics.resamples=50"]
    return [["run", "model=predictions", f"task={TASK}", *data, *settings]]


def check_commands(
    runs: Path, file: str, damage: Damage, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = runs / "kept"
    damaged = runs / "damaged"
    for words in commands(runs):
        shutil.copytree(damaged, kept)
        try:
            path = damaged / file
            path.write_bytes(damage(path.read_bytes()))
            capsys.readouterr()
            status = main(words)
            output, errors = capsys.readouterr()
        finally:
            shutil.rmtree(damaged)
            kept.rename(damaged)
        assert status in (0, 2), (words[0], output, errors)
        assert "unforeseen" not in errors, (words[0], errors)
        assert "Traceback" not in errors
        complaints = [line for line in errors.splitlines() if line.startswith("evalkit: ")]
        # A comparison that can compare nothing says so where its table would be.
        assert status == 0 or len(complaints) == 1 or (words[0] == "compare" and "not comparable" in output), errors


@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_is_one_line_or_does_not_matter(
    runs: Path, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for _, damage in damages(file, rounds=2):
        check_commands(runs, file, damage, readers, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_run_is_continued_or_refused(runs: Path, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    for _, damage in damages(file, rounds=20):
        check_commands(runs, file, damage, another_attempt, capsys)
