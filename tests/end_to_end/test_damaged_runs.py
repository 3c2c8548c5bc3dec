"""A run folder with a damaged or doctored file: the right results, or one line and exit status 2, of every command."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from evalkit.cli.main import main
from tests.end_to_end.damage import Damage, damages
from tests.runs import make_run

pytestmark = pytest.mark.slow  # a whole run for each

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
        ["status", damaged],
        ["audit", damaged],
        ["score", damaged],
    ]


def another_attempt(runs: Path) -> list[list[str]]:
    data = [f"tasks.{TASK}.dataset.path={runs}/damaged-manifest.jsonl", f"model.path={runs}/damaged-answers.jsonl"]
    settings = [f"runs={runs}", "name=damaged", "model.title=damaged", "statistics.resamples=50"]
    return [["run", "model=predictions", f"task={TASK}", *data, *settings]]


def check_commands(
    runs: Path,
    file: str,
    damage: Damage,
    commands: Commands,
    capsys: pytest.CaptureFixture[str],
    *,
    regression_allowed: bool = False,
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
        found = words[0] == "audit" or (regression_allowed and words[0] == "compare")
        assert status in (0, 2) or found, (words[0], output, errors)
        assert "unforeseen" not in errors, (words[0], errors)
        assert "Traceback" not in errors
        complaints = [line for line in errors.splitlines() if line.startswith("evalkit: ")]
        # A comparison that can compare nothing says so where its table would be.
        assert status != 2 or len(complaints) == 1 or (words[0] == "compare" and "not comparable" in output), errors


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


@pytest.mark.parametrize("file", ["metrics.json", "provenance.json"])
def test_a_file_that_a_power_cut_left_empty_is_told_with_what_to_do(
    runs: Path, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs, tmp_path / "runs")
    path, (words,) = tmp_path / "runs" / "damaged" / file, another_attempt(tmp_path / "runs")
    path.write_bytes(b"")
    assert main(words) == 2
    assert "; put it back as it was, or delete it and continue the run\n" in capsys.readouterr().err
    path.unlink()
    assert main(words) == 0
    figures = [(each / "damaged" / "metrics.json").read_bytes() for each in (runs, tmp_path / "runs")]
    assert figures[0] == figures[1]
    assert main(["audit", str(path.parent)]) == 0


ODD_COLUMNS: dict[str, list[Any]] = {
    "nothing": [None] * 6,
    "whole numbers": [0, 1, 2, 3, 4, 5],
    "huge numbers": [1e300] * 6,
    "bytes": [b"\xff"] * 6,
    "one text": ["s1"] * 6,
    "lists of nothing": [[None]] * 6,
    "objects": [{"role": "model"}] * 6,
    "JSON of another kind": ["[5]"] * 6,
    "JSON without end": ["[" * 100_000] * 6,
}


@pytest.mark.parametrize("kind", ODD_COLUMNS)
def test_scores_with_a_column_of_another_kind_are_one_line(
    runs: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = f"{TASK}/scores.parquet"
    for column in ("id", "status", "reason", "language", "audio", "references", "groups", "metadata", "wer.deletions"):

        def damage(content: bytes, column: str = column) -> bytes:
            table = pyarrow.parquet.read_table(io.BytesIO(content))
            odd = table.set_column(table.schema.names.index(column), column, pa.array(ODD_COLUMNS[kind]))
            changed = io.BytesIO()
            pyarrow.parquet.write_table(odd.replace_schema_metadata(digest(content)), changed)
            return changed.getvalue()

        check_commands(runs, file, damage, lambda runs: readers(runs)[2:], capsys, regression_allowed=True)


def digest(content: bytes) -> dict[bytes, bytes]:
    """What binds scores to the results that were made of them."""
    kept: dict[bytes, bytes] = pyarrow.parquet.read_metadata(io.BytesIO(content)).metadata
    return {key: value for key, value in kept.items() if key == b"evalkit.digest"}
