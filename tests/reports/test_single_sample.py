"""One sample of a run, with alignment, answers and counts; a wrong path is one line that says what is near."""

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli.main import main
from tests.reports.run_folders import metric, task, utterance, write_run


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


def response(role: str = "model", **fields: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"text": None, "speech": None, "tool_calls": [], "failure": None}
    return {"role": role, **empty, **fields}


def recognition(text: str, counts: tuple[int, int, int, int], **fields: Any) -> dict[str, Any]:
    parts = {"reason_kind": None, "groups": '{"speaker": "slt"}', "metadata": "{}", "responses": [response(text=text)]}
    return utterance("a/u1", "Good morning all", text, counts, **(parts | fields))


def run_of(tmp_path: Path, name: str, *rows: dict[str, Any], **fields: Any) -> Path:
    statistics = dict.fromkeys(("substitutions", "deletions", "insertions", "reference_length"), 1)
    wer = metric(0.1) | {"function": "corpus_error_rate", "statistics": statistics}
    return write_run(
        tmp_path, name, {"demo": task("Demo", 0.1, metrics={"wer": wer}) | fields}, title=name, utterances=rows
    )


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["show", *words]) == 0
    return capsys.readouterr().out


def test_a_sample_with_its_alignment_and_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_of(tmp_path, "tiny", recognition("Good evening all of you", (1, 0, 2, 3)))
    text = shown(capsys, f"{folder}/demo/a/u1")  # ids may have slashes
    assert text.splitlines() == [
        f"{folder}/demo/a/u1",
        "tiny, Demo",
        "status: scored",
        "recording: a/u1.flac (2.50 s)",
        "speaker: slt",
        "",
        "reference: Good morning all",
        "model: Good evening all of you",
        "",
        "alignment of the normalised texts (S: substitution, D: deletion, I: insertion)",
        "  REF  good morning all ** ***",
        "  HYP  good evening all of you",
        "            S           I  I",
        "",
        "WER (wer): 100.00 %; substitutions 1, deletions 0, insertions 2, reference_length 3",
    ]


def test_characters_are_aligned_in_chinese(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = recognition("今天好天气", (1, 1, 0, 5), reference_normalised="今天天气号", hypothesis_normalised="今天好气")
    recipe = metric(0.1, unit="character", normaliser="default-zh.v2")["recipe"]
    folder = run_of(tmp_path, "run", row)
    content = json.loads((folder / "metrics.json").read_text())
    content["tasks"]["demo"]["metrics"]["wer"]["recipe"] = recipe
    (folder / "metrics.json").write_text(json.dumps(content))
    lines = shown(capsys, f"{folder}/demo/a/u1").splitlines()
    reference = next(line for line in lines if line.startswith("  REF"))
    assert reference.split()[1:] == ["今", "天", "天", "气", "号"]


def test_two_runs_one_after_the_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = run_of(tmp_path, "base", recognition("Good evening all", (1, 0, 0, 3)))
    new = run_of(tmp_path, "new", recognition("Good morning all", (0, 0, 0, 3)))
    text = shown(capsys, f"{new}/demo/a/u1", "--base", str(base))
    assert text.index(str(base)) < text.index(str(new))
    assert text.endswith("\nWER (wer): 33.33 % in base, 0.00 % in new\n")


def test_what_a_chain_of_models_said_and_how_it_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = [
        response(
            text="Line one\nLine two: \x1b[31mred\u202e",
            speech="demo/speech/ab.flac",
            tool_calls=[{"name": "search", "arguments": '{"q": "x"}', "id": "1"}],
        ),
        response("judge", text="Yes."),
        response("transcriber", failure={"kind": "timeout", "message": "after 60 s"}),
        response("mos_predictor"),
    ]
    row = recognition("", (0, 0, 0, 1), responses=answers, reference_normalised=None, verdict="accepted")
    row |= {"status": "failed", "reason_kind": "timeout", "reason": "after 60 s"}
    folder = run_of(tmp_path, "run", row)
    text = shown(capsys, f"{folder}/demo/a/u1")
    assert "status: failed, timeout after 60 s" in text
    assert "model: Line one\n    Line two: \\x1b[31mred\\u202e\n" in text
    assert f"model said: {folder}/demo/speech/ab.flac" in text
    assert 'model calls: search {"q": "x"}' in text
    assert "judge: Yes." in text
    assert "transcriber failed, timeout: after 60 s" in text
    assert "mos_predictor: (nothing)" in text
    assert "verdict: accepted" in text
    assert "alignment" not in text


def test_a_skipped_sample_counts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = recognition("", (0, 0, 0, 1)) | {
        "status": "skipped",
        "reason_kind": "not_applicable",
        "reason": "it hears nothing",
    }
    row |= {key: None for key in row if key.startswith("wer.")}
    folder = run_of(tmp_path, "run", row, recognition("x", (0, 0, 0, 1), id="u2"))
    text = shown(capsys, f"{folder}/demo/a/u1")
    assert "status: skipped, not_applicable it hears nothing" in text
    assert "WER" not in text


def test_no_line_is_wider_than_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    folder = run_of(tmp_path, "run", recognition("今天天气 " * 40, (1, 0, 0, 3)))
    from evalkit.printable import display_width

    lines = shown(capsys, f"{folder}/demo/a/u1").splitlines()[1:]  # the first is a path, to be copied
    assert max(map(display_width, lines)) <= 60


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("runn/demo/a/u1", "no run 'runn' in {folder}, did you mean 'run'?; a sample is named as RUN/TASK/SAMPLE"),
        ("run/dmo/a/u1", "run: has no task 'dmo', did you mean 'demo'? (there are demo)"),
        ("run/demo/a/u9", "run/demo: has no sample 'a/u9'; near to it are a/u1"),
        ("run/demo", "run/demo: name one of its 1 samples, such as a/u1"),
        ("run", "run: has no task '' (there are demo)"),
    ],
)
def test_a_wrong_path_is_one_line_with_what_is_near(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, message: str
) -> None:
    run_of(tmp_path, "run", recognition("x", (0, 0, 0, 1)))
    assert main(["show", f"{tmp_path}/{path}"]) == 2
    error = capsys.readouterr().err
    assert message.format(folder=tmp_path) in error
    assert error.count("\n") == 1
    assert main(["show", f"{tmp_path}/run/demo/a/u1", "--base", f"{tmp_path}/none"]) == 2


def test_damaged_scores_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_of(tmp_path, "run", recognition("x", (0, 0, 0, 1), groups="[1]"))
    assert main(["show", f"{folder}/demo/a/u1"]) == 2
    assert "its scores cannot be read" in capsys.readouterr().err
