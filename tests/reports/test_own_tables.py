"""Layouts of one's own: tables and a chart without code, and one line where the file is wrong."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalkit.cli.main import main
from evalkit.errors import ConfigurationError
from evalkit.results.metrics_file import RunResult, read_run
from reports.render.markdown import render_markdown
from reports.tables.fill import fill_tables
from reports.tables.own import OwnTables, read_own_tables
from tests.reports.run_folders import metric, part, task, write_run

FIGURES = [
    {"title": "Ward A", "task": "ward_a", "heading": "Wards"},
    {"title": "Ward A, children", "task": "ward_a", "part": {"group": "age", "label": "child"}, "heading": "Wards"},
    {"title": "Ward A, raw", "task": "ward_a", "metric": "raw", "heading": "Wards"},
    {"title": "Mean", "average": "asr_clinic"},
]
TABLE = {"name": "clinic", "title": "Our clinic", "best": "lowest", "figures": FIGURES}


@pytest.fixture
def runs(tmp_path: Path) -> list[RunResult]:
    return [
        read_run(write_run(tmp_path, name, {"ward_a": ward(value), "ward_b": task("B", 0.3, "Clinic")}, title=name))
        for name, value in (("tiny", 0.1), ("base", 0.2))
    ]


def ward(value: float) -> dict[str, Any]:
    metrics = {"wer": metric(value), "raw": metric(2 * value, normaliser="raw-en.v1")}
    parts = {"child": part(None, 7, {"wer": value + 0.01, "raw": 0.5})}
    return task("A", value, "Clinic", metrics=metrics, groups={"age": parts})


def file_of(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "layout.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def own(tmp_path: Path, **content: Any) -> OwnTables:
    return read_own_tables(file_of(tmp_path, content))


def test_rows_and_names_are_those_of_the_file(tmp_path: Path, runs: list[RunResult]) -> None:
    [filled] = own(tmp_path, tables=[TABLE]).fill(runs)
    rows = {row.title: [cell.text for cell in row.cells] for group in filled.table.groups for row in group.rows}
    assert rows == {
        "Ward A": ["10.00", "20.00"],
        "Ward A, children": ["11.00", "21.00"],
        "Ward A, raw": ["20.00", "40.00"],
        "Mean": ["20.00", "25.00"],
    }
    assert [group.title for group in filled.table.groups] == ["Wards", ""]
    best = [cell.bold for group in filled.table.groups for row in group.rows for cell in row.cells]
    assert best == [True, False] * 4
    text = render_markdown(filled.table)
    assert "****" not in text
    assert "raw-en.v1" in text  # the recipe of every figure


def test_models_may_stand_in_rows_with_decimals_of_their_own(tmp_path: Path, runs: list[RunResult]) -> None:
    table = {"name": "t", "title": "T", "models": "down", "decimals": 1, "figures": [{"task": "ward_a"}]}
    [filled] = own(tmp_path, tables=[table]).fill(runs)
    [group] = filled.table.groups
    assert [column.title for column in filled.table.columns] == ["ward_a"]
    assert [(row.title, row.cells[0].text) for row in group.rows] == [("tiny", "10.0"), ("base", "20.0")]


def test_no_headings_no_column_for_them(tmp_path: Path, runs: list[RunResult]) -> None:
    [filled] = own(tmp_path, tables=[{"name": "t", "title": "T", "figures": [{"task": "ward_a"}]}]).fill(runs)
    assert filled.table.stub == ("Test set",)


def test_a_place_in_the_radar(tmp_path: Path, runs: list[RunResult]) -> None:
    axes = ["AISHELL-2", {"title": "Ward A", "task": "ward_a"}, {"task": "ward_b"}, {"task": "ward_a", "metric": "raw"}]
    chart = own(tmp_path, radar=axes).chart(runs, fill_tables(runs, ["Step-Audio 2"]))
    assert [each.label for each in chart.axes] == ["Ward A", "ward_b", "ward_a"]
    assert chart.axes[0].values == (Decimal(10), Decimal(20))
    assert not chart.axes[0].higher_is_better
    with pytest.raises(ConfigurationError, match=r"no axis 'AISHEL-2', did you mean 'AISHELL-2'\?"):
        own(tmp_path, radar=["AISHEL-2"]).chart(runs, [])


def test_what_no_run_has_is_said(tmp_path: Path, runs: list[RunResult]) -> None:
    figures = [{"task": "ward_a"}, {"task": "ward_bb"}]
    [filled] = own(tmp_path, tables=[{"name": "t", "title": "T", "figures": figures}]).fill(runs)
    assert filled.table.footnotes[0].text == "No run has 'ward_bb', did you mean 'ward_b'?"
    with pytest.raises(ConfigurationError, match=r"tables\[0\]\.figures\[0\]: no run has 'ward_bb', did you mean"):
        own(tmp_path, tables=[{"name": "t", "title": "T", "figures": figures[1:]}]).fill(runs)
    with pytest.raises(
        ConfigurationError, match=r"figures\[0\]\.metric: ward_a has no metric 'wr', did you mean 'wer'"
    ):
        own(tmp_path, tables=[{"name": "t", "title": "T", "figures": [{"task": "ward_a", "metric": "wr"}]}]).fill(runs)


def changed(**fields: Any) -> dict[str, Any]:
    return {"tables": [{**TABLE, **fields}]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("tables: [", "layout.yaml: is not valid YAML"),
        ("- a", "layout.yaml: must be a mapping with the keys tables, radar, standard_tables"),
        ("{}", "layout.yaml: asks for no tables and no radar"),
        ({"table": []}, "layout.yaml: unknown key 'table', did you mean 'tables'?"),
        ({"tables": {}, "radar": "x"}, "layout.yaml.radar: must be a list"),
        (changed(name="a/b"), "tables[0].name: 'a/b' must be of letters"),
        (changed(name="asr"), "a file of every report is called 'asr'"),
        (changed(title=None), "tables[0].title: must be a text"),
        (changed(models="up"), "tables[0].models is 'up'; it must be across or down"),
        (changed(best="low"), "tables[0].best is 'low'; it must be lowest or highest or none"),
        (changed(decimals=True), "tables[0].decimals: True must be a whole number"),
        (changed(figures=[]), "tables[0].figures: name at least one figure"),
        (changed(figures=[{"title": "x"}]), "figures[0]: name either a task or an average"),
        (changed(figures=[{"task": "x", "average": "y"}]), "figures[0]: name either a task or an average"),
        (changed(figures=[{"task": "x"}, {"task": "x"}]), "figures[0]: another figure of the table has the title 'x'"),
        (changed(figures=[{"task": "x", "part": {"group": "g"}}]), "figures[0].part.label: must be a text"),
        (changed(figures=[{"average": "x", "metric": "m"}]), "an average has neither parts nor metrics"),
        ({"tables": [TABLE, TABLE]}, "two tables are called 'clinic'"),
        ({"tables": [TABLE], "standard_tables": "no"}, "standard_tables: 'no' must be true or false"),
    ],
)
def test_a_wrong_layout_is_one_line_that_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: Any, message: str
) -> None:
    path = file_of(tmp_path, content)
    assert main(["report", "--published", "Step-Audio 2", "--layout", str(path), "--output", str(tmp_path / "r")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_layout_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_own_tables(tmp_path / "none.yaml")
