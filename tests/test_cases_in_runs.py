"""The inputs of the collection that concern whole commands, given to the command line as a user would."""

import json
import subprocess
from pathlib import Path

import pytest

from evalkit.datasets import open_dataset
from evalkit.errors import DataError
from evalkit.types import Request
from model_adapters.stand_ins.predictions import Predictions
from tests.conftest import CommandLine, write_jsonl
from tests.runs import make_run

TEXTS = {"u0": "hello there", "u1": "good morning all", "u2": "the cat sat"}
COMMAND = ("run", "task=librispeech_clean", "model=predictions", "statistics.resamples=20")


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A run of stored answers to a data set without recordings."""
    rows = [{"id": id_, "text": text} for id_, text in TEXTS.items()]
    write_jsonl(tmp_path / "m.jsonl", rows)
    write_jsonl(tmp_path / "答案.jsonl", rows)
    dataset = "tasks.librispeech_clean.dataset"
    return [*COMMAND, f"{dataset}.path=m.jsonl", f"+{dataset}.columns.audio=null", "model.path=答案.jsonl"]


def _whole(outcome: "subprocess.CompletedProcess[str]") -> bool:
    assert "Traceback" not in outcome.stderr
    return outcome.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["20241121", "3.5", "true", "2024_11_21", "1e5", "模型一", "Step (v2)", "step=100", "a,b"]
)
def test_a_run_may_have_any_name(tmp_path: Path, words: list[str], name: str, evalkit_command: CommandLine) -> None:
    outcome = evalkit_command(*words, f"name={name}", f"model.title={name}")
    assert _whole(outcome), outcome.stderr
    metrics = json.loads((tmp_path / "runs" / name / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["tasks"]["librispeech_clean"]["metrics"]["wer"]["value"] == 0
    assert name in outcome.stdout


@pytest.mark.parametrize(
    ("word", "answered"),
    [("limit=1e2", 3), ("limit='2'", 2), ("limit=null", 3), ("limit=all", None), ("max_failures=many", None)],
)
def test_numbers_where_words_come(
    tmp_path: Path, words: list[str], word: str, answered: int | None, evalkit_here: CommandLine
) -> None:
    outcome = evalkit_here(*words, "name=n", word)
    if answered is None:
        assert (outcome.returncode, len(outcome.stderr.splitlines())) == (2, 1)
        assert word.partition("=")[0] in outcome.stderr
        assert not (tmp_path / "runs").exists()
    else:
        assert _whole(outcome), outcome.stderr
        metrics = json.loads((tmp_path / "runs" / "n" / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["tasks"]["librispeech_clean"]["samples"]["scored"] == answered


@pytest.mark.slow
def test_a_home_that_no_shell_expanded(tmp_path: Path, words: list[str], evalkit_command: CommandLine) -> None:
    outcome = evalkit_command(*words, "name=n", "runs=~/x", env={"HOME": str(tmp_path / "home")})
    assert _whole(outcome), outcome.stderr
    assert (tmp_path / "home" / "x" / "n" / "librispeech_clean" / "scores.parquet").is_file()
    assert not (tmp_path / "~").exists()


@pytest.mark.slow
def test_scores_that_were_cut_and_names_that_become_one(tmp_path: Path, evalkit_command: CommandLine) -> None:
    runs = [make_run(tmp_path / "runs", name, TEXTS, TEXTS) for name in ("step 100", "step=100")]
    report = evalkit_command("report", *map(str, runs), "--output", "out")
    assert _whole(report), report.stderr
    pages = [path for path in (tmp_path / "out").rglob("*") if path.is_dir() and path.name.startswith("step")]
    assert len({path.name for path in pages}) == 2
    for path in runs[1].rglob("scores.parquet"):
        path.write_bytes(path.read_bytes()[:100])
    outcome = evalkit_command("compare", *map(str, runs))
    assert outcome.returncode == 2
    assert "Traceback" not in outcome.stderr
    assert "scores.parquet" in outcome.stderr.splitlines()[-1]


def test_json_lines_that_are_named_json(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text('{"audio": "a.wav", "text": "x"}\n{"audio": "b.wav", "text": "y"}\n')
    assert [sample.id for sample in open_dataset(path)] == ["a", "b"]


def test_a_folder_whose_name_is_a_pattern_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "br[1]").mkdir()
    (tmp_path / "br[1]" / "test-00000-of-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"takes \[, \], \* and \? in a path for a pattern; rename the folder"):
        list(open_dataset(tmp_path / "br[1]"))


def test_tables_of_the_collection(shared_data: Path) -> None:
    cases = shared_data.parent / "cases"
    if not cases.is_dir():
        pytest.skip(f"no cases at {cases}")
    adapter = Predictions(str(cases / "58_predictions.tsv"))
    read = [response.text for response in adapter.generate([Request((), sample_id=id_) for id_ in TEXTS])]
    assert read == ['"hello there', "good morning all", 'the cat sat"']
    samples = list(open_dataset(cases / "60_common_voice_test.tsv"))
    assert [sample.references[0] for sample in samples] == ["One sentence.", "This one ends in a stroke\\"]
