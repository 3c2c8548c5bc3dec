import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import StoreError
from evalkit.metrics.error_rate import align
from evalkit.results.metrics_file import RunResult, read_run
from evalkit.results.task_result import TaskResult
from reports.samples.alignment import blocks, inline
from reports.samples.utterances import read_utterances, utterances_text, utterances_tsv
from tests.reports.run_folders import metric, task, utterance, write_run, write_scores

ROWS = [
    utterance("good", "One two", "one two", (0, 0, 0, 2)),
    utterance("bad", "The cat sat on a mat today", "the bat sat on mat today again", (1, 1, 1, 7)),
    utterance("failed", "Three words here", "", (0, 3, 0, 3), status="failed", reason="RuntimeError: no", responses=[]),
    utterance(
        "skipped",
        "x",
        "",
        None,
        status="skipped",
        reason="no 'zh'",
        responses=[],
        reference_normalised=None,
        hypothesis_normalised=None,
    ),
]


def scored(
    tmp_path: Path, rows: list[dict[str, Any]], normaliser: str = "whisper-en.v1"
) -> tuple[RunResult, TaskResult]:
    figure = metric(0.1, normaliser=normaliser)
    folder = write_run(tmp_path, "run", {"demo": task("Demo", None, metrics={"wer": figure})}, utterances=rows)
    run = read_run(folder)
    return run, run.tasks["demo"]


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def test_alignment_marks_every_kind_of_error() -> None:
    steps = align(
        ["the", "cat", "sat", "on", "a", "mat", "today"], ["the", "bat", "sat", "on", "mat", "today", "again"]
    )
    assert inline(steps, " ") == "the [cat→bat] sat on [-a-] mat today [+again+]"


def test_alignment_of_characters_needs_no_separator() -> None:
    assert inline(align("今天的天气很好", "今天天气很好吗"), "") == "今天[-的-]天气很好[+吗+]"


def test_blocks_put_units_below_each_other() -> None:
    said = ["the", "theatre", "opens", "at", "noon", "sharp"]
    heard = ["the", "theater", "opens", "今天", "at", "noon"]
    assert list(blocks(align(said, heard))) == [
        "  REF  the theatre opens **** at noon sharp",
        "  HYP  the theater opens 今天 at noon *****",
        "           S             I            D",
    ]


def test_blocks_break_long_lines_and_lose_nothing() -> None:
    words = [f"word{i}" for i in range(60)]
    lines = list(blocks(align(words, words)))
    assert all(len(line) < 125 for line in lines)
    assert " ".join(line.removeprefix("  REF  ") for line in lines[::2]) == " ".join(words)


def test_most_errors_first_and_skipped_last(tmp_path: Path) -> None:
    rows = table(utterances_tsv(read_utterances(*scored(tmp_path, ROWS))))
    assert [row["id"] for row in rows] == ["failed", "bad", "good", "skipped"]
    failed, bad, good, skipped = rows
    assert (failed["status"], failed["reason"], failed["alignment"]) == (
        "failed",
        "RuntimeError: no",
        "[-three-] [-words-] [-here-]",
    )
    assert (bad["errors"], bad["substitutions"], bad["length"], bad["error_rate"]) == ("3", "1", "7", "0.4286")
    assert bad["alignment"] == "the [cat→bat] sat on [-a-] mat today [+again+]"
    assert (bad["response"], bad["audio"]) == ("the bat sat on mat today again", "bad.flac")
    assert (good["errors"], good["error_rate"]) == ("0", "0.0000")
    assert (skipped["errors"], skipped["error_rate"], skipped["reason"]) == ("", "", "no 'zh'")


def test_character_error_rates_are_aligned_by_character(tmp_path: Path) -> None:
    rows = [utterance("zh", "今天 天气", "今天气", (0, 1, 0, 4))]
    [row] = table(utterances_tsv(read_utterances(*scored(tmp_path, rows, normaliser="raw-zh.v1"))))
    assert row["reference"] == "今天 天气"
    assert row["alignment"].count("[-天-]") == 1


def test_an_empty_reference_has_no_error_rate(tmp_path: Path) -> None:
    rows = [utterance("silence", "", "hello", (0, 0, 1, 0))]
    [row] = table(utterances_tsv(read_utterances(*scored(tmp_path, rows))))
    assert (row["errors"], row["error_rate"]) == ("1", "")


def test_answers_cannot_break_the_listing_nor_start_a_formula(tmp_path: Path) -> None:
    answer = '=cmd|"x"\tsecond\ncolumn'
    rows = [utterance("u", "hello", answer, (1, 0, 1, 1))]
    utterances = read_utterances(*scored(tmp_path, rows))
    [row] = table(utterances_tsv(utterances))
    assert row["response"] == '\'=cmd|"x" second column'
    assert row["audio"] == "u.flac"


def test_the_text_listing_names_the_task_and_counts(tmp_path: Path) -> None:
    text = utterances_text(read_utterances(*scored(tmp_path, ROWS)), "Tiny, Demo")
    assert text.startswith("Tiny, Demo: 4 utterances")
    assert "failed: errors 3, length 3, failed: RuntimeError: no\n" in text
    assert "  REF  the cat sat on a mat today *****\n  HYP  the bat sat on * mat today again\n" in text
    assert text.endswith("skipped: not scored, skipped: no 'zh'\n  REF  x\n")


def test_a_missing_or_foreign_file_is_an_error_naming_it(tmp_path: Path) -> None:
    run, result = scored(tmp_path, ROWS)
    assert run.folder is not None
    folder = run.folder / "demo"
    (folder / "scores.parquet").write_bytes(b"not parquet")
    with pytest.raises(StoreError, match=r"demo/scores\.parquet"):
        read_utterances(run, result)
    write_scores(folder, [{"id": "a", "wer.correct": 1.0}])
    with pytest.raises(StoreError, match="column 'status' is missing"):
        read_utterances(run, result)
    write_scores(folder, [{key: value for key, value in ROWS[0].items() if key != "reference_normalised"}])
    with pytest.raises(StoreError, match="'reference_normalised' is missing"):
        read_utterances(run, result)
    write_scores(folder, ROWS, digest="1" * 32)
    with pytest.raises(StoreError, match="does not belong to the metrics.json of this run"):
        read_utterances(run, result)


def test_several_recordings_are_all_named(tmp_path: Path) -> None:
    audio = json.dumps([{"locator": "a.flac", "duration": 1.0}, {"locator": "b.flac", "duration": None}])
    [row] = table(utterances_tsv(read_utterances(*scored(tmp_path, [ROWS[0] | {"audio": audio}]))))
    assert row["audio"] == "a.flac, b.flac"


def test_the_alignment_of_an_endless_answer_is_bounded_and_says_so(tmp_path: Path) -> None:
    rows = [utterance("u1", "the cat", "the cat " + "sat " * 300_000, (0, 0, 300_000, 2))]
    utterances = read_utterances(*scored(tmp_path, rows))
    text = utterances_text(utterances, "Tiny, Demo")
    assert "(alignment of the first 2,000 of 300,002 units)" in text
    assert len(text) < 100_000
    assert utterances[0].counts == (0, 0, 300_000, 2)
