"""Chat checkpoints of transformers from the command line to the report, on tiny ones in the real format."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CommandLine
from tests.end_to_end.step_audio_2_runs import write_data
from tests.model_adapters.tiny_chat_models import WINDOW, save_audio_flamingo_3, save_qwen2_audio, save_qwen3_asr

pytest.importorskip("torch", reason="torch is not installed")
pytestmark = pytest.mark.slow

COMMON = ("model.device=cpu", "model.batch_size=4", "+model.generation.max_new_tokens=8", "limit=4", "name=run")
WRITTEN = {"librispeech_clean", "mmau_test_mini", "covost2_en_zh", "big_bench_audio"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def metrics(folder: Path) -> dict[str, Any]:
    tasks: dict[str, Any] = json.loads((folder / "metrics.json").read_text())["tasks"]
    return tasks


def overlong(folder: Path) -> list[dict[str, Any]]:
    """The responses to recordings that were too long."""
    lines = (folder / "model.jsonl").read_text().splitlines()
    return [response for line in lines if "overlong" in (response := json.loads(line)["response"])]


@pytest.mark.parametrize(
    ("model", "save"), [("qwen2_audio_7b_instruct", save_qwen2_audio), ("audio_flamingo_3", save_audio_flamingo_3)]
)
def test_the_smoke_suite_runs_every_task_that_is_answered_in_writing(
    model: str,
    save: Callable[[Path], Path],
    evalkit_command: CommandLine,
    tmp_path: Path,
    data: Path,
) -> None:
    words = ["suite=smoke", f"model={model}", f"model.path={save(tmp_path / 'checkpoint')}", *COMMON]
    words += [f"data_root={data}", f"model.longest_audio={WINDOW}"]
    words += ["model@transcriber=pocketsphinx", "model@judge=word_judge", "statistics.resamples=100"]
    done = evalkit_command("run", *words, timeout=900)
    assert done.returncode == 0, done.stderr[-2_000:]
    run = tmp_path / "runs" / "run"
    before = (run / "metrics.json").read_bytes()
    tasks = metrics(run)
    for name in WRITTEN:
        assert tasks[name]["samples"]["scored"] == tasks[name]["samples"]["total"] > 1, name
    assert tasks["toolcall"]["not_applicable"] == "the model does not call tools"
    cut = {name: overlong(run / name) for name in WRITTEN}
    assert {name: tasks[name]["samples"].get("audio_cut", 0) for name in WRITTEN} == {
        name: len(responses) for name, responses in cut.items()
    }
    notes = [note for responses in cut.values() for response in responses for note in response["notes"]]
    assert notes
    assert all(note.startswith(f"cut to the {WINDOW} s of a recording that the model takes: ") for note in notes)
    again = evalkit_command("run", *words, timeout=900)
    assert again.returncode == 0, again.stderr[-2_000:]
    assert (run / "metrics.json").read_bytes() == before
    report = evalkit_command("report", "runs/run")
    assert report.returncode == 0, report.stderr
    assert "with audio cut to what the model takes" in " ".join(report.stdout.split())
    assert (run / "report" / "index.html").is_file()


def test_a_recogniser_hears_a_long_recording_in_pieces(evalkit_command: CommandLine, tmp_path: Path) -> None:
    folder = save_qwen3_asr(tmp_path / "checkpoint")
    words = ("suite=demo_asr", "model=qwen3_asr", f"model.path={folder}", "model.longest_audio=2", *COMMON)
    outcome = evalkit_command("run", *words, timeout=600)
    assert outcome.returncode == 0, outcome.stderr
    for name, task in metrics(tmp_path / "runs/run").items():
        split = overlong(tmp_path / "runs/run" / name)
        assert task["samples"]["audio_split"] == len(split) > 0
        assert task["samples"]["failed"] == 0
        assert all("pieces of at most 2 s" in each["notes"][0] for each in split)
    report = evalkit_command("report", "runs/run")
    assert "with audio split for the model" in " ".join(report.stdout.split())
