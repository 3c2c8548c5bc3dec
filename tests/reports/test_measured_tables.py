"""Runs in the tables other than that of speech recognition."""

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import ConfigurationError
from evalkit.results.metrics_file import RunResult, read_run
from reports.published import select_published
from reports.tables.fill import fill_tables
from reports.tables.layout import Layout, fill
from reports.tables.layouts.big_bench_audio import BIG_BENCH_AUDIO
from reports.tables.layouts.further import FURTHER
from reports.tables.layouts.mmau import MMAU
from reports.tables.layouts.paralinguistic import PARALINGUISTIC
from reports.tables.layouts.toolcall import TOOLCALL
from reports.tables.layouts.translation import COVOST2
from reports.tables.layouts.uro_bench import URO_BENCH, URO_BENCH_SUBSETS
from reports.tables.model import Cell, Table
from tests.reports.run_folders import metric, part, task, write_run


def run_of(tmp_path: Path, *tasks: dict[str, Any], name: str = "run") -> RunResult:
    return read_run(write_run(tmp_path, name, {f"task_{n}": entry for n, entry in enumerate(tasks)}, title="Ours"))


def table_of(layout: Layout, run: RunResult, *published: str) -> Table:
    return fill(layout, [run], select_published(published, layout.published)).table


def cells_of(table: Table, model: str, group: str | None = None) -> dict[str, Cell]:
    """The cells of a model's row by heading, those above included where there are several."""
    several = len({column.group for column in table.columns}) > 1
    headings = [f"{column.group} {column.title}" if several else column.title for column in table.columns]
    [row] = [row for each in table.groups for row in each.rows if row.title == model and group in (None, each.title)]
    return dict(zip(headings, row.cells, strict=True))


def texts(cells: dict[str, Cell]) -> list[str]:
    return [cell.text for cell in cells.values()]


def footnote(table: Table, mark: str) -> str:
    [note] = [note for note in table.footnotes if note.mark == mark]
    return note.text


def accuracy(value: float | None, name: str = "Accuracy") -> dict[str, Any]:
    return {"accuracy": metric(value, name=name)}


def accuracies(**values: float) -> dict[str, Any]:
    return {label: part(None, 10, {"accuracy": value}) for label, value in values.items()}


def mmau(**fields: Any) -> dict[str, Any]:
    parts = accuracies(sound=0.84, speech=0.7, music=0.737)
    defaults = {"metrics": accuracy(0.759), "headline": "accuracy", "groups": {"task": parts}}
    return task("MMAU", None, "MMAU v05.15.25 test-mini", "mmau", **(defaults | fields))


def test_parts_of_a_task_fill_the_columns_with_the_published_decimals(tmp_path: Path) -> None:
    table = table_of(MMAU, run_of(tmp_path, mmau()), "@2025-09-15")
    ours = cells_of(table, "Ours")
    assert list(ours) == ["Avg.", "Sound", "Speech", "Music"]
    assert texts(ours) == ["75.9", "84.0", "70.0", "73.7"]
    assert [cell.bold for cell in ours.values()] == [False, True, False, False]
    assert (ours["Sound"].detail, ours["Sound"].n, ours["Sound"].samples) == ("[67.2, 105.0] n=10", 10, None)
    average = ours["Avg."]
    assert average.samples is not None
    assert (average.detail, average.samples.expected) == ("[60.7, 94.9] n=24", 24)
    # What was the best of its release no longer is: bold is recomputed for a column with a measured value.
    assert [cell.bold for cell in cells_of(table, "Step-Audio 2").values()] == [True, False, True, False]
    assert table.groups[0].rows[0].title == "Ours"
    assert "|scored:" in ours["Avg."].recipe
    assert ours["Sound"].recipe == ours["Avg."].recipe.partition("|scored:")[0]


def test_a_partial_task_is_marked_in_every_cell_and_never_bold(tmp_path: Path) -> None:
    table = table_of(MMAU, run_of(tmp_path, mmau(total=20, scored=20)), "Kimi-Audio", "Step-Audio 2")
    ours = cells_of(table, "Ours")
    assert [(cell.marks, cell.bold, cell.partial) for cell in ours.values()] == [("†", False, True)] * 4
    assert footnote(table, "†").endswith("Ours: MMAU, 20 of 24 samples.")
    assert cells_of(table, "Step-Audio 2")["Sound"].bold


def test_failures_are_marked_at_the_whole_task(tmp_path: Path) -> None:
    ours = cells_of(table := table_of(MMAU, run_of(tmp_path, mmau(scored=21, failed=3))), "Ours")
    assert [cell.marks for cell in ours.values()] == ["¶", "", "", ""]
    assert "MMAU, 3 failed" in footnote(table, "¶")


def test_a_part_that_was_not_run_is_blank_and_a_model_that_cannot_be_asked_has_none(tmp_path: Path) -> None:
    run = run_of(tmp_path, mmau(groups={"task": accuracies(music=0.5)}), name="a")
    assert texts(cells_of(table_of(MMAU, run), "Ours")) == ["75.9", "", "", "50.0"]
    run = run_of(tmp_path, mmau(not_applicable="no audio input", groups={}, metrics=accuracy(None)), name="b")
    table = table_of(MMAU, run)
    assert texts(cells_of(table, "Ours")) == ["N/A"] * 4
    assert "MMAU, no audio input" in footnote(table, "‖")


def test_another_split_of_a_data_set_stays_out_of_its_table(tmp_path: Path) -> None:
    place = {"table": "mmau", "group": "MMAU v05.15.25 test", "benchmark": "MMAU"}
    other = mmau() | {"title": "MMAU test", "place": place}
    run = run_of(tmp_path, mmau(), other)
    assert cells_of(table_of(MMAU, run), "Ours")["Avg."].text == "75.9"
    [group] = table_of(FURTHER, run).groups
    assert (group.title, [row.title for row in group.rows]) == ("Accuracy", ["MMAU test"])
    with pytest.raises(ConfigurationError, match="task_0 and task_1 both fill"):
        table_of(MMAU, run_of(tmp_path, mmau(), mmau(), name="twice"))


def test_dimensions_of_voices(tmp_path: Path) -> None:
    parts = accuracies(Gender=1.0, Vocal=0.66, Timbre=0.805)
    entry = task(
        "Avg.",
        None,
        "StepEval-Audio-Paralinguistic",
        "paralinguistic",
        title="StepEval-Audio-Paralinguistic",
        metrics=accuracy(0.8309),
        headline="accuracy",
        groups={"dimension": parts},
        expected=550,
    )
    table = table_of(PARALINGUISTIC, run_of(tmp_path, entry), "Step-Audio 2")
    ours = cells_of(table, "Ours")
    assert {heading: cell.text for heading, cell in ours.items() if cell.text} == {
        "Avg.": "83.09",
        "Gender": "100",
        "Timbre": "81",
        "Vocal": "66",
    }
    assert "Ours: StepEval-Audio-Paralinguistic, 24 of 550 samples." in footnote(table, "†")


def test_one_figure_may_be_all(tmp_path: Path) -> None:
    entry = task(
        "Big Bench Audio", None, "Big Bench Audio", "big_bench_audio", metrics=accuracy(0.91), headline="accuracy"
    )
    table = table_of(BIG_BENCH_AUDIO, run_of(tmp_path, entry), "@2025-09-15")
    assert {row.title: (row.cells[0].text, row.cells[0].bold) for row in table.groups[0].rows} == {
        "Ours": ("91.0", True),
        "GPT-Realtime": ("82.8", False),
        "Step-Audio 2 mini": ("54.8", False),
        "Step-Audio 2": ("80.0", False),
        "Step-Audio 2 Think": ("90.7", False),
    }


def bleu(direction: str, value: float, **fields: Any) -> dict[str, Any]:
    metrics = {"bleu": metric(value, name="BLEU", tok="zh") | {"unit": ""}}
    return task(direction, None, "CoVoST 2 (S2TT)", "covost2", metrics=metrics, headline="bleu", **fields)


def test_directions_and_their_mean(tmp_path: Path) -> None:
    run = run_of(tmp_path, bleu("English-to-Chinese", 0.5), bleu("Chinese-to-English", 0.3), name="both")
    table = table_of(COVOST2, run, "@2025-09-15")
    ours = cells_of(table, "Ours")
    assert [(heading, cell.text, cell.bold) for heading, cell in ours.items()] == [
        ("Avg.", "40.00", True),
        ("English-to-Chinese", "50.00", True),
        ("Chinese-to-English", "30.00", True),
    ]
    assert {column.group for column in table.columns} == {"CoVoST 2 (S2TT)"}
    margin = 1.959964 * math.hypot(5, 3) / 2
    assert [float(end) for end in ours["Avg."].interval or ()] == pytest.approx(
        [40 - margin, 40 + margin], abs=0.04 * margin
    )
    assert ours["Avg."].marks == "‡"
    run = run_of(tmp_path, bleu("English-to-Chinese", 0.5), name="one")
    assert texts(cells_of(table_of(COVOST2, run), "Ours")) == ["", "50.00", ""]


def test_tool_calls_fill_three_rows_and_precision_stands_beside_recall(tmp_path: Path) -> None:
    keys = ("trigger_precision", "trigger_recall", "type_accuracy", "parameter_accuracy")
    parts = {
        "Audio search": part(None, 400, dict(zip(keys, (0.868, 0.995, 1.0, 1.0), strict=True))),
        "Date & Time": part(None, 380, dict(zip(keys, (0.969, 0.984, 1.0, None), strict=True))),
        "Weather": part(None, 200, dict(zip(keys, (None, 0.0, None, None), strict=True))),
    }
    names = ("Trigger precision", "Trigger recall", "Type accuracy", "Parameter accuracy")
    metrics = {key: metric(0.9) | {"name": name} for key, name in zip(keys, names, strict=True)}
    entry = task("x", None, metrics=metrics, headline=keys[0], groups={"tool": parts}, table={"table": "toolcall"})
    table = table_of(TOOLCALL, run_of(tmp_path, entry | {"title": "Calls"}), "Step-Audio 2")
    assert [(group.title, len(group.rows)) for group in table.groups] == [("Ours", 3), ("Step-Audio 2", 3)]
    rows = {row.titles: row.cells for row in table.groups[0].rows}
    trigger = rows["Trigger", "Precision / Recall"]
    assert [[figure.text for figure in cell.figures] for cell in trigger] == [
        ["86.8", "99.5"],
        ["96.9", "98.4"],
        ["–", "0.0"],
        [""],
    ]
    assert [figure.metric for figure in trigger[0].figures] == ["Trigger precision", "Trigger recall"]
    assert trigger[0].beside is not None
    assert trigger[0].beside.detail.endswith("n=400")
    assert [cell.text for cell in rows["Parameter", "Accuracy"]] == ["100.0", "N/A", "–", ""]
    assert len(table.recipes) == 1
    assert table.recipes[0].figures.startswith("Ours: Calls (trigger precision), Calls (trigger recall)")


ENGLISH_BASIC = {
    "U": ("Repeat", "Summary", "GaokaoEval"),
    "R": ("StoralEval", "TruthfulEval", "Gsm8kEval", "MLC"),
    "O": ("AlpacaEval", "CommonEval", "WildchatEval"),
}


def subset(
    name: str, value: float | None, dimension: str, group: str = "English Basic", **fields: Any
) -> dict[str, Any]:
    place = {"table": "uro_bench", "group": group, "benchmark": name, "dimension": dimension}
    return task(name, None, table=place, metrics={"score": metric(value, name="Score", data="v2")}, **fields) | {
        "headline": "score"
    }


def english_basic(**values: float | None) -> list[dict[str, Any]]:
    return [
        subset(name, values.get(name, 0.5), dimension)
        for dimension, names in ENGLISH_BASIC.items()
        for name in names
        if values.get(name, 0.5) is not None
    ]


def test_subsets_make_dimensions_and_tracks_by_unweighted_means(tmp_path: Path) -> None:
    run = run_of(tmp_path, *english_basic(Repeat=0.8, MLC=0.9))
    table = table_of(URO_BENCH, run, "Step-Audio 2", "Kimi-Audio")
    ours = cells_of(table, "Ours", "English")
    assert texts(ours) == ["57.00", "60.00", "60.00", "50.00", "", "", "", ""]
    assert list(ours)[:4] == ["Basic Avg.", "Basic U.", "Basic R.", "Basic O."]
    # Standard errors are a tenth of the values: of U., the root of 8² + 5² + 5², divided by 3.
    margin = 1.959964 * math.sqrt(64 + 25 + 25) / 3
    assert [float(end) for end in ours["Basic U."].interval or ()] == pytest.approx(
        [60 - margin, 60 + margin], abs=0.04 * margin
    )
    assert ours["Basic U."].recipe == "metric:Score|averaging:unweighted mean of 3 subsets"
    assert {cell.marks for cell in list(ours.values())[:4]} == {"‡"}
    assert texts(cells_of(table, "Ours", "Chinese")) == [""] * 8
    assert [cell.bold for cell in cells_of(table, "Step-Audio 2", "English").values()][:4] == [True] * 4
    # Without counts the ten subsets have one recipe.
    assert [recipe.line.count("scored") for recipe in table.recipes] == [0]


def test_missing_subsets_are_named_and_what_lacks_them_is_never_bold(tmp_path: Path) -> None:
    run = run_of(tmp_path, *english_basic(Repeat=None, Summary=1.0, GaokaoEval=1.0))
    table = table_of(URO_BENCH, run, "Step-Audio 2", "Kimi-Audio")
    ours = cells_of(table, "Ours", "English")
    assert [(cell.text, cell.marks) for cell in ours.values()][:3] == [
        ("61.11", "‡†"),
        ("100.00", "‡†"),
        ("50.00", "‡"),
    ]
    assert footnote(table, "†").endswith("Ours: English Basic, without Repeat.")
    assert not ours["Basic U."].bold


def test_the_rebuilt_chinese_track_has_more_subsets(tmp_path: Path) -> None:
    run = run_of(tmp_path, subset("Repeat-zh", 0.5, "U", "Chinese Basic"), subset("HSK5-zh", 0.7, "U", "Chinese Basic"))
    table = table_of(URO_BENCH, run)
    assert cells_of(table, "Ours", "Chinese")["Basic U."].text == "60.00"
    said = footnote(table, "†")
    assert "LCSTS-zh" in said
    assert "Wildchat-zh" in said
    first = subset("Repeat-zh", 0.5, "U", "Chinese Basic")
    first["metrics"]["score"]["recipe"]["data"] = "v1"
    run = run_of(tmp_path, first, name="first")
    assert "Wildchat-zh" not in footnote(table_of(URO_BENCH, run), "†")


def test_failed_and_impossible_subsets_are_said(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        subset("Repeat", 0.5, "U", scored=20, failed=4),
        subset("Summary", None, "U", not_applicable="the model does not speak"),
        subset("MLC", None, "R", not_applicable="the model does not speak"),
    )
    table = table_of(URO_BENCH, run)
    ours = cells_of(table, "Ours", "English")
    assert [(cell.text, cell.marks) for cell in ours.values()][:4] == [
        ("50.00", "‡†"),
        ("50.00", "‡†"),
        ("N/A", "‖"),
        ("", ""),
    ]
    assert "Repeat, 4 failed" in footnote(table, "¶")
    assert "Summary, the model does not speak; MLC, the model does not speak" in footnote(table, "‖")


def test_subsets_stand_beside_those_of_the_report(tmp_path: Path) -> None:
    table = table_of(URO_BENCH_SUBSETS, run_of(tmp_path, *english_basic(Repeat=0.9774)), "Step-Audio 2")
    block = next(group for group in table.groups if group.title == "English Basic Understanding")
    assert [[cell.text for cell in row.cells] for row in block.rows] == [
        ["97.74", "97.74"],
        ["50.00", "83.90"],
        ["50.00", "90.76"],
    ]
    assert [cell.bold for cell in block.rows[0].cells] == [True, True]


def test_a_report_of_runs_has_the_tables_that_they_fill(tmp_path: Path) -> None:
    run = run_of(tmp_path, mmau(), *english_basic(), task("My own set", 0.1, table={}))
    tables = fill_tables([run], ["Step-Audio 2", "Doubao LLM ASR"])
    assert [filled.table.name for filled in tables] == ["mmau", "uro_bench", "uro_bench_subsets", "further"]
    assert [row.title for row in tables[0].table.groups[0].rows] == ["Ours", "Step-Audio 2"]
    [group] = tables[3].table.groups
    assert (group.title, [row.title for row in group.rows]) == ("WER", ["My own set"])


def test_titles_say_the_release_wherever_a_model_comes_from_two(tmp_path: Path) -> None:
    tables = fill_tables([], ["Step-Audio 2", "Step-Audio 2@2025-07-23"])
    titles = {entry.title for filled in tables for entry in filled.entries}
    assert titles == {"Step-Audio 2 (2025-09-15)", "Step-Audio 2 (2025-07-23)"}


def test_decimals_are_kept_exactly(tmp_path: Path) -> None:
    ours = cells_of(table_of(MMAU, run_of(tmp_path, mmau(metrics=accuracy(0.7745)))), "Ours")
    assert (ours["Avg."].text, ours["Avg."].value) == ("77.5", Decimal("77.45"))
