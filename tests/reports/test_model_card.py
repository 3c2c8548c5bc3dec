"""The Hub's ``model-index``: read back by the Hub's own client where it is installed."""

from pathlib import Path

import pytest
import yaml

from evalkit.results.metrics_file import read_run
from reports.model_card import render_model_card
from reports.tables.every import every_table
from reports.write import write_report
from tests.reports.run_folders import metric, task, write_run

HOSTILE = "A: 'b'\n---\n\"c\" {d} # <script>"


def card_of(tmp_path: Path) -> str:
    tasks = {
        "a": task("A", 0.1, "Clinic", total=20, scored=20),
        "b": task(HOSTILE, 0.3, table="", metrics={"wer": metric(0.3, name="BLEU")}),
        "c": task("C", None),
        "d": task("D", None, not_applicable="it hears nothing"),
    }
    folder = write_run(tmp_path, "run", tasks, title=HOSTILE)
    runs = [read_run(folder)]
    return render_model_card(runs, every_table(runs)[0])


def test_every_headline_stands_in_the_front_matter(tmp_path: Path) -> None:
    matter, _, body = card_of(tmp_path).removeprefix("---\n").partition("\n---\n")
    [index] = yaml.safe_load(matter)["model-index"]
    assert index["name"] == HOSTILE
    first, second = index["results"]
    assert first["task"]["type"] == "automatic-speech-recognition"
    assert first["dataset"] == {"name": "A", "type": "a"}
    [value] = first["metrics"]
    assert (value["type"], value["value"]) == ("wer", 10.0)
    assert value["args"]["interval"] == [8.0, 12.5]
    assert value["args"]["partial"] is True
    assert second["task"]["type"] == "translation"
    assert "## Evaluation" in body


def test_the_hubs_client_reads_it(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="the Hub's client is not installed")
    results = hub.ModelCard(card_of(tmp_path)).data.eval_results
    assert [(each.metric_type, each.metric_value, each.dataset_type) for each in results] == [
        ("wer", 10.0, "a"),
        ("bleu", 30.0, "b"),
    ]
    assert results[0].metric_args["level"] == 0.95


def test_it_is_a_file_of_the_report(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "run", {"a": task("A", 0.1, "Clinic")})
    report = write_report([folder], output_folder=tmp_path / "report", model_card=True)
    assert tmp_path / "report" / "model_card.md" in report.files
    write_report([folder], output_folder=tmp_path / "report")
    assert not (tmp_path / "report" / "model_card.md").exists()
