import math
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import ConfigurationError, StoreError
from evalkit.metrics.metric import in_unit, rounded
from evalkit.place import TablePlace
from evalkit.results.metrics_file import RunResult, read_run
from evalkit.results.task_result import Aggregate
from reports.published import PublishedFigure, PublishedModel, load_published, select_published
from reports.render.html import render_html
from reports.tables.by_normaliser import by_normaliser_table
from reports.tables.layout import Rows, fill
from reports.tables.layouts.asr import ASR
from reports.tables.model import Cell, Table
from tests.reports.run_folders import metric, task, write_run

README = Path(__file__).parent / "data" / "readme_2025_07_23_asr.html"


def asr_table(runs: list[RunResult], published: list[PublishedModel], rows: Rows = "all") -> Table:
    return fill(ASR, runs, published, rows).table


def run_of(tmp_path: Path, *tasks: dict[str, Any], name: str = "run", title: str = "Whisper tiny.en") -> RunResult:
    for entry in tasks:
        if entry["place"].get("group") in ("Chinese", "In-house"):
            for figure in entry["metrics"].values():
                figure["name"] = "CER" if figure["name"] == "WER" else figure["name"]
    return read_run(write_run(tmp_path, name, {f"task_{i}": entry for i, entry in enumerate(tasks)}, title=title))


def cells(table: Table, benchmark: str, group: str | None = None) -> tuple[Cell, ...]:
    [row] = [
        row for block in table.groups for row in block.rows if row.title == benchmark and group in (None, block.title)
    ]
    return row.cells


def footnote(table: Table, mark: str) -> str:
    [note] = [note for note in table.footnotes if note.mark == mark]
    return note.text


class Tags(HTMLParser):
    """The table as tags with attributes and texts; footnote marks and what follows the table are left out."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[object] = []
        self._in_mark = False
        self.feed("".join(re.findall(r"<table.*</table>", html, re.DOTALL)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_mark = tag == "sup"
        if not self._in_mark:
            self.found.append((tag, sorted(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag != "sup":
            self.found.append(tag)
        self._in_mark = False

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._in_mark:
            self.found.append(data.strip())


def test_the_first_release_alone_is_the_readme_table_tag_for_tag() -> None:
    table = asr_table([], select_published(["@2025-07-23"], "asr"))
    expected = Tags(README.read_text(encoding="utf-8")).found
    assert len(expected) > 500
    assert Tags(render_html(table)).found == expected


@pytest.mark.parametrize("release", ["2025-07-23", "2025-09-15"])
def test_a_release_alone_is_its_table_cell_for_cell_and_bold_for_bold(release: str) -> None:
    table = asr_table([], select_published([f"@{release}"], "asr"))
    printed = [each for each in load_published() if each.table == "asr" and each.release.startswith(release)]
    laid_out = [
        (group.title, row.title, column.title, cell.text, cell.bold)
        for group in table.groups
        for row in group.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
    ]
    assert laid_out == [
        (each.group, each.benchmark, each.model, "N/A" if each.value is None else str(each.value), each.is_best)
        for each in sorted(printed, key=_row_order(printed))
    ]
    assert [column.title for column in table.columns] == list(dict.fromkeys(each.model for each in printed))


def _row_order(printed: list[PublishedFigure]) -> Callable[[PublishedFigure], int]:
    rows = list(dict.fromkeys((each.group, each.benchmark) for each in printed))
    return lambda each: rows.index((each.group, each.benchmark))


def test_printed_bold_is_recomputed_once_a_row_is_not_the_release_s_own(tmp_path: Path) -> None:
    # The first release prints 3.37 in bold, though Qwen2.5-Omni has 3.35.
    whole = asr_table([], select_published(["@2025-07-23"], "asr"))
    assert [cell.text for cell in cells(whole, "Guangxi accent") if cell.bold] == ["3.37"]
    assert whole.footnotes[0].text == "Bold as published, though not the lowest: Guangxi accent."
    part = asr_table([], select_published(["Doubao LLM ASR@2025-07", "Qwen2.5-Omni@2025-07"], "asr"))
    assert [cell.text for cell in cells(part, "Guangxi accent") if cell.bold] == ["3.35"]
    run = run_of(tmp_path, task("Guangxi accent", 0.05, "In-house"))
    with_run = asr_table([run], select_published(["@2025-07-23"], "asr"))
    assert [cell.text for cell in cells(with_run, "Guangxi accent") if cell.bold] == ["3.35"]
    # Rows without a measured value are still the release's own.
    assert [cell.text for cell in cells(with_run, "Anhui accent") if cell.bold] == ["8.83"]


def test_a_complete_measured_value_competes_and_ties_are_all_bold(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        task("LibriSpeech clean", 0.01171, "English"),
        task("LibriSpeech other", 0.01, "English"),
        task("Common Voice", 0.5, "English"),
    )
    table = asr_table([run], select_published(["Step-Audio 2", "Kimi-Audio"], "asr"))
    assert [cell.bold for cell in cells(table, "LibriSpeech clean")] == [True, True, False]
    assert [cell.bold for cell in cells(table, "LibriSpeech other")] == [True, False, False]
    assert [cell.bold for cell in cells(table, "Common Voice")] == [False, True, False]


def test_a_lone_value_is_not_bold(tmp_path: Path) -> None:
    table = asr_table([run_of(tmp_path, task("Demo clean", 0.04))], [])
    assert not cells(table, "Demo clean")[0].bold


def test_a_partial_data_set_is_marked_named_and_never_bold(tmp_path: Path) -> None:
    run = run_of(tmp_path, task("LibriSpeech clean", 0.0, "English", expected=2620, total=75, scored=75))
    table = asr_table([run], select_published(["Step-Audio 2", "Kimi-Audio"], "asr"))
    measured, best, _ = cells(table, "LibriSpeech clean")
    assert (measured.text, measured.marks, measured.bold, measured.partial) == ("0.00", "†", False, True)
    assert best.bold
    assert "LibriSpeech clean, 75 of 2,620 samples" in footnote(table, "†")


def test_a_data_set_with_more_samples_than_the_published_one_is_another(tmp_path: Path) -> None:
    run = run_of(tmp_path, task("LibriSpeech clean", 0.0, "English", expected=2620, total=5593, scored=5593))
    table = asr_table([run], select_published(["Step-Audio 2", "Kimi-Audio"], "asr"))
    measured, best, _ = cells(table, "LibriSpeech clean")
    assert (measured.marks, measured.bold, best.bold) == ("†", False, True)
    assert "LibriSpeech clean, 5,593 of 2,620 samples" in footnote(table, "†")


def test_a_data_set_of_unknown_size_is_not_taken_for_the_published_one(tmp_path: Path) -> None:
    run = run_of(tmp_path, task("Anhui accent", 0.0, "In-house", expected=None, total=1200, scored=1200))
    table = asr_table([run], select_published(["Step-Audio 2", "Kimi-Audio"], "asr"))
    assert [cell.bold for cell in cells(table, "Anhui accent")] == [False, True, False]
    assert "1,200 samples of an unknown number" in footnote(table, "†")


def test_another_metric_than_the_published_one_is_named_and_never_bold(tmp_path: Path) -> None:
    figure = metric(0.0, name="MER")
    run = run_of(tmp_path, task("AISHELL", None, "Chinese", metrics={"wer": figure}))
    table = asr_table([run], select_published(["Step-Audio 2", "Kimi-Audio"], "asr"))
    assert [cell.bold for cell in cells(table, "AISHELL")] == [False, True, False]
    assert "AISHELL, MER where CER is published" in footnote(table, "†")


def test_a_measured_cell_has_interval_count_and_recipe(tmp_path: Path) -> None:
    table = asr_table([run_of(tmp_path, task("Demo clean", 0.0413))], [])
    [cell] = cells(table, "Demo clean")
    assert (cell.text, cell.detail, cell.marks) == ("4.13", "[3.30, 5.16] n=24", "")
    assert cell.recipe == (
        "metric:WER|unit:word|normaliser:whisper-en.v1|averaging:corpus|scored:24|failed:0|skipped:0"
    )
    assert [(each.line, each.figures) for each in table.recipes] == [(cell.recipe, "Whisper tiny.en: Demo clean")]
    assert any("95 % confidence interval" in note.text for note in table.footnotes)


def test_failed_samples_count_skipped_ones_do_not_and_both_are_said(tmp_path: Path) -> None:
    counted = {"expected": 24, "total": 24, "scored": 20, "failed": 3, "skipped": 1, "empty": 2}
    run = run_of(tmp_path, task("Demo clean", 0.1) | {"samples": {**counted, "audio_cut": 5, "audio_split": 4}})
    table = asr_table([run], [])
    [cell] = cells(table, "Demo clean")
    assert cell.detail.endswith("n=23")
    assert cell.marks == "¶"
    for words in ("3 failed", "1 skipped", "2 answered with nothing", "5 with audio cut", "4 with audio split"):
        assert words in footnote(table, "¶")


def test_not_applicable_not_scored_and_not_run_are_told_apart(tmp_path: Path) -> None:
    sphinx = run_of(
        tmp_path,
        task("AISHELL", None, "Chinese", scored=0, skipped=24, not_applicable="the model does not take 'zh'"),
        task("AISHELL-2", None, "Chinese", scored=0, total=0, expected=0),
        name="sphinx",
    )
    other = run_of(tmp_path, task("AISHELL", 0.1, "Chinese"), name="other")
    table = asr_table([sphinx, other], [])
    not_applicable, measured = cells(table, "AISHELL")
    assert (not_applicable.text, not_applicable.marks, measured.bold) == ("N/A", "‖", False)
    not_scored, not_run = cells(table, "AISHELL-2")
    assert (not_scored.text, not_scored.marks) == ("", "‖")
    assert not_run == Cell()
    assert "AISHELL, the model does not take 'zh'" in footnote(table, "‖")
    assert "AISHELL-2, nothing could be scored" in footnote(table, "‖")


ENGLISH = ("Common Voice", "FLEURS English", "LibriSpeech clean", "LibriSpeech other")


def test_an_average_is_the_unweighted_mean_with_the_combined_standard_error(tmp_path: Path) -> None:
    values = (0.08, 0.04, 0.02, 0.0401)
    run = run_of(tmp_path, *(task(name, value, "English") for name, value in zip(ENGLISH, values, strict=True)))
    table = asr_table([run], select_published(["Step-Audio 2"], "asr"))
    average, published = cells(table, "Average", "English")
    assert average.text == "4.50"  # 4.5025
    margin = 1.959964 * math.sqrt(sum((10 * value) ** 2 for value in values)) / 4
    assert average.interval is not None
    assert average.samples is not None
    assert float(average.interval[0]) == pytest.approx(4.5025 - margin, abs=0.04 * margin)
    assert float(average.interval[1]) == pytest.approx(4.5025 + margin, abs=0.04 * margin)
    assert (average.samples.counted, average.marks, average.bold, published.bold) == (96, "‡", False, True)
    assert "independent" in footnote(table, "‡")


def test_an_average_is_blank_unless_every_test_set_has_a_value(tmp_path: Path) -> None:
    missing = run_of(tmp_path, *(task(name, 0.1, "English") for name in ENGLISH[:3]), name="missing")
    refused = run_of(
        tmp_path,
        *(task(name, 0.1, "English") for name in ENGLISH[:3]),
        task(ENGLISH[3], None, "English", not_applicable="no"),
        name="refused",
    )
    table = asr_table([missing, refused], select_published(["Step-Audio 2"], "asr"))
    assert [cell.text for cell in cells(table, "Average", "English")] == ["", "", "3.14"]


def test_an_average_with_a_partial_test_set_is_partial(tmp_path: Path) -> None:
    run = run_of(tmp_path, *(task(name, 0.0, "English", total=23, scored=23) for name in ENGLISH))
    table = asr_table([run], select_published(["Step-Audio 2", "Kimi-Audio"], "asr"))
    average, best, _ = cells(table, "Average", "English")
    assert (average.marks, average.bold, best.bold) == ("‡†", False, True)


def test_a_further_test_set_in_a_published_group_leaves_the_average_comparable(tmp_path: Path) -> None:
    run = run_of(tmp_path, *(task(name, 0.1, "English") for name in ENGLISH), task("GigaSpeech", 0.9, "English"))
    table = asr_table([run], [])
    assert [row.title for row in table.groups[0].rows] == [*ENGLISH, "Average", "GigaSpeech"]
    assert cells(table, "Average")[0].text == "10.00"


def test_other_groups_follow_with_their_average(tmp_path: Path) -> None:
    run = run_of(tmp_path, task("Demo clean", 0.1), task("Demo noise", 0.2), task("AISHELL", 0.3, "Chinese"))
    table = asr_table([run], [])
    assert [(group.title, [row.title for row in group.rows]) for group in table.groups] == [
        ("Chinese", ["AISHELL"]),
        ("Demo", ["Demo clean", "Demo noise", "Average"]),
    ]
    assert cells(table, "Average")[0].text == "15.00"


def test_published_rows_stay_beside_a_run_unless_only_measured_ones_are_wanted(tmp_path: Path) -> None:
    run = run_of(tmp_path, task("Demo clean", 0.1), task("AISHELL", 0.3, "Chinese"))
    published = select_published(["Step-Audio 2"], "asr")
    assert [len(group.rows) for group in asr_table([run], published).groups] == [5, 7, 3, 7, 1]
    table = asr_table([run], published, rows="measured")
    assert [(group.title, [row.title for row in group.rows]) for group in table.groups] == [
        ("Chinese", ["AISHELL"]),
        ("Demo", ["Demo clean"]),
    ]


def test_published_columns_are_marked_with_their_release(tmp_path: Path) -> None:
    run = run_of(tmp_path, task("Demo clean", 0.1))
    published = select_published(["Step-Audio 2", "Step-Audio 2@2025-07-23"], "asr")
    table = asr_table([run], published)
    assert [(column.group, column.title, column.marks) for column in table.columns] == [
        ("Measured", "Whisper tiny.en", ""),
        ("Published", "Step-Audio 2 (2025-09-15)", "§"),
        ("Published", "Step-Audio 2 (2025-07-23)", "§"),
    ]
    assert "Step-Audio 2 (2025-07-23): 2025-07-23 first release (seed README)." in footnote(table, "§")


def test_runs_of_one_model_are_told_apart_by_run(tmp_path: Path) -> None:
    runs = [run_of(tmp_path, task("Demo clean", 0.1), name=name) for name in ("monday", "tuesday")]
    titles = [column.title for column in asr_table(runs, []).columns]
    assert titles == ["Whisper tiny.en (monday)", "Whisper tiny.en (tuesday)"]


def test_two_tasks_for_one_cell_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="task_0 and task_1 both fill Demo / Demo clean"):
        asr_table([run_of(tmp_path, task("Demo clean", 0.1), task("Demo clean", 0.2))], [])


def test_rounding_is_half_up_on_the_decimal_that_names_the_value() -> None:
    # 33 errors in 800 words; the binary number is a little less than 0.04125.
    assert rounded(in_unit(33 / 800, 100)) == "4.13"
    assert rounded(Decimal("9.185")) == "9.19"
    assert rounded(Decimal("1.005")) == "1.01"


def test_schemes_side_by_side(tmp_path: Path) -> None:
    metrics = {"wer": metric(0.05), "wer_raw": metric(0.2, normaliser="raw-en.v1")}
    run = run_of(tmp_path, task("Demo clean", None, metrics=metrics), task("Demo noise", 0.1))
    table = by_normaliser_table([run])
    assert table is not None
    assert [(group.title, [row.title for row in group.rows]) for group in table.groups] == [
        ("Demo clean", ["WER, whisper-en.v1", "WER, raw-en.v1"])
    ]
    assert [row.cells[0].text for row in table.groups[0].rows] == ["5.00", "20.00"]
    assert [recipe.figures for recipe in table.recipes] == ["Whisper tiny.en: Demo clean"] * 2


def test_no_table_of_schemes_where_there_is_one(tmp_path: Path) -> None:
    assert by_normaliser_table([run_of(tmp_path, task("Demo clean", 0.1))]) is None


def test_an_interval_without_ends_is_none(tmp_path: Path) -> None:
    figure = metric(0.1) | {"interval": None, "standard_error": None}
    table = asr_table([run_of(tmp_path, task("Demo clean", None, metrics={"wer": figure}))], [])
    assert cells(table, "Demo clean")[0].detail == "n=24"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not a run folder, it has no metrics.json"),
        ("{", "is not valid JSON"),
        ("[]", "is not a JSON object"),
        ('{"name": "a", "model": {"title": "A"}}', "is of a version without a format number"),
        ('{"format": 2}', "is of format 2, and this evalkit reads format 1"),
        ('{"format": 1, "name": "a", "model": {"name": "a"}}', ".model: the key 'title' is missing"),
        ('{"format": 1, "name": "a", "model": {"name": "a", "title": 5}}', ".model.title: must be a text, not 5"),
    ],
)
def test_a_folder_that_is_no_run_is_an_error_naming_the_file(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(StoreError) as caught:
        read_run(tmp_path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))
    assert "metrics.json" in str(caught.value)


def test_an_average_of_ones_own_has_a_row_of_its_own(tmp_path: Path) -> None:
    run = run_of(tmp_path, *(task(name, 0.04, "English") for name in ("LibriSpeech clean", "LibriSpeech other")))
    first = run.tasks["task_0"]
    means = {"Average": first.metric, "Read speech": replace(first.metric, value=1.0, interval=None)}
    averages = {
        name: Aggregate(
            name, name, TablePlace("asr", "English", name), tuple(run.tasks), (), first.samples, False, mean
        )
        for name, mean in means.items()
    }
    table = asr_table([replace(run, aggregates=averages)], [])
    assert [cells(table, name)[0].text for name in ("Average", "Read speech")] == ["4.00", "1.00"]
