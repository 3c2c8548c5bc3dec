"""Figures in trackers, by their own clients on this machine alone; and what they are told, without any client."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.cli.main import main
from evalkit.results.metrics_file import read_run
from reports.tracking.values import tracked
from tests.reports.run_folders import metric, part, task, write_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    groups = {"speaker": {"a/b 1": part(0.3, 7)}}
    tasks = {"a": task("A", 0.1, "Clinic", groups=groups), "b": task("B", 0.3, "Clinic"), "c": task("C", None)}
    return write_run(tmp_path, "run", tasks, title="Tiny 模型")


def test_numbers_and_settings_by_name(folder: Path) -> None:
    told = tracked(read_run(folder), folder / "report")
    assert told.numbers == {
        "a/wer": 10.0, "a/wer_low": 8.0, "a/wer_high": 12.5,
        "a/speaker/a_b 1/wer": 30.0, "a/speaker/a_b 1/wer_low": 24.0, "a/speaker/a_b 1/wer_high": 37.5,
        "b/wer": 30.0, "b/wer_low": 24.0, "b/wer_high": 37.5,
        "average/asr_clinic": 20.0,
        "average/asr_clinic_low": told.numbers["average/asr_clinic_low"],
        "average/asr_clinic_high": told.numbers["average/asr_clinic_high"],
    }  # fmt: skip
    assert told.settings["model"] == "Tiny 模型"
    assert told.settings["recipe/a"].startswith("metric:WER|unit:word|normaliser:whisper-en.v1")
    assert len(told.rows) == 5
    assert told.files == (folder / "metrics.json", folder / "report")


def test_what_is_wrong_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(folder / "none")
    for words, message in (
        ([missing, "--to", "wandb"], "there is no such folder"),
        ([str(folder), "--to", "mlflow", "--report", missing], "none: no such folder; `evalkit report"),
    ):
        assert main(["log", *words]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_a_client_that_is_not_installed_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for tracker in ("wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, tracker, None)
        assert main(["log", str(folder), "--to", tracker]) == 2
        assert f"[{tracker}]" in capsys.readouterr().err


@pytest.mark.slow
def test_weights_and_biases_offline(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="the client of Weights & Biases is not installed: the extra wandb")
    place = tmp_path / "place"
    place.mkdir()
    outcome = logged(folder, place, "wandb", WANDB_MODE="offline", WANDB_DIR=str(place))
    assert outcome.returncode == 0, outcome.stderr
    assert "Traceback" not in outcome.stderr
    [record] = place.rglob("run-*.wandb")
    content = record.read_bytes()
    assert b"a/wer_high" in content
    assert b"whisper-en.v1" in content
    [table] = place.rglob("figures*.table.json")
    figures = json.loads(table.read_text(encoding="utf-8"))
    assert figures["data"][0][figures["columns"].index("value")] == 10.0


@pytest.mark.slow
def test_mlflow_in_a_file_of_this_machine(folder: Path, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the client of MLflow is not installed: the extra mlflow")
    pytest.importorskip("sqlalchemy", reason="sqlalchemy is not installed: the extra mlflow")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    outcome = logged(folder, tmp_path, "mlflow", "--uri", uri)
    assert outcome.returncode == 0, outcome.stderr
    client = mlflow.MlflowClient(uri)
    [run] = client.search_runs([client.get_experiment_by_name("evalkit").experiment_id])
    assert run.data.metrics["a/wer"] == 10.0
    assert run.data.tags["model"] == "Tiny 模型"
    assert {each.path for each in client.list_artifacts(run.info.run_id)} == {"figures.json", "metrics.json"}


def logged(
    folder: Path, place: Path, tracker: str, *words: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Log in a process of its own: the clients keep threads and settings until theirs ends."""
    return subprocess.run(
        [sys.executable, "-m", "evalkit.cli", "log", str(folder), "--to", tracker, *words],
        cwd=place,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_metrics_without_a_value_are_not_logged(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, "run", {"a": task("A", None, metrics={"wer": metric(None)})}))
    assert tracked(run).numbers == {}
