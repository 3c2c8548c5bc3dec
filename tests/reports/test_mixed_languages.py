"""A set whose rows are in two languages, from the manifest to the pages."""

from pathlib import Path

from evalkit.cli.main import main
from evalkit.results.metrics_file import read_run
from reports.samples.utterances import read_utterances
from tests.conftest import write_jsonl


def test_each_row_is_scored_and_shown_by_its_own_language(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "audio": "a.wav", "text": "二十", "language": "zh"},
        {"id": "b", "audio": "b.wav", "text": "Twenty colours Mr Jones", "language": "en"},
    ]
    manifest = write_jsonl(tmp_path / "manifest.jsonl", rows)
    answers = [{"id": "a", "text": "20"}, {"id": "b", "text": "20 colors mister james"}]
    predictions = write_jsonl(tmp_path / "answers.jsonl", answers)
    words = ["task=aishell", f"tasks.aishell.dataset.path={manifest}", "model=predictions", f"model.path={predictions}"]
    assert main(["run", *words, f"runs={tmp_path}", "name=run"]) == 0
    run = read_run(tmp_path / "run")
    result = run.tasks["aishell"]
    assert result.metric.statistics == {
        "substitutions": 1,
        "deletions": 0,
        "insertions": 0,
        "reference_length": 6,
    }
    assert result.metric.recipe["other_languages"] == "whisper-en.v1 by word"
    english, chinese = read_utterances(run, result)
    assert [step.reference for step in english.steps] == ["20", "colors", "mister", "jones"]
    assert (len(english.steps), len(chinese.steps)) == (4, 2)
    assert main(["score", str(tmp_path / "run")]) == 0
