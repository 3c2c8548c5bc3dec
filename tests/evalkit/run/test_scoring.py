"""What a run writes down, from real runs of stored predictions."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from evalkit.errors import ConfigurationError, StoreError
from evalkit.metrics.error_rate import error_rate
from evalkit.results.metrics_file import read_run
from evalkit.run.rescore import rescore
from tests.runs import make_run

REFERENCES = {"a": "the colour is grey", "b": "twenty one geese", "c": "hello", "d": ""}
ANSWERS = {"a": "The color is grey.", "b": "21 goose", "c": "", "d": "um noise"}


def metrics_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "metrics.json").read_text())


def in_per_cent(fraction: float) -> Any:
    return pytest.approx(100 * fraction)


def test_a_figure_has_value_interval_counts_and_recipe(tmp_path: Path) -> None:
    run = make_run(tmp_path, "run", REFERENCES, ANSWERS)
    task = metrics_of(run)["tasks"]["librispeech_other"]
    figure = task["metrics"]["wer"]
    expected = error_rate(list(REFERENCES.values()), list(ANSWERS.values()), "en")
    assert figure["value"] == in_per_cent(expected.value)
    assert figure["interval"] is None, "four samples are too few"
    assert read_run(run).tasks["librispeech_other"].too_few("wer") == "4 samples are too few for an interval"
    assert (figure["unit"], figure["scale"], figure["function"]) == ("%", 100, "corpus_error_rate")
    assert figure["statistics"] == {"substitutions": 1, "deletions": 1, "insertions": 1, "reference_length": 7}
    assert figure["recipe"] == {
        "metric": "WER",
        "unit": "word",
        "normaliser": "whisper-en.v1",
        "averaging": "corpus",
    }
    assert read_run(run).tasks["librispeech_other"].recipe_line("wer") == (
        "metric:WER|unit:word|normaliser:whisper-en.v1|averaging:corpus|scored:4|failed:0|skipped:0"
    )
    assert task["samples"] == {"expected": 2939, "total": 4, "scored": 4, "failed": 0, "skipped": 0, "empty": 1}
    assert task["partial"] is True
    assert task["place"] == {"table": "asr", "group": "English", "benchmark": "LibriSpeech other"}


def test_a_sample_without_a_prediction_has_failed_and_counts_as_empty(tmp_path: Path) -> None:
    answers = {id_: text for id_, text in ANSWERS.items() if id_ != "b"}
    run = make_run(tmp_path, "run", REFERENCES, answers)
    task = metrics_of(run)["tasks"]["librispeech_other"]
    assert task["samples"]["failed"] == 1
    assert task["metrics"]["wer"]["statistics"]["deletions"] == 1 + 2
    rows = pyarrow.parquet.read_table(run / "librispeech_other" / "scores.parquet").to_pylist()
    assert [row["status"] for row in rows] == ["scored", "failed", "scored", "scored"]
    assert "no prediction for b" in rows[1]["reason"]


def test_every_sample_is_written_with_what_its_score_came_from(tmp_path: Path) -> None:
    run = make_run(tmp_path, "run", REFERENCES, ANSWERS)
    rows = pyarrow.parquet.read_table(run / "librispeech_other" / "scores.parquet").to_pylist()
    assert [row["id"] for row in rows] == list(REFERENCES)
    assert rows[1]["references"] == ["twenty one geese"]
    assert rows[1]["responses"] == [
        {"role": "model", "text": "21 goose", "speech": None, "tool_calls": [], "failure": None}
    ]
    assert rows[1]["reference_normalised"] == "21 geese"
    assert rows[1]["wer.substitutions"] == 1
    assert rows[1]["wer.reference_length"] == 2


def test_any_answer_can_be_written_down(tmp_path: Path) -> None:
    answers = {
        "a": "plain",
        "b": "nul \x00 and \x1b[31m",
        "c": "\u202e right to left",
        "d": "é" * 50_000,
    }
    run = make_run(tmp_path, "run", REFERENCES, answers)
    rows = pyarrow.parquet.read_table(run / "librispeech_other" / "scores.parquet").to_pylist()
    texts = [[response["text"] for response in row["responses"]] for row in rows]
    assert texts == [[answers[id_]] for id_ in "abcd"]


def test_several_schemes_stand_side_by_side(tmp_path: Path) -> None:
    run = make_run(tmp_path, "run", REFERENCES, ANSWERS, "schemes=all")
    figures = metrics_of(run)["tasks"]["librispeech_other"]["metrics"]
    assert list(figures) == ["wer", "wer_qwen2_audio", "wer_raw"]
    for scheme, key in (("default", "wer"), ("qwen2_audio", "wer_qwen2_audio"), ("raw", "wer_raw")):
        expected = error_rate(list(REFERENCES.values()), list(ANSWERS.values()), "en", scheme)
        assert figures[key]["value"] == in_per_cent(expected.value)
    assert figures["wer"]["value"] < figures["wer_raw"]["value"]


def test_equal_runs_write_equal_bytes_and_rescoring_changes_nothing(tmp_path: Path) -> None:
    first = make_run(tmp_path / "one", "run", REFERENCES, ANSWERS)
    second = make_run(tmp_path / "two", "run", REFERENCES, ANSWERS)
    before = (first / "metrics.json").read_bytes()
    assert (second / "metrics.json").read_bytes() == before
    rescore(first)
    assert (first / "metrics.json").read_bytes() == before


def test_a_run_is_scored_again_without_its_data_set(tmp_path: Path) -> None:
    run = make_run(tmp_path, "run", REFERENCES, ANSWERS)
    (tmp_path / "run-manifest.jsonl").unlink()
    (tmp_path / "run-answers.jsonl").unlink()
    again = rescore(run, ["schemes=[raw,default]"]).tasks["librispeech_other"]
    assert again.headline == "wer"
    assert again.metrics["wer"].recipe["normaliser"].startswith("raw-en")
    assert again.metrics["wer_default"].value == in_per_cent(3 / 7)
    assert "schemes:\n- raw\n- default" in (run / "config.yaml").read_text()


def test_rescoring_refuses_what_the_run_does_not_have(tmp_path: Path) -> None:
    run = make_run(tmp_path, "run", REFERENCES, ANSWERS)
    with pytest.raises(ConfigurationError, match="config.yaml: .*scheme"):
        rescore(run, ["scheme=[raw]"])
    with pytest.raises(ConfigurationError, match="'raw' is not of the form KEY=VALUE"):
        rescore(run, ["raw"])
    with pytest.raises(StoreError, match="no answer for sample a to what is asked now"):
        rescore(run, ["model.prompts.asr.language_hint=false"])
    with pytest.raises(StoreError, match="not a run folder"):
        rescore(tmp_path)


def test_results_are_broken_down_by_group(tmp_path: Path) -> None:
    references = {"x-1": "good day", "x-2": "good day", "y-1": "good day"}
    run = make_run(
        tmp_path,
        "run",
        references,
        {**references, "y-1": "good"},
        "+tasks.librispeech_other.dataset.groups={half: id}",
    )
    groups = metrics_of(run)["tasks"]["librispeech_other"]["groups"]
    assert groups["half"]["y-1"]["metrics"]["wer"]["value"] == 50
    assert groups["half"]["x-1"] == {
        "samples": 1,
        "metrics": {
            "wer": {
                "value": 0.0,
                "interval": None,
                "standard_error": None,
                "statistics": {"substitutions": 0, "deletions": 0, "insertions": 0, "reference_length": 2},
            }
        },
    }
