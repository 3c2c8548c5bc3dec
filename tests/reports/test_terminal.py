"""Tables on the terminal: whatever the titles hold, no line is wider, and nothing steers it."""

from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.cli.main import main
from evalkit.printable import display_width, folded
from reports.render.terminal import render_terminal
from tests.reports.run_folders import task, write_run
from tests.reports.test_renderers import down_table, table


def test_columns_with_their_intervals() -> None:
    text = render_terminal(table(), 200)
    assert text.splitlines()[:2] == [table().title, "=" * len(table().title)]
    assert "4.13* [2.10, 6.61] n=2,400 †‡" in text
    assert "* the best of its row or column" in text


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_no_line_is_wider_than_the_terminal_and_no_figure_is_lost(width: int) -> None:
    shown = table(title="模型甲的很长的名字", group="普通话", test_set="安静房间里的长录音 " * 4)
    lines = render_terminal(shown, width).splitlines()
    assert max(map(display_width, lines)) <= width
    figures = [cell.text for group in shown.groups for row in group.rows for cell in row.cells if cell.text]
    assert all(any(figure in line for line in lines) for figure in figures)


def test_wide_characters_keep_columns_straight() -> None:
    lines = render_terminal(table(test_set="普通话"), 200).splitlines()
    row = next(line for line in lines if "普通话" in line)
    head = next(line for line in lines if "Model A" in line)
    assert display_width(row[: row.index("4.13")]) == display_width(head[: head.index("Model A")])


def test_nothing_steers_the_terminal() -> None:
    hostile = "a\x1b[31m\x9b\u202e\nb"
    shown = replace(table(title=hostile, group=hostile, test_set=hostile), title=hostile)
    assert not set("\x1b\x9b\u202e") & set(render_terminal(shown, 80))


def test_two_figures_stand_in_one_cell() -> None:
    assert " / " in render_terminal(down_table(), 200)


def test_texts_are_folded_at_spaces_and_else_where_they_must() -> None:
    assert folded("one two three", 7) == ["one two", "three"]
    assert folded("今天天气很好", 5) == ["今天", "天气", "很好"]
    assert folded("one two", 5, indent=2) == ["one", "  two"]
    assert folded("", 5) == []
    assert all(display_width(line) <= 6 for line in folded("a bcdefghijkl m", 6, indent=2))


def test_the_command_prints_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    folder = write_run(tmp_path, "run", {"demo": task("Demo clean", 0.1)}, title="Tiny")
    assert main(["report", str(folder), "--terminal"]) == 0
    text = capsys.readouterr().out
    assert "Demo clean" in text
    assert max(map(display_width, text.splitlines())) <= 50
    assert not (folder / "report").exists()
