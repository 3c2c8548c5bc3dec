"""Data sets of their own: tables like the published ones, beside them and never in them."""

from pathlib import Path

import pytest

from evalkit.results.metrics_file import read_run
from reports.tables.by_normaliser import by_normaliser_table
from reports.tables.fill import fill_tables
from reports.tables.layout import FilledTable
from reports.write import write_report
from tests.reports.run_folders import metric, part, task, write_run

DEMO_MMAU = {"table": "mmau", "set": "Demo"}
MMAU = {"table": "mmau", "group": "MMAU v05.15.25 test-mini", "benchmark": "MMAU"}


def tables(*folders: Path, published: tuple[str, ...] = ()) -> dict[str, FilledTable]:
    filled = fill_tables([read_run(folder) for folder in folders], published)
    return {each.table.name: each for each in filled}


def test_a_set_has_a_table_of_its_own_without_published_models(tmp_path: Path) -> None:
    parts = {"task": {"sound": part(0.25, 4), "speech": part(0.75, 12)}}
    run = write_run(tmp_path, "run", {"a": task("Demo MMAU", 0.5, table=DEMO_MMAU, groups=parts)})
    found = tables(run, published=("Step-Audio 2",))
    assert list(found) == ["mmau_demo"]
    table = found["mmau_demo"].table
    assert table.title == "Demo set: Audio understanding and reasoning (MMAU)"
    assert "comparable with no published figure" in table.footnotes[0].text
    [row] = table.groups[0].rows
    assert [cell.text for cell in row.cells] == ["50.0", "25.0", "75.0", ""]


def test_a_set_does_not_fill_the_published_place(tmp_path: Path) -> None:
    both = {"a": task("Demo MMAU", 0.5, table=DEMO_MMAU), "b": task("MMAU", 0.7, table=MMAU)}
    found = tables(write_run(tmp_path, "run", both), published=("Step-Audio 2",))
    assert list(found) == ["mmau", "mmau_demo"]
    assert [entry.cell(("", "Avg.")).text for entry in found["mmau"].entries] == ["70.0", "78.0"]
    assert [entry.cell(("", "Avg.")).text for entry in found["mmau_demo"].entries] == ["50.0"]


def test_a_set_shows_the_runs_that_have_it(tmp_path: Path) -> None:
    demo = write_run(tmp_path, "demo", {"a": task("Demo MMAU", 0.5, table=DEMO_MMAU)}, title="One")
    other = write_run(tmp_path, "other", {"b": task("MMAU", 0.7, table=MMAU)}, title="Two")
    found = tables(demo, other)
    assert [entry.title for entry in found["mmau"].entries] == ["One", "Two"]
    assert [entry.title for entry in found["mmau_demo"].entries] == ["One"]


def test_the_name_of_a_set_does_not_lead_out_of_the_report(tmp_path: Path) -> None:
    place = {"table": "mmau", "set": "../../Escaped"}
    folder = write_run(tmp_path, "run", {"a": task("MMAU", 0.5, table=place)})
    written = write_report([folder], output_folder=tmp_path / "out" / "report").files
    assert all((tmp_path / "out" / "report") in path.resolve().parents for path in written)


@pytest.mark.parametrize(("track", "language"), [("English Basic", "English"), ("Chinese Pro", "Chinese")])
def test_uro_bench_in_one_language_has_no_rows_for_the_other(tmp_path: Path, track: str, language: str) -> None:
    place = {"table": "uro_bench", "group": track, "benchmark": "Repeat", "dimension": "U"}
    found = tables(write_run(tmp_path, "run", {"a": task("Repeat", 0.5, table=place)}))
    assert [group.title for group in found["uro_bench"].table.groups] == [language]


def test_tools_never_called_leave_a_dash_and_no_remark(tmp_path: Path) -> None:
    metrics = {"trigger_precision": metric(None), "trigger_recall": metric(0.0, name="Trigger recall")}
    values = {"trigger_precision": None, "trigger_recall": 0.0}
    groups = {"tool": {"Weather": part(None, 4, values)}}
    place = {"table": "toolcall"}
    entry = task("Tools", None, table=place, metrics=metrics, headline="trigger_precision", groups=groups)
    run = write_run(tmp_path, "run", {"a": entry})
    [filled] = tables(run).values()
    [row] = filled.entries
    assert row.cell(("Trigger precision", "Weather")).text == "–"
    assert row.cell(("Trigger recall", "Weather")).text == "0.0"
    assert not [note for note in filled.table.footnotes if "could be scored" in note.text]


def test_figures_under_one_normaliser_are_not_compared_by_normaliser(tmp_path: Path) -> None:
    metrics = {key: metric(0.1, normaliser="uro_bench.v1") for key in ("score", "error_rate")}
    run = read_run(write_run(tmp_path, "run", {"a": task("Repeat", 0.1, metrics=metrics, headline="score")}))
    assert by_normaliser_table([run]) is None
