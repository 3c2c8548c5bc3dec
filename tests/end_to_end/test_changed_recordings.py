"""Answers belong to what was heard, not to what it was called."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import CommandLine, write_jsonl

TASK = "librispeech_clean"


def recorded(folder: Path, frequency: float) -> Path:
    folder.mkdir(exist_ok=True)
    times = np.arange(16_000) / 16_000
    for name in ("a", "b"):
        soundfile.write(folder / f"{name}.wav", 0.1 * np.sin(2 * np.pi * frequency * times), 16_000)
    return write_jsonl(folder / "manifest.jsonl", [{"id": name, "audio": f"{name}.wav", "text": "x"} for name in "ab"])


@pytest.mark.slow
def test_recordings_of_the_same_names_are_not_answered_for(tmp_path: Path, evalkit_command: CommandLine) -> None:
    clean, noisy = recorded(tmp_path / "clean", 440), recorded(tmp_path / "noisy", 660)
    (tmp_path / "answers").write_text("a x\nb x\n")

    def run(manifest: Path, *more: str) -> tuple[int, str]:
        words = ["run", "model=predictions", f"model.path={tmp_path / 'answers'}", f"task={TASK}", "name=one"]
        outcome = evalkit_command(*words, f"tasks.{TASK}.dataset.path={manifest}", "statistics.resamples=50", *more)
        return outcome.returncode, outcome.stderr + outcome.stdout

    log = tmp_path / "runs" / "one" / TASK / "model.jsonl"
    assert run(clean)[0] == 0
    assert run(clean)[0] == 0
    assert len(log.read_text().splitlines()) == 2, "nothing was asked twice"
    status, said = run(noisy)
    assert status == 2
    assert f"holds answers about other recordings of task {TASK}" in said
    assert run(noisy, "fresh=true")[0] == 0
    shutil.copy(clean.parent / "a.wav", noisy.parent / "a.wav")
    assert run(noisy)[0] == 2, "one file was replaced"
