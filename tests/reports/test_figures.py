"""``metrics.parquet``: every figure of the runs, in documented columns."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pyarrow.parquet

from evalkit.results.metrics_file import read_run
from reports.figures import Figure, figures_of, schema, write_figures
from reports.render.json import render_json
from tests.conftest import ROOT
from tests.reports.run_folders import metric, part, task, write_run
from tests.reports.test_renderers import table


def test_every_metric_part_and_average_has_a_row(tmp_path: Path) -> None:
    metrics = {"wer": metric(0.1), "raw": metric(None)}
    tasks = {
        "a": task("A", 0.1, "Clinic", metrics=metrics, groups={"age": {"child": part(0.3, 7)}}, failed=2, scored=22),
        "b": task("B", 0.3, "Clinic"),
        "c": task("C", None, not_applicable="it hears nothing"),
    }
    run = read_run(write_run(tmp_path, "run", tasks, title="Tiny"))
    write_figures([run], tmp_path / "metrics.parquet")
    rows = pyarrow.parquet.read_table(tmp_path / "metrics.parquet").to_pylist()
    assert [(row["kind"], row["name"], row["metric"], row["label"], row["value"]) for row in rows] == [
        ("task", "a", "wer", "", 10.0),
        ("task", "a", "raw", "", None),
        ("part", "a", "wer", "child", 30.0),
        ("task", "b", "wer", "", 30.0),
        ("average", "asr_clinic", "mean", "", 20.0),
    ]
    first = rows[0]
    assert (first["low"], first["high"], first["standard_error"], first["unit"]) == (8.0, 12.5, 1.0, "%")
    assert (first["samples"], first["failed"], first["headline"], first["model"]) == (24, 2, True, "Tiny")
    assert first["recipe"].endswith("scored:22|failed:2|skipped:0")
    assert (rows[2]["samples"], rows[2]["failed"], rows[2]["group"]) == (7, None, "age")


def test_the_columns_are_those_of_the_documentation() -> None:
    page = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    section = page.partition("## metrics.parquet")[2].partition("\n## ")[0]
    documented = [name for row in re.findall(r"^\| (`.*?) \|", section, re.M) for name in re.findall(r"`(\w+)`", row)]
    assert documented == [each.name for each in fields(Figure)] == schema().names
    types = {each.name: str(each.type) for each in schema()}
    assert (types["value"], types["samples"], types["partial"], types["kind"]) == ("double", "int64", "bool", "string")


def test_a_table_as_json_has_its_rows_and_unrounded_numbers() -> None:
    content = json.loads(render_json(table()))
    first = content["rows"][0]
    assert first["titles"] == ["English", "Clean"]
    assert first["cells"][0][0]["text"] == "4.13"
    assert first["cells"][0][0]["value"] == 4.125
    assert content["columns"][0]["title"] == "Model A"
    assert len(first["cells"]) == len(content["columns"])


def test_nothing_to_say_of_no_run(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, "run", {}))
    assert list(figures_of(run)) == []
    write_figures([run], tmp_path / "metrics.parquet")
    assert pyarrow.parquet.read_table(tmp_path / "metrics.parquet").schema.names == schema().names
