"""What tasks call their places and parts against what the tables look for."""

import json
from collections import Counter
from pathlib import Path

import pytest

from evalkit.cli.catalogue import read_options
from evalkit.results.metrics_file import read_run
from evalkit.run.composition import compose_configuration
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import plan_from_config
from reports.averages import recomputed_averages, subsets
from reports.published import load_published
from reports.tables.fill import fill_tables
from reports.tables.model import AVERAGES
from tasks.paralinguistic.dimensions import DIMENSIONS
from tasks.toolcall.tools import load_tools
from tests.conftest import CommandLine, write_jsonl


def headings(table: str) -> set[str]:
    return {figure.benchmark for figure in load_published() if figure.table == table} - set(AVERAGES)


def places(table: str) -> list[dict[str, str]]:
    """Of the tasks on the data of the published figures."""
    found = [
        option.content["place"]
        for option in read_options("task")
        if option.content.get("place", {}).get("table") == table
    ]
    return [place for place in found if "set" not in place]


def test_labels_of_parts_are_the_headings_of_columns() -> None:
    assert set(DIMENSIONS.values()) == headings("paralinguistic")
    assert {tool.title for tool in load_tools().values()} == headings("toolcall")


@pytest.mark.parametrize("table", ["covost2", "cvss"])
def test_directions_are_the_headings_of_columns(table: str) -> None:
    assert {place["benchmark"] for place in places(table)} == headings(table)


def test_subsets_are_those_of_the_averages() -> None:
    counts = Counter((place["group"], f"{place['dimension']}.") for place in places("uro_bench"))
    tracks = {track for track, _ in counts}
    assert counts == {(track, each): n for track in tracks for each, n in subsets(track, "2025-09-15").items()}
    assert subsets("Chinese Basic", "2025-07-23") == {"U.": 2, "R.": 2, "O.": 2}
    published = {
        (figure.group, figure.benchmark) for figure in load_published() if figure.table == "uro_bench_detail_table7"
    }
    titles = {"U": "Understanding", "R": "Reasoning", "O": "Oral conversation"}
    configured = {
        (f"{place['group']} {titles[place['dimension']]}", place["benchmark"]) for place in places("uro_bench")
    }
    assert configured >= published
    assert {name for _, name in configured - published} == {"HSK5-zh", "SQuAD-zh", "APE-zh", "Wildchat-zh"}


def test_the_command_line_lists_the_averages_that_do_not_reproduce(evalkit_command: CommandLine) -> None:
    listed = evalkit_command("list", "published").stdout
    lines = listed.partition("Printed averages that do not follow")[2].splitlines()[2:]
    assert [line.split()[-3:] for line in lines] == [
        ["73.1", "72.3", "72.3016"],
        ["73.1", "72.3", "72.3016"],
        ["39.29", "39.30", "39.295"],
        ["30.87", "30.88", "30.875"],
        ["65.61", "65.72", "65.72125"],
    ]
    assert len(recomputed_averages()) == 124


@pytest.mark.slow
def test_the_command_line_prints_every_table_of_a_release(evalkit_command: CommandLine) -> None:
    printed = evalkit_command("report", "--published", "@2025-09-15").stdout
    assert printed.count("### ") == 8
    assert "| **Step-Audio 2 Think** § | **90.7** |" in printed
    assert "files written to report; open report/index.html" in printed


def test_a_real_run_fills_the_cells_of_its_parts(tmp_path: Path) -> None:
    usual = {"category": "Reasoning", "sub-category": "Source", "difficulty": "easy", "choices": ["Man", "Dog"]}
    rows = [
        {"id": f"i{n}", "audio_id": f"i{n}.wav", "question": "Who?", "answer": "Man", "task": kind} | usual
        for n, kind in enumerate(("sound", "sound", "music"))
    ]
    (tmp_path / "mini.json").write_text(json.dumps(rows), encoding="utf-8")
    answers = [{"id": "i0", "text": "Man"}, {"id": "i1", "text": "Dog"}, {"id": "i2", "text": "Man"}]
    words = [
        "task=mmau_test_mini",
        f"tasks.mmau_test_mini.dataset.path={tmp_path / 'mini.json'}",
        "model=predictions",
        f"model.path={write_jsonl(tmp_path / 'answers.jsonl', answers)}",
        f"runs={tmp_path}",
        "name=run",
    ]
    evaluate(plan_from_config(compose_configuration(words), {"model": "predictions", "task": "mmau_test_mini"}))
    [filled] = fill_tables([read_run(tmp_path / "run")], ["Step-Audio 2"])
    ours, _ = filled.table.groups[0].rows
    assert [(cell.text, cell.n, cell.marks) for cell in ours.cells] == [
        ("66.7", 3, "†"),
        ("50.0", 2, "†"),
        ("", None, ""),
        ("100.0", 1, "†"),
    ]
