"""Samples that depend on each other, from the data set to the figures of a run."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import evalkit
from evalkit.cli.main import main
from evalkit.errors import ConfigurationError
from evalkit.metrics.functions import corpus_error_rate
from evalkit.metrics.intervals import percentile_interval
from evalkit.metrics.resampling import BootstrapSettings, sampling_distribution
from evalkit.place import TablePlace
from evalkit.results.aggregates import AggregateDefinition, with_aggregates
from evalkit.results.metrics_file import RunResult
from evalkit.results.scores import ScoresFile
from evalkit.results.task_result import TaskResult
from evalkit.run.rescore import rescore
from tests.conftest import write_jsonl
from tests.reports.run_folders import write_scores
from tests.runs import make_run

TASK = "librispeech_other"
STATISTICS = ("substitutions", "deletions", "insertions", "reference_length")
SPEAKERS = {f"{speaker}-{number}": speaker for speaker in "abcdefgh" for number in range(6)}
REFERENCES = dict.fromkeys(SPEAKERS, "the cat sat there")
# Whole speakers are understood, or more or less not.
ANSWERS = {
    sample: "the cat sat there" if speaker in "aceg" else "the hat" if sample[-1] in "024" else "the cat sat"
    for sample, speaker in SPEAKERS.items()
}


def manifest(folder: Path, speakers: Mapping[str, str] = SPEAKERS) -> Path:
    rows = [
        {"id": id_, "audio": f"{id_}.wav", "text": REFERENCES[id_], "speaker": speaker, "half": id_[-1]}
        for id_, speaker in speakers.items()
    ]
    return write_jsonl(folder / "speakers.jsonl", rows)


def clustered_run(folder: Path, *overrides: str, name: str = "run") -> Path:
    folder.mkdir(exist_ok=True)
    words = (
        f"tasks.{TASK}.dataset.path={manifest(folder)}",
        f"+tasks.{TASK}.dataset.cluster=[speaker]",
        f"+tasks.{TASK}.dataset.groups=[half,speaker]",
        "statistics.resamples=500",
    )
    return make_run(folder, name, REFERENCES, ANSWERS, *words, *overrides)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clustered_run(tmp_path_factory.mktemp("clustered"))


def task_of(run: Path | RunResult) -> TaskResult:
    return (run if isinstance(run, RunResult) else evalkit.read_run(run)).tasks[TASK]


def statistics_of(run: Path) -> Any:
    return ScoresFile(run / TASK, task_of(run).digest).scored_samples("wer", STATISTICS, "speaker")


def test_whole_speakers_are_drawn_and_the_recipe_says_so(run: Path) -> None:
    task = task_of(run)
    assert (task.resampled, task.clusters) == ("speaker", 8)
    assert task.recipe_line("wer").endswith("|scored:48|failed:0|skipped:0|resampled:speaker|clusters:8")
    assert "resampled" not in task.metric.recipe
    scored = statistics_of(run)
    assert scored.clusters == list(SPEAKERS.values())
    drawn = sampling_distribution(scored.statistics, corpus_error_rate, clusters=scored.clusters, resamples=500)
    assert task.metric.standard_error == pytest.approx(100 * drawn.standard_error)
    assert task.metric.interval == pytest.approx([100 * end for end in percentile_interval(drawn.replicates)])


def test_averages_are_drawn_again_by_speaker(run: Path) -> None:
    place = TablePlace(table="asr", group="English", benchmark="Average")
    of_one = AggregateDefinition("of_one", "Of one", place, ("LibriSpeech other",), when="any")
    [average] = with_aggregates(evalkit.read_run(run), [of_one], BootstrapSettings(resamples=500)).aggregates.values()
    assert average.metric.interval == pytest.approx(task_of(run).metric.interval)


def test_a_run_is_scored_both_ways_and_back_to_the_same_bytes(run: Path) -> None:
    before, clustered = (run / "metrics.json").read_bytes(), task_of(run)
    singly = task_of(rescore(run, ["statistics.cluster=none"]))
    assert (singly.resampled, singly.clusters) == ("sample", 48)
    assert "resampled" not in singly.recipe_line("wer")
    assert "resampled" not in json.loads((run / "metrics.json").read_text())["tasks"][TASK]
    assert singly.metric.value == clustered.metric.value
    assert singly.metric.standard_error is not None
    assert clustered.metric.standard_error is not None
    assert singly.metric.standard_error < 0.75 * clustered.metric.standard_error
    by_group = task_of(rescore(run, ["statistics.cluster=half"]))
    assert (by_group.resampled, by_group.clusters) == ("half", 6)
    rescore(run, ["statistics.cluster=auto"])
    assert (run / "metrics.json").read_bytes() == before


def test_four_speakers_are_too_few_for_an_interval_and_it_is_said(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    rows = evalkit.read_run(copy).scores(TASK).to_pylist()
    for row in rows:
        half = "1" if json.loads(row["clusters"])["speaker"] in "abc" else "2"
        row["clusters"] = json.dumps({"speaker": half})
    write_scores(copy / TASK, rows, task_of(copy).digest)
    assert main(["score", str(copy)]) == 0
    task = task_of(copy)
    assert (task.clusters, task.metric.interval, task.metric.standard_error) == (2, None, None)
    assert task.metric.value == task_of(run).metric.value
    reason = "2 speakers are too few for an interval"
    assert f" % (partial: 48 of 2,939 samples; {reason})" in capsys.readouterr().out
    assert main(["report", str(copy), "--output", str(tmp_path / "report")]) == 0
    assert f"○ Without an interval. run: LibriSpeech other, {reason}." in capsys.readouterr().out
    assert task_of(rescore(copy, ["statistics.cluster=none"])).too_few("wer") == ""


def test_a_field_that_the_samples_do_not_have_is_refused_and_nothing_is_changed(run: Path, tmp_path: Path) -> None:
    before = (run / "metrics.json").read_bytes()
    message = rf"task {TASK}: statistics.cluster: .*'speeker'.*did you mean 'speaker'\? \(they have speaker, half\)"
    with pytest.raises(ConfigurationError, match=message):
        rescore(run, ["statistics.cluster=speeker"])
    with pytest.raises(ConfigurationError, match="statistics.cluster is False; it must be auto, none or a field"):
        rescore(run, ["statistics.cluster=no"])
    assert (run / "metrics.json").read_bytes() == before
    with pytest.raises(ConfigurationError, match=message):
        clustered_run(tmp_path, "statistics.cluster=speeker")
    assert not (tmp_path / "run").exists(), "it is known before a model is asked"


def test_a_group_is_drawn_as_its_task_is_and_one_speaker_by_single_samples(run: Path) -> None:
    groups, scored = task_of(run).groups, statistics_of(run)
    one_of_each = groups["half"]["0"]
    drawn = sampling_distribution(scored.statistics[::6], corpus_error_rate, resamples=500)
    assert one_of_each.samples == 8
    assert one_of_each.metrics["wer"].standard_error == pytest.approx(100 * drawn.standard_error)
    assert groups["speaker"]["b"].metrics["wer"].interval is not None, "of six samples, not of one speaker"


def test_a_sample_of_which_nothing_is_said_is_a_cluster_of_its_own(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    rows = evalkit.read_run(copy).scores(TASK).to_pylist()
    for row in rows[:6]:
        row["clusters"] = row["groups"] = "{}"
    write_scores(copy / TASK, rows, task_of(copy).digest)
    again = task_of(rescore(copy))
    assert (again.resampled, again.clusters) == ("speaker", 7 + 6)
    assert statistics_of(copy).clusters[4:7] == ["sample a-4", "sample a-5", "b"]
    assert again.metric.standard_error != task_of(run).metric.standard_error


@pytest.mark.slow
def test_a_run_without_clusters_is_read_continued_and_scored_as_before(tmp_path: Path) -> None:
    """As evalkit wrote them before samples had clusters."""
    run = make_run(tmp_path, "old", REFERENCES, ANSWERS, "statistics.resamples=500")
    before = (run / "metrics.json").read_bytes()
    config = yaml.safe_load((run / "config.yaml").read_text())
    del config["statistics"]["cluster"]
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    rows = evalkit.read_run(run).scores(TASK).drop_columns(["clusters"]).to_pylist()
    write_scores(run / TASK, rows, task_of(run).digest)
    assert (task_of(run).resampled, task_of(run).clusters) == ("sample", 48)
    assert evalkit.compare_runs(run, run).metrics[0].verdict == "no evidence"
    rescore(run, ["statistics.cluster=none"])
    assert (run / "metrics.json").read_bytes() == before
    asked = (run / TASK / "model.jsonl").read_bytes()
    data = json.loads((run / "provenance.json").read_text())["data"]
    clustered_run(tmp_path, name="old")
    assert json.loads((run / "provenance.json").read_text())["data"] == data, "clusters are no part of its identity"
    assert task_of(run).resampled == "speaker"
    assert (run / TASK / "model.jsonl").read_bytes() == asked, "what was answered is not asked again"
