"""The leaderboard of a folder of runs: the newest of each model, what compares ranked, the rest said."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli.main import main
from evalkit.errors import ConfigurationError
from reports.leaderboard.board import board, columns_of
from reports.leaderboard.collect import Filters, collect
from reports.leaderboard.history import history_table, learning_curve
from reports.leaderboard.write import write_leaderboard
from tests.reports.measured_runs import measured_run
from tests.reports.run_folders import metric, task, write_run


def run_of(
    folder: Path, name: str, values: tuple[float, float], day: str, *, title: str, finished: bool = True, **fields: Any
) -> Path:
    tasks = {
        key: task(key.title(), value, "Clinic", **fields) for key, value in zip(("clean", "noise"), values, strict=True)
    }
    path = write_run(folder, name, tasks, title=title, unfinished=[] if finished else ["other"])
    session = {"started": f"{day}T12:00:00+00:00", "finished": True}
    (path / "provenance.json").write_text(json.dumps({"sessions": [session]}))
    return path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    run_of(folder, "tiny-1", (0.10, 0.2), "2026-01-01", title="Tiny")
    run_of(folder, "tiny-2", (0.08, 0.3), "2026-02-01", title="Tiny")
    run_of(folder, "base-1", (0.05, 0.4), "2026-01-15", title="Base")
    raw: dict[str, Any] = {"metrics": {"wer": metric(0.01, normaliser="raw-en.v1")}}
    run_of(folder, "other-1", (0.01, 0.01), "2026-01-20", title="Other", **raw)
    run_of(folder, "part-1", (0.02, 0.02), "2026-01-21", title="Part", total=5, scored=5)
    return folder


def board_of(folder: Path, *tasks: str, sort: str | None = None, filters: Filters | None = None) -> list[list[str]]:
    collected = collect(folder, filters or Filters())
    columns = columns_of(collected.runs, tasks)
    table = board(collected.newest, columns, sort)
    return [
        [*row.titles, *(f"{cell.text}{'*' if cell.bold else ''}{cell.marks}" for cell in row.cells)]
        for group in table.groups
        for row in group.rows
    ]


def test_the_newest_run_of_each_model_is_ranked(runs: Path) -> None:
    assert board_of(runs, "clean") == [
        ["1", "Base", "base-1", "2026-01-15", "5.00*"],
        ["2", "Tiny", "tiny-2", "2026-02-01", "8.00"],
        ["–", "Other", "other-1", "2026-01-20", "1.00△"],  # better, but of another recipe
        ["–", "Part", "part-1", "2026-01-21", "2.00†"],  # better, but on a part of the data
    ]
    assert [row[1] for row in board_of(runs, sort="noise")[:2]] == ["Tiny", "Base"]


def test_an_average_ranks_where_none_is_named(runs: Path) -> None:
    rows = board_of(runs)
    assert [row[:2] for row in rows[:2]] == [["1", "Tiny"], ["2", "Base"]]  # 19 and 22.5
    collected = collect(runs, Filters())
    assert [column.name for column in columns_of(collected.runs, ())] == ["clean", "noise", "asr_clinic"]


def test_equal_values_share_a_rank(tmp_path: Path) -> None:
    for name, value in (("a", 0.1), ("b", 0.1), ("c", 0.2)):
        run_of(tmp_path, name, (value, value), "2026-01-01", title=name)
    assert [row[0] for row in board_of(tmp_path, "clean")] == ["1", "1", "3"]


def test_filters(runs: Path) -> None:
    from datetime import date

    assert [row[1] for row in board_of(runs, "clean", filters=Filters(models=("b*", "TINY")))] == ["Base", "Tiny"]
    assert [row[2] for row in board_of(runs, "clean", filters=Filters(since=date(2026, 1, 21)))] == ["tiny-2", "part-1"]
    with pytest.raises(ConfigurationError, match="no run has 'claen', did you mean 'clean'"):
        board_of(runs, "claen")
    with pytest.raises(ConfigurationError, match=r"no column 'nois' to rank by, did you mean 'noise'"):
        board_of(runs, sort="nois")


def test_broken_and_unfinished_runs_are_left_out_with_a_line(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_of(runs, "later", (0.1, 0.1), "2026-03-01", title="Tiny", finished=False)
    run_of(runs, "broken", (0.1, 0.1), "2026-03-01", title="Tiny")
    (runs / "broken" / "metrics.json").write_text("{")
    run_of(runs, "begun", (0.1, 0.1), "2026-03-01", title="Tiny")
    (runs / "begun" / "metrics.json").unlink()
    (runs / "notes").mkdir()
    assert main(["leaderboard", str(runs), "--task", "clean", "--model", "base", "--output", str(runs / "board")]) == 0
    errors = capsys.readouterr().err.splitlines()
    assert [re.sub(r".*/", "", line.partition(":")[2].partition(":")[0]) for line in errors] == [
        "begun",
        "metrics.json",
    ]
    reasons = collect(runs, Filters()).left_out
    assert len(reasons) == 3
    assert any("the run is not finished, without other" in reason for reason in reasons)


def test_history_by_date_and_by_training_step(tmp_path: Path) -> None:
    for step, value in ((1000, 0.3), (20000, 0.1), (3000, 0.2)):
        run_of(tmp_path, f"ckpt-step-{step}", (value, value), "2026-01-01", title=f"Mine step-{step} sft")
    collected = collect(tmp_path, Filters(step=re.compile(r"step-(\d+)")))
    columns = columns_of(collected.runs, ("clean",))
    [group] = history_table(collected.runs, columns).groups
    assert [(row.titles, row.cells[0].text) for row in group.rows] == [
        (("Mine  sft", "ckpt-step-1000", "1,000"), "30.00"),
        (("Mine  sft", "ckpt-step-3000", "3,000"), "20.00"),
        (("Mine  sft", "ckpt-step-20000", "20,000"), "10.00"),
    ]
    assert learning_curve(collected.runs, columns[0]) is not None
    without = collect(tmp_path, Filters(step=re.compile(r"epoch-(\d+)")))
    assert without.runs == ()
    assert "has a step as --step describes it" in without.left_out[0]


def test_a_line_joins_no_values_of_two_recipes(tmp_path: Path) -> None:
    run_of(tmp_path, "a", (0.1, 0.1), "2026-01-01", title="Tiny")
    run_of(tmp_path, "b", (0.1, 0.1), "2026-01-02", title="Other")
    raw: dict[str, Any] = {"metrics": {"wer": metric(0.01, normaliser="raw-en.v1")}}
    run_of(tmp_path, "c", (0.1, 0.1), "2026-01-03", title="Tiny", **raw)
    collected = collect(tmp_path, Filters())
    [column] = columns_of(collected.runs, ("clean",))
    assert learning_curve(collected.runs, column) is None


class Tags(HTMLParser):
    """The tags of a page with their attributes, and its texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.slow
def test_the_page_runs_nothing_and_loads_nothing_whatever_the_titles_hold(runs: Path, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\u202e\" onload='x"
    run_of(runs, "hostile", (0.5, 0.5), "2026-03-01", title=hostile)
    made = write_leaderboard(runs, tmp_path / "board")
    page = Tags((tmp_path / "board" / "index.html").read_text(encoding="utf-8"))
    assert "<script>alert(1)</script>\\u202e\" onload='x" in page.texts
    assert {tag for tag, _ in page.tags} & {"script", "link", "a", "iframe", "form"} == set()
    attributes = {name for _, known in page.tags for name in known}
    assert not {name for name in attributes if name.startswith("on")} | {"style", "href"} & attributes
    images = [known for tag, known in page.tags if tag == "img"]
    assert len(images) == 3  # Tiny has two runs of the two tasks and their average
    assert all((each["src"] or "").startswith("data:image/svg+xml;base64,") and each["alt"] for each in images)
    [policy] = [
        known["content"] or "" for _, known in page.tags if known.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert all(known.get("scope") for tag, known in page.tags if tag == "th")
    names = {path.name for path in made.files}
    assert {"leaderboard.csv", "leaderboard.tex", "history.csv", "history-clean.png", "history-clean.svg"} <= names
    rows = list(csv.DictReader((tmp_path / "board" / "history.csv").open(encoding="utf-8")))
    assert [row["text"] for row in rows if row["model"] == "Tiny" and row["test_set"].startswith("Clean")] == [
        "10.00",
        "8.00",
    ]


def test_what_is_wrong_is_one_line(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = ["--output", str(tmp_path / "board")]
    for words, message in (
        ([str(tmp_path / "none")], "none: cannot be read as a folder of runs"),
        ([str(tmp_path / "runs" / "tiny-1")], "holds no finished run that fits"),
        ([str(runs), "--since", "yesterday"], "--since yesterday: is no date; give one as 2026-01-31"),
        ([str(runs), "--step", "("], "--step (: is no regular expression"),
        ([str(runs), "--step", "x"], "put the digits into a group"),
        ([str(runs), "--model", "nobody"], "holds no finished run that fits"),
    ):
        assert main(["leaderboard", *words, *output]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_repeated_runs_are_one_row(tmp_path: Path) -> None:
    for seed in (1, 2):
        model = {"name": "mine", "title": "Mine"}
        one = measured_run(tmp_path / "mine", f"seed-{seed}", seed=seed, title="Mine", model=model)
        other = measured_run(tmp_path / "mixed", f"seed-{seed}", seed=seed, title=f"Model {seed}")
        for folder, fingerprint in ((one, 0), (other, seed)):
            provenance = {"models": {"model": {"seed_of": fingerprint}}, "data": {}, "sessions": []}
            (folder / "provenance.json").write_text(json.dumps(provenance))
    rows = board_of(tmp_path, "demo")
    assert [row[1] for row in rows] == ["Mine (2 runs)"]
    [reason] = collect(tmp_path, Filters()).left_out
    assert reason.startswith(f"{tmp_path}/mixed")


def test_models_are_ranked_by_the_average_that_ranks_the_most(tmp_path: Path) -> None:
    part = {name: task(name, 0.5, "Lab", total=5, scored=5) for name in ("quiet", "loud")}
    only = write_run(tmp_path, "lab", part, title="Lab")
    (only / "provenance.json").write_text('{"sessions": [{"started": "2025-12-01T12:00:00+00:00", "finished": true}]}')
    run_of(tmp_path, "clinic-1", (0.1, 0.2), "2026-01-01", title="One")
    run_of(tmp_path, "clinic-2", (0.1, 0.1), "2026-01-02", title="Two")
    assert [row[:2] for row in board_of(tmp_path)] == [["1", "Two"], ["2", "One"], ["–", "Lab"]]
