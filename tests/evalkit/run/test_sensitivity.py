"""The same answers under every scheme: what the tables say is what a run scored by that scheme alone says."""

import json
import shutil
from pathlib import Path

import pytest

import evalkit
from evalkit.cli.main import main
from evalkit.errors import ConfigurationError
from evalkit.metrics.error_rate import STATISTICS
from evalkit.metrics.functions import get_metric_function
from evalkit.run.rescore import rescore
from evalkit.run.sensitivity import sensitivity
from reports.tables.by_normaliser import by_normaliser_table
from tests.runs import make_run

REFERENCES = {
    "u1": "Mr. Jones paid twenty dollars",
    "u2": "the colour of the harbour",
    "u3": "nobody heard a sound",
    "u4": "we won't wait for Mr. Jones",
    "u5": "geese flew over",
    "u6": "the cat sat down",
}
ANSWERS = {
    "u1": "Mister Jones paid $20.",
    "u2": "The color of the harbor",
    "u3": "nobody hurt a sound",
    "u4": "We will not wait for Mister Jones",
    "u5": "geese flew over",
    "u6": "the cat sat",
}


@pytest.fixture(scope="module")
def whisper_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose headline figure is Whisper's, and which has that of the raw texts too."""
    folder = tmp_path_factory.mktemp("runs")
    return make_run(folder, "run", REFERENCES, ANSWERS, "statistics.resamples=200", "schemes=[whisper,raw]")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_schemes_side_by_side_are_what_runs_scored_by_them_say(
    whisper_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(whisper_run, tmp_path / "run")
    before = contents(run)
    assert main(["sensitivity", str(run), f"--json={tmp_path / 'schemes.json'}"]) == 0
    assert contents(run) == before, "nothing is written"
    printed = capsys.readouterr().out
    (found,) = json.loads((tmp_path / "schemes.json").read_text())
    (task,) = found["tasks"]
    headline, *others = task["figures"]
    assert headline["scheme"].startswith("whisper-en")
    assert headline["difference"] is None
    assert [each["scheme"].split("-")[0] for each in others] == ["raw", "qwen2_audio"], "whisper is English's default"
    raw = next(each for each in others if each["scheme"].startswith("raw"))
    # Whisper's scheme forgives all but "hurt" for "heard"; nothing is forgiven in u1, u2 and u4 as they are.
    assert raw["changed"] == 3
    assert raw["difference"] == pytest.approx(raw["value"] - headline["value"])
    assert raw["difference_interval"][0] <= raw["difference"] <= raw["difference_interval"][1]
    assert raw["difference_interval"][1] - raw["difference_interval"][0] > 0
    alone = {each["error"]: each for each in raw["reasons"] if not each["forgiven"]}
    assert alone["Mr. → Mister"]["samples"] == 2
    assert alone["Mr. → Mister"]["sample_id"] == "u1"
    assert len(raw["examples"]) == 3
    assert ["the colour of the harbour", "The color of the harbor"] in [each["other"] for each in raw["examples"]]
    assert "alone counts Mr. → Mister (2 samples, such as u1)" in printed
    values = {}
    for name in ("raw", "qwen2_audio"):
        metric = rescore(run, [f"schemes=[{name}]"]).tasks["librispeech_other"].metric
        values[metric.recipe["normaliser"]] = (metric.value, list(metric.interval or ()))
    assert {each["scheme"]: (each["value"], each["interval"]) for each in others if each["scheme"] in values} == values


def test_the_interval_of_a_difference_is_that_of_the_paired_bootstrap(whisper_run: Path) -> None:
    (task,) = sensitivity(whisper_run).tasks
    table = evalkit.read_run(whisper_run).scores("librispeech_other")
    raw_rows, whisper_rows = (
        list(zip(*(table[f"{key}.{name}"].to_pylist() for name in STATISTICS), strict=True))
        for key in ("wer_raw", "wer")
    )
    test = evalkit.paired_test(raw_rows, whisper_rows, get_metric_function("corpus_error_rate"), resamples=200)
    raw = next(each for each in task.figures if each.scheme.startswith("raw"))
    assert raw.difference == pytest.approx(100 * test.difference)
    assert raw.difference_interval == pytest.approx([100 * end for end in test.interval])


def test_a_report_has_the_differences_behind_the_figures(whisper_run: Path) -> None:
    (task,) = sensitivity(whisper_run).tasks
    table = by_normaliser_table([evalkit.read_run(whisper_run)])
    assert table is not None
    headline, raw = table.groups[0].rows
    assert "Δ" not in headline.cells[0].detail
    difference = next(each.difference for each in task.figures if each.scheme.startswith("raw"))
    assert f"Δ +{difference:.2f} [" in raw.cells[0].detail


@pytest.mark.slow
def test_translations_have_schemes_too_and_other_tasks_none(tmp_path: Path) -> None:
    answers = {id_: text.lower() for id_, text in REFERENCES.items()}
    run = make_run(tmp_path, "run", REFERENCES, answers, "statistics.resamples=50", task="covost2_zh_en")
    (task,) = sensitivity(run).tasks
    figures = {each.scheme.split("-")[0]: each for each in task.figures}
    assert list(figures) == ["raw", "lowercase", "whisper", "whisper_basic", "lmms"]
    assert figures["lowercase"].value == pytest.approx(100)
    assert figures["lowercase"].changed == 2
    assert figures["lowercase"].reasons == ()
    assert figures["lowercase"].examples[0].base == ("Mr. Jones paid twenty dollars", "mr. jones paid twenty dollars")
    with pytest.raises(ConfigurationError, match="has no task 'nonesuch'"):
        sensitivity(run, ["nonesuch"])
