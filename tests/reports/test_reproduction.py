"""Published figures beside measured ones: which belong together, what is missing, and what is unknown."""

import csv
import io
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli.catalogue import read_options
from evalkit.errors import ConfigurationError, DataError
from evalkit.place import TablePlace
from evalkit.results.metrics_file import RunResult, read_run
from reports.published import PublishedFigure, load_published, read_published
from reports.reproduction.render import render_csv, render_json, render_markdown
from reports.reproduction.rows import Reproduction, Row, published_figures, reproduction
from reports.reproduction.tasks import KnownTask, tasks_of
from reports.reproduction.unknowns import load_unknowns
from tests.reports.run_folders import metric, part, task, write_run

MINI = "Step-Audio 2 mini"
AISHELL: dict[str, Any] = {"expected": 7176, "total": 7176, "scored": 7176}


@pytest.fixture(scope="module")
def known() -> list[KnownTask]:
    return [
        KnownTask(option.name, option.content["title"], TablePlace.from_mapping("", option.content.get("place")))
        for option in read_options("task")
    ]


def held(
    tmp_path: Path, known: list[KnownTask], tasks: Mapping[str, Any], name: str = MINI, **others: Any
) -> Reproduction:
    run = read_run(write_run(tmp_path, "mini", tasks, **others))
    return reproduction([run], published_figures(name), known)


def row(found: Reproduction, benchmark: str, group: str = "") -> Row:
    [found_row] = [
        each for each in found.rows if each.published.benchmark == benchmark and group in each.published.group
    ]
    return found_row


def test_every_published_figure_has_its_tasks(known: list[KnownTask]) -> None:
    figures = {(each.table, each.group, each.benchmark): each for each in load_published()}.values()
    found = {figure: tasks_of(figure, known) for figure in figures}
    assert [figure.release[:10] for figure, tasks in found.items() if not tasks] == ["2025-09-01"]  # quoted in prose
    # No task of a demo, and none of another locale or split, passes for one of a published table.
    names = {task.name for tasks in found.values() for task in tasks}
    assert not any(name.startswith("demo_") for name in names)
    assert not {"mmau_test", "common_voice_yue_locale"} & names


def test_the_figures_are_those_of_the_latest_release_without_what_is_not_applicable() -> None:
    assert len(published_figures(MINI)) == 61
    assert {figure.release[:10] for figure in published_figures(MINI)} == {"2025-09-15"}
    toolcall = [figure for figure in published_figures("Qwen3-32B") if figure.table == "toolcall"]
    assert len(toolcall) == 15
    with pytest.raises(ConfigurationError, match="names a release and no model"):
        published_figures("@2025-09-15")


def test_each_verdict_and_why(tmp_path: Path, known: list[KnownTask]) -> None:
    # Published: AISHELL 0.78, AISHELL-2 2.16, LibriSpeech clean 1.33; intervals of 0.8 to 1.25 times the value.
    found = held(
        tmp_path,
        known,
        {
            "aishell": task("AISHELL", 0.0078, "Chinese", metrics={"wer": metric(0.0078, name="CER")}, **AISHELL),
            "aishell_2": task("AISHELL-2", 0.0316, "Chinese", metrics={"wer": metric(0.0316, name="CER")}),
            "librispeech_clean": task("LibriSpeech clean", 0.0140, "English"),
            "librispeech_other": task("LibriSpeech other", 0.0286, "English", expected=2939),
        },
        left_out={"fleurs_en": "its data set is not on this machine"},
        unfinished=["fleurs_zh"],
    )
    assert row(found, "AISHELL").judgement.reason == "the same digits"
    assert row(found, "AISHELL-2").judgement.verdict == "differs"
    assert row(found, "LibriSpeech clean").judgement.verdict == "cannot tell"
    assert "24 samples tell figures apart by ±0.35" in row(found, "LibriSpeech clean").judgement.reason
    assert row(found, "LibriSpeech other").judgement.reason == "24 of 2,939 samples of LibriSpeech other"
    assert row(found, "FLEURS English").judgement.reason == "fleurs_en: its data set is not on this machine"
    assert row(found, "FLEURS Chinese").judgement.reason == "fleurs_zh: not finished"
    average = row(found, "Average", "Chinese").judgement
    assert average.verdict == "not run"
    assert average.reason == (
        "fleurs_zh: not finished; kespeech_phase1, wenetspeech_meeting, wenetspeech_net: no part of the run"
    )
    assert found.counts == {"reproduced": 1, "differs": 1, "cannot tell": 2, "not run": 57}
    judged, outside, by_chance = found.by_chance
    assert (judged, outside) == (3, 1)
    assert by_chance == pytest.approx(0.15)


def test_a_margin_of_ones_own_decides(tmp_path: Path, known: list[KnownTask]) -> None:
    run = read_run(write_run(tmp_path, "run", {"librispeech_clean": task("LibriSpeech clean", 0.0140, "English")}))
    for margin, verdict in (("0.4", "reproduced"), ("0.3", "cannot tell")):
        found = reproduction([run], published_figures(MINI), known, Decimal(margin))
        assert row(found, "LibriSpeech clean").judgement.verdict == verdict


def test_words_are_no_characters(tmp_path: Path, known: list[KnownTask]) -> None:
    found = held(tmp_path, known, {"aishell": task("AISHELL", 0.0078, "Chinese")})
    assert row(found, "AISHELL").judgement.reason == "WER where CER is published"


def test_an_average_is_judged_like_any_figure(tmp_path: Path, known: list[KnownTask]) -> None:
    values = {"common_voice_en": 0.0676, "fleurs_en": 0.0305, "librispeech_clean": 0.0133, "librispeech_other": 0.0286}
    titles = {task.name: task.title for task in known}
    found = held(tmp_path, known, {key: task(titles[key], value, "English") for key, value in values.items()})
    average = row(found, "Average", "English")
    assert (average.published.value, average.cell.text) == (Decimal("3.50"), "3.50")
    assert average.judgement.verdict == "reproduced"
    assert average.figures.interval is not None


def test_what_an_average_is_not_over_is_no_matter(tmp_path: Path, known: list[KnownTask]) -> None:
    values = {"common_voice_en": 0.0676, "fleurs_en": 0.0305, "librispeech_clean": 0.0133, "librispeech_other": 0.0286}
    titles = {task.name: task.title for task in known}
    tasks = {key: task(titles[key], value, "English") for key, value in values.items()}
    found = held(tmp_path, known, {**tasks, "mine": task("My set", 0.5, "English", expected=1000)})
    assert row(found, "Average", "English").judgement.verdict == "reproduced"
    partial = {**tasks, "fleurs_en": task("FLEURS English", 0.0305, "English", expected=647)}
    found = held(tmp_path / "partial", known, partial)
    assert row(found, "Average", "English").judgement.reason == "24 of 647 samples of FLEURS English"


def test_a_part_of_a_task_is_a_figure_of_its_own(tmp_path: Path, known: list[KnownTask]) -> None:
    accuracy = metric(0.732, name="Accuracy") | {"higher_is_better": True}
    found = held(
        tmp_path,
        known,
        {
            "mmau_test_mini": task(
                "MMAU test-mini",
                0.732,
                table={"table": "mmau", "group": "MMAU v05.15.25 test-mini", "benchmark": "MMAU"},
                metrics={"wer": accuracy},
                groups={"task": {"speech": part(0.5, 333)}},
            )
        },
    )
    assert row(found, "Avg.", "MMAU").judgement.verdict == "reproduced"
    assert row(found, "Speech", "MMAU").judgement.verdict == "differs"
    assert row(found, "Music", "MMAU").judgement.verdict == "not run"


def test_a_model_that_cannot_be_asked(tmp_path: Path, known: list[KnownTask]) -> None:
    silent = task(
        "StepEval-Audio-Paralinguistic",
        None,
        table={"table": "paralinguistic", "group": "StepEval-Audio-Paralinguistic", "benchmark": "Avg."},
        not_applicable="does not speak",
    )
    found = held(tmp_path, known, {"paralinguistic": silent})
    assert row(found, "Avg.", "Paralinguistic").judgement.reason == "paralinguistic: does not speak"
    assert row(found, "Gender").judgement.verdict == "not run"


@pytest.mark.parametrize(("version", "verdict"), [("v1", "reproduced"), ("v2", "cannot tell")])
def test_another_version_of_the_data_is_no_reproduction(
    version: str, verdict: str, tmp_path: Path, known: list[KnownTask]
) -> None:
    [figure] = [
        each
        for each in published_figures("Step-Audio 2@2025-07-24")
        if each.benchmark == "Repeat-zh" and each.value is not None
    ]
    assert figure.value is not None
    score = metric(float(figure.value) / 100, name="Score", data=version) | {"higher_is_better": True}
    place = {"table": "uro_bench", "group": "Chinese Basic", "benchmark": "Repeat-zh", "dimension": "U"}
    run = read_run(
        write_run(tmp_path, "run", {"uro_repeat_zh": task("Repeat-zh", 0.5, table=place, metrics={"wer": score})})
    )
    [found] = reproduction([run], [figure], known).rows
    assert found.judgement.verdict == verdict
    if version == "v2":
        assert found.judgement.reason == "measured on the data v2, published of v1"


def test_of_several_runs_the_one_with_the_complete_data_is_taken(tmp_path: Path, known: list[KnownTask]) -> None:
    partial = task("LibriSpeech clean", 0.0133, "English", expected=2620)
    whole = task("LibriSpeech clean", 0.0134, "English")
    folders = [
        write_run(tmp_path, "first", {"librispeech_clean": partial}),
        write_run(tmp_path, "second", {"librispeech_clean": whole}),
        write_run(tmp_path, "third", {"librispeech_other": task("LibriSpeech other", 0.0286, "English")}),
    ]
    found = reproduction([read_run(folder) for folder in folders], published_figures(MINI), known)
    assert row(found, "LibriSpeech clean").cell.source == "second"
    assert row(found, "LibriSpeech other").cell.source == "third"
    assert row(found, "AISHELL").judgement.verdict == "not run"


def test_samples_that_failed_are_said(tmp_path: Path, known: list[KnownTask]) -> None:
    failed = task("LibriSpeech clean", 0.0133, "English", failed=3, scored=21)
    found = held(tmp_path, known, {"librispeech_clean": failed})
    assert "mini: 3 samples failed and count as wrong" in found.remarks


def test_printed_averages_that_do_not_follow_from_their_parts_are_said(tmp_path: Path, known: list[KnownTask]) -> None:
    found = held(tmp_path, known, {})
    assert "CoVoST 2 (S2TT) Avg. is printed as 39.29, and the figures printed with it give 39.30 (39.295)" in (
        found.remarks
    )


def test_what_is_unknown_is_of_some_published_figure() -> None:
    figures = load_published()
    for each in load_unknowns():
        assert any(each.is_of(figure) for figure in figures), each
        assert all(getattr(each, name) for name in ("table", "unknown", "taken", "source")), each
        for benchmark in each.benchmarks:
            assert any(each.is_of(figure) and figure.benchmark == benchmark for figure in figures), benchmark
        for group in each.groups:
            assert any(each.is_of(figure) and figure.group.startswith(group) for figure in figures), group
    assert {figure.table for figure in figures} == {each.table for each in load_unknowns()}


def test_what_is_unknown_is_said_of_the_figures_shown_alone(tmp_path: Path, known: list[KnownTask]) -> None:
    found = reproduction([], published_figures("GPT-4o Transcribe"), known)
    assert {each.table for each in found.unknowns} == {"asr"}
    assert "which utterances; the corpus has no test set of that name" in render_markdown(found)


def figures_of(text: str, tmp_path: Path) -> tuple[PublishedFigure, ...]:
    path = tmp_path / "own.csv"
    path.write_text(text, encoding="utf-8")
    return read_published(path)


def test_a_table_of_ones_own(tmp_path: Path, known: list[KnownTask]) -> None:
    figures = figures_of(
        "\ufefftable,group,benchmark,metric,model,value\n"
        "asr,English,LibriSpeech clean,WER,Mine,1.5\n"
        "mmau_demo,,Avg.,accuracy,Mine,70\n"
        "further,Keyword recall,Keywords,Keyword recall,Mine,80.0\n",
        tmp_path,
    )
    assert {figure.release for figure in figures} == {"own.csv"}
    recall = metric(0.8, name="Keyword recall") | {"higher_is_better": True}
    run = read_run(
        write_run(
            tmp_path,
            "run",
            {
                "librispeech_clean": task("LibriSpeech clean", 0.0150, "English"),
                "keywords": task("Keywords", 0.8, table={}, metrics={"wer": recall}),
                "demo_mmau": task("Demo MMAU", 0.7, table={"table": "mmau", "set": "Demo"}),
            },
        )
    )
    found = reproduction([run], published_figures("Mine", figures), known)
    assert [each.judgement.verdict for each in found.rows] == ["reproduced"] * 3
    # What is unknown is unknown of figures that others published.
    assert found.unknowns == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("table,benchmark,model\nasr,A,M\n", "has no column value"),
        ("table,benchmark,model,value\nasr,A,M\n", "line 2: does not have the 4 fields"),
        ("table,benchmark,model,value\nasr,A,M,1.2,3\n", "line 2: does not have the 4 fields"),
        ("table,benchmark,model,value\nasr,A,M,1.2 %\n", "line 2: value is '1.2 %'; it must be a number as printed"),
        ("table,benchmark,model,value\nasr,A,M,nan\n", "line 2: value is 'nan'"),
        ("table,benchmark,model,value\nasr,,M,1\n", "line 2: benchmark is empty"),
        ("table,benchmark,model,value\nasr,A,M,1\nasr,A,M,2\n", "line 3: an earlier row gives this figure"),
        ("table,benchmark,model,value\n", "holds no figure"),
        ('table,benchmark,model,value\n"asr\n', "is not CSV"),
    ],
)
def test_a_table_that_cannot_be_read(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="own.csv") as caught:
        figures_of(text, tmp_path)
    assert message in str(caught.value)


def test_a_table_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_published(tmp_path / "none.csv")
    (tmp_path / "own.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        read_published(tmp_path / "own.csv")


def test_a_figure_of_a_table_that_there_is_not(tmp_path: Path) -> None:
    figures = figures_of("table,benchmark,model,value\nasrr,A,M,1\n", tmp_path)
    with pytest.raises(ConfigurationError, match="no table 'asrr', did you mean 'asr'"):
        published_figures("M", figures)


def test_the_files_say_the_same(tmp_path: Path, known: list[KnownTask]) -> None:
    found = held(tmp_path, known, {"librispeech_clean": task("LibriSpeech clean", 0.0140, "English")})
    content = json.loads(render_json(found))
    assert content["counts"] == found.counts
    [figure] = [each for each in content["figures"] if each["benchmark"] == "LibriSpeech clean"]
    assert (figure["published"], figure["measured"], figure["low"], figure["high"]) == ("1.33", 1.4, 1.12, 1.75)
    rows = list(csv.DictReader(io.StringIO(render_csv(found))))
    assert len(rows) == len(found.rows) == len(content["figures"])
    assert [each["verdict"] for each in rows] == [each.judgement.verdict for each in found.rows]
    assert set(rows[0]) == set(content["figures"][0])
    assert "| asr | English LibriSpeech clean | WER | 1.33 | 1.40 [1.12, 1.75] | 24 |" in render_markdown(found)


def test_names_that_others_chose_do_no_harm(tmp_path: Path, known: list[KnownTask]) -> None:
    evil = "=1|<b>\x1b[31m"
    figures = figures_of(f'table,group,benchmark,model,value\nasr,"{evil}",A,"{evil}",1\n', tmp_path)
    run = RunResult(evil, evil, evil, "", {})
    found = reproduction([run], published_figures(evil, figures), known)
    assert "\x1b" not in render_markdown(found)
    assert "<b>" not in render_markdown(found)
    assert "|<b>" not in render_markdown(found).replace("\\|", "")
    assert next(csv.DictReader(io.StringIO(render_csv(found))))["group"].startswith("'=1")
