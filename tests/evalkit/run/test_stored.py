"""A stored run is data, never code: whatever its folder names."""

import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import evalkit
from evalkit.errors import ConfigurationError, EvalkitError, StoreError
from evalkit.run.rescore import rescore
from evalkit.run.stored import read_stored_config
from tests.conftest import ROOT, CommandLine
from tests.runs import make_run

STORED = ROOT / "tests" / "data" / "run_format_1"
TASK = "librispeech_other"


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def changed(run: Path, *way: str, value: Any) -> None:
    """Change one setting in a stored run's configuration."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    inner = config
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = value
    (run / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    # As many samples as a comparison needs to say anything.
    return make_run(tmp_path, "run", dict.fromkeys("abcdef", "good day"), dict.fromkeys("abcdef", "good night"))


@pytest.mark.slow
def test_what_a_data_set_or_a_task_names_is_not_carried_out(
    tmp_path: Path, run: Path, evalkit_command: CommandLine
) -> None:
    trap = tmp_path / "trap.bin"
    trap.write_bytes(pickle.dumps(Trap(tmp_path / "SPRUNG")))
    call = {"_target_": "pandas.read_pickle", "filepath_or_buffer": str(trap), "compression": None}
    changed(run, "tasks", TASK, "dataset", value=call)
    for words in (["score", run], ["compare", run, run], ["report", run]):
        assert evalkit_command(*map(str, words)).returncode == 0
    changed(run, "tasks", TASK, "facts", value=call)
    with pytest.raises(ConfigurationError, match="objects made at facts"):
        rescore(run)
    changed(run, "tasks", TASK, value=call)
    outcome = evalkit_command("score", str(run))
    assert outcome.returncode == 2
    [line] = outcome.stderr.splitlines()
    assert "pandas.read_pickle, which is of none of the packages tasks" in line
    assert not (tmp_path / "SPRUNG").exists()


@pytest.mark.parametrize(
    "target", ["tasks.asr.get_scheme", "tasks.asr.Chain", "tasks.nowhere.Task", "tasksx.asr.Transcription", "tasks", 5]
)
def test_only_tasks_are_made(run: Path, target: Any) -> None:
    changed(run, "tasks", TASK, "_target_", value=target)
    with pytest.raises(EvalkitError):
        rescore(run)


def test_variables_of_the_environment_stay_out(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    changed(run, "model", "title", value="${oc.env:OPENAI_API_KEY}")
    changed(run, "tasks", TASK, "title", value="${oc.env:OPENAI_API_KEY}")
    assert rescore(run).model == "${oc.env:OPENAI_API_KEY}"
    for file in (run / "config.yaml", run / "metrics.json"):
        assert "sk-secret" not in file.read_text()


@pytest.mark.parametrize("content", ["", "[]", "5", "a: [", "tasks: 5", "\t", "tasks: {x: 5}", "a: ${", "\x00"])
def test_a_damaged_configuration_is_one_line(run: Path, content: str, evalkit_here: CommandLine) -> None:
    (run / "config.yaml").write_text(content)
    outcome = evalkit_here("score", str(run))
    assert outcome.returncode == 2
    [line] = outcome.stderr.splitlines()
    assert "config.yaml" in line


@pytest.mark.slow
def test_a_run_whose_class_is_gone_compares_and_reports(tmp_path: Path, evalkit_command: CommandLine) -> None:
    old = Path(shutil.copytree(STORED, tmp_path / "old"))
    outcome = evalkit_command("compare", str(old), str(old))
    assert outcome.returncode == 0, outcome.stderr
    assert "**no evidence**" in outcome.stdout
    assert evalkit_command("report", str(old)).returncode == 0
    assert "there is no tasks.recognition.WordsHeard here" in evalkit_command("score", str(old)).stderr
    changed(old, "tasks", TASK, "_target_", value="tasks.asr.Transcription")
    before = evalkit.read_run(STORED).tasks[TASK]
    after = rescore(old).tasks[TASK]
    # How the digest is made, which says to which scores the figures belong, and intervals are is no part of the format.
    unsure = {key: replace(metric, interval=None, standard_error=None) for key, metric in after.metrics.items()}
    assert unsure == {key: replace(each, interval=None, standard_error=None) for key, each in before.metrics.items()}
    assert replace(after, digest=before.digest, metrics=before.metrics) == before


def test_a_users_own_task_is_made_if_it_is_allowed(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_tasks.py").write_text("from tasks.asr import Transcription\nclass Mine(Transcription): pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    changed(run, "tasks", TASK, "_target_", value="my_tasks.Mine")
    with pytest.raises(ConfigurationError, match="allow it with --allow my_tasks"):
        rescore(run)
    assert rescore(run, allow=["my_tasks"]).tasks[TASK].metric.value == 50


def test_a_run_and_its_model_are_renamed(run: Path) -> None:
    before = evalkit.read_run(run)
    renamed = rescore(run, ["name=second", "model.title=Step 2"])
    assert (renamed.name, renamed.model) == ("second", "Step 2")
    assert renamed.tasks == before.tasks
    assert evalkit.read_run(run).model == "Step 2"


def test_schemes_follow_the_run_wide_setting_and_others_are_named(run: Path) -> None:
    config = read_stored_config(run, ["schemes=[raw]"])
    assert config["tasks"][TASK]["schemes"] == ["raw"]
    with pytest.raises(ConfigurationError, match="has no setting 'tasks.librispeech_other.scheme'.*schemes"):
        read_stored_config(run, [f"tasks.{TASK}.scheme=[raw]"])
    with pytest.raises(StoreError, match="statistics must hold level, resamples and seed"):
        rescore(run, ["statistics=5"])


@pytest.mark.slow
def test_an_unfinished_run_is_scored_reported_and_marked(run: Path, evalkit_command: CommandLine) -> None:
    import json

    content = json.loads((run / "metrics.json").read_text()) | {"unfinished": ["aishell"]}
    (run / "metrics.json").write_text(json.dumps(content))
    outcome = evalkit_command("score", str(run))
    assert "not finished: aishell" in outcome.stdout
    outcome = evalkit_command("report", str(run))
    assert "※ The run is not finished" in outcome.stdout
    assert "is not finished: without aishell" in evalkit_command("compare", str(run), str(run)).stdout


@pytest.mark.slow
def test_what_is_no_run_is_left_out_of_a_report(tmp_path: Path, run: Path, evalkit_command: CommandLine) -> None:
    (tmp_path / "notes").mkdir()
    outcome = evalkit_command("report", str(run), str(tmp_path / "notes"), str(tmp_path / "none"))
    assert outcome.returncode == 0
    assert "notes: not a run folder" in outcome.stderr
    assert "none: there is no such folder" in outcome.stderr
    assert evalkit_command("report", str(tmp_path / "notes")).returncode == 2
