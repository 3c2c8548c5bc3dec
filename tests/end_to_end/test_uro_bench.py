"""Whole runs of URO-Bench on the demo speech: a model that speaks, a real recogniser, a judge that goes by rules."""

import shutil
from pathlib import Path
from typing import Any

import jiwer
import pyarrow.parquet
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from evalkit.run.composition import compose_configuration
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import plan_from_config
from tests.conftest import DEMO_SPEECH, write_jsonl

pytestmark = pytest.mark.slow  # a whole run for each

pytest.importorskip("pocketsphinx")

CLIPS = {
    "clean-slt-02": "Margaret bought twenty-four red apples and a dozen brown eggs.",
    "clean-slt-06": "They'd rather walk along the river than wait for a taxi.",
    "clean-rms-03": "Sleet and hail are forecast in Yorkshire before the weekend.",
    "clean-joe-01": "Mr. Thompson realised that he'd forgotten his umbrella on the bus.",
}


def subset_of_clips(folder: Path, name: str) -> Path:
    """A subset in the benchmark's layout whose questions are the clips, and one recording of silence."""
    subset = folder / "data" / "URO-Bench-data" / "basic" / name
    (subset / "audio").mkdir(parents=True)
    for clip, text in CLIPS.items():
        shutil.copy(DEMO_SPEECH / "audio" / f"{clip}.flac", subset / "audio")
        (subset / "audio" / f"{clip}.txt").write_text(text, encoding="utf-8")
    shutil.copy(DEMO_SPEECH / "audio" / "clean-slt-01.flac", subset / "audio" / "silence.flac")
    rows = [
        {"id": clip, "source_wav": f"audio/{clip}.flac", "source_text": text}
        for clip, text in {**CLIPS, "silence": "Say nothing."}.items()
    ]
    write_jsonl(subset / "test.jsonl", rows)
    return subset


def run(folder: Path, task: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The task's entry of metrics.json, and its scored samples."""
    words = [
        f"runs={folder}",
        f"data_root={folder / 'data'}",
        "name=run",
        f"task={task}",
        "model=pocketsphinx",
        "model._target_=tests.uro_bench.Parrot",
        "model@transcriber=pocketsphinx",
        "model@judge=pocketsphinx",
        "judge._target_=tests.uro_bench.SameWords",
        "statistics.resamples=100",
    ]
    choices = {"model": "pocketsphinx", "task": task}
    metrics = evaluate(plan_from_config(compose_configuration(words), choices)).results.to_json()
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(folder / "run" / task / "scores.parquet").to_pylist()
    return metrics["tasks"][task], rows


def test_repeat(tmp_path: Path) -> None:
    subset_of_clips(tmp_path, "Repeat")
    result, rows = run(tmp_path, "uro_repeat")
    assert result["samples"] == {"expected": 252, "total": 5, "scored": 5, "failed": 0, "skipped": 0, "empty": 1}
    assert result["partial"]
    normalise, kept = EnglishTextNormalizer(), []
    for row in rows:
        if row["id"] == "silence":
            assert row["answer"] == " "
            continue
        rate = jiwer.wer(normalise(row["answer"].lower()), normalise(CLIPS[row["id"]].lower()))
        assert row["judgement"] == f"error rate {rate:.4f}"
        kept += [rate] if rate <= 0.5 else []
    # The recogniser is weak, but not so weak that nothing is left to compare.
    assert kept
    score = result["metrics"]["score"]
    assert score["value"] == pytest.approx(100 * len(kept) / 5 * (1 - sum(kept) / len(kept)))
    assert score["statistics"]["samples"] == 5
    assert result["metrics"]["repeated"]["value"] == 100 * len(kept) / 5
    assert result["metrics"]["error_rate"]["value"] == pytest.approx(100 * sum(kept) / len(kept))
    # The parrot says that it spoke the text, so the figure is the recogniser's own error rate on the four it spoke.
    assert result["metrics"]["asr_error_rate"]["statistics"]["samples"] == 4


def test_an_open_subset(tmp_path: Path) -> None:
    subset_of_clips(tmp_path, "AlpacaEval")
    result, rows = run(tmp_path, "uro_alpacaeval")
    by_id = {row["id"]: row for row in rows}
    assert result["samples"] == {"expected": 199, "total": 5, "scored": 4, "failed": 1, "skipped": 0, "empty": 1}

    # The judge could not be read at first.
    apples = by_id["clean-slt-02"]
    assert apples["responses"][2]["text"] == "4/5"
    assert apples["judgement"] in ("5 5 4", "2 2 1")
    # Nor ever, here: the sample fails, counts as 0, and says why.
    umbrella = by_id["clean-joe-01"]
    assert (umbrella["status"], umbrella["score.mark"]) == ("failed", 0)
    assert "4/5" in umbrella["reason"]
    assert len(umbrella["responses"]) == 5
    # Silence is not judged.
    assert by_id["silence"]["judgement"] == "nothing was said"

    scored = [row for row in rows if row["status"] == "scored" and row["id"] != "silence"]
    marks = [sum(map(int, row["judgement"].split())) / 3 for row in scored]
    assert len(marks) == 3
    assert result["metrics"]["score"]["value"] == pytest.approx(sum(marks) * 20 / 5)
    assert result["metrics"]["score"]["unit"] == ""
    disagreement = result["metrics"]["judge_disagreement"]
    assert (disagreement["value"], disagreement["statistics"]["judged"]) == (100, 3)
    # Every answer was kept as the model spoke it.
    assert len(list((tmp_path / "run" / "uro_alpacaeval" / "speech").rglob("*.flac"))) == 4
