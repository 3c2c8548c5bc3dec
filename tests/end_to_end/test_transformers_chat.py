"""Chat checkpoints of transformers from the command line to the report, on tiny ones in the real format."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CommandLine
from tests.model_adapters.tiny_chat_models import WINDOW, save_qwen2_audio, save_qwen3_asr

pytestmark = pytest.mark.slow

COMMON = ("model.device=cpu", "model.batch_size=4", "+model.generation.max_new_tokens=8", "limit=4", "name=run")


def metrics(folder: Path) -> dict[str, Any]:
    tasks: dict[str, Any] = json.loads((folder / "metrics.json").read_text())["tasks"]
    return tasks


def responses(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["response"] for line in (folder / "model.jsonl").read_text().splitlines()]


def test_a_chat_model_answers_every_kind_of_question_and_cut_recordings_are_counted(
    evalkit_command: CommandLine, tmp_path: Path
) -> None:
    folder = save_qwen2_audio(tmp_path / "checkpoint")
    words = ("suite=demo", "model=qwen2_audio_7b_instruct", f"model.path={folder}", *COMMON)
    helpers = ("model@transcriber=pocketsphinx", "model@judge=word_judge")
    outcome = evalkit_command("run", *words, *helpers, timeout=600)
    assert outcome.returncode == 0, outcome.stderr
    tasks = metrics(tmp_path / "runs/run")
    answered = {name for name, task in tasks.items() if not task["not_applicable"]}
    assert answered == {
        "demo_clean", "demo_noise", "demo_reverberation", "demo_telephone", "demo_mmau", "demo_covost2_en_zh",
        "demo_big_bench_audio",
    }  # fmt: skip
    for name in answered:
        assert tasks[name]["samples"]["scored"] == 4, name
    recognised = tasks["demo_clean"]["samples"]
    stored = responses(tmp_path / "runs/run/demo_clean")
    cut = [response for response in stored if response.get("overlong") == "cut"]
    assert recognised["audio_cut"] == len(cut) > 0
    assert cut[0]["notes"][0].startswith(f"cut to the {WINDOW} s of a recording that the model takes: ")
    assert f"{len(cut)} with their audio cut" in outcome.stdout
    before = (tmp_path / "runs/run/metrics.json").read_bytes()
    again = evalkit_command("run", *words, *helpers, timeout=600)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "runs/run/metrics.json").read_bytes() == before
    report = evalkit_command("report", "runs/run")
    assert report.returncode == 0, report.stderr
    assert "Qwen2-Audio Instruct" in report.stdout
    assert f"{len(cut)} with audio cut to what the model takes" in " ".join(report.stdout.split())


def test_a_recogniser_hears_a_long_recording_in_pieces(evalkit_command: CommandLine, tmp_path: Path) -> None:
    folder = save_qwen3_asr(tmp_path / "checkpoint")
    words = ("suite=demo_asr", "model=qwen3_asr", f"model.path={folder}", "model.longest_audio=2", *COMMON)
    outcome = evalkit_command("run", *words, timeout=600)
    assert outcome.returncode == 0, outcome.stderr
    for name, task in metrics(tmp_path / "runs/run").items():
        split = [each for each in responses(tmp_path / "runs/run" / name) if each.get("overlong") == "split"]
        assert task["samples"]["audio_split"] == len(split) > 0
        assert task["samples"]["failed"] == 0
        assert all("pieces of at most 2 s" in each["notes"][0] for each in split)
    report = evalkit_command("report", "runs/run")
    assert "with audio split for the model" in " ".join(report.stdout.split())
