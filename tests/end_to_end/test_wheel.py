"""The built wheel in an environment of its own, away from the checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import DEMO_SPEECH, ROOT, write_jsonl

TYPED = ("evalkit", "evalkit_worker", "model_adapters", "reports", "step_audio_2", "tasks")


@pytest.mark.slow
def test_an_installed_evalkit_works_from_any_folder(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*words: str | Path) -> str:
        outcome = subprocess.run(
            [str(word) for word in words], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        return outcome.stdout

    run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", ROOT)
    [wheel] = (tmp_path / "dist").glob("speech_evalkit-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        typed = {name for name in archive.namelist() if name.endswith("py.typed")}
    assert typed == {f"{package}/py.typed" for package in TYPED}
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python, evalkit = tmp_path / "venv/bin/python", tmp_path / "venv/bin/evalkit"
    run(python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel)

    assert "demo_clean" in run(evalkit, "list", "tasks")
    assert "Step-Audio 2 mini" in run(evalkit, "list", "published")
    assert "not installed (faster-whisper): pip install 'speech-evalkit[whisper]'" in run(evalkit, "doctor")
    rows = [json.loads(line) for line in (DEMO_SPEECH / "manifest.jsonl").read_text().splitlines()]
    write_jsonl(tmp_path / "answers.jsonl", [{"id": row["id"], "text": row["text"]} for row in rows])
    output = run(evalkit, "run", "suite=demo_asr", "model=predictions", "model.path=answers.jsonl")
    assert "Demo clean: WER 0.00 %" in output
    output = run(evalkit, "report", "runs/predictions-demo_asr", "--published", "Step-Audio 2")
    assert "Demo clean" in output
    assert (tmp_path / "runs/predictions-demo_asr/report/radar.png").stat().st_size > 10_000
    assert "no evidence" in run(evalkit, "compare", "runs/predictions-demo_asr", "runs/predictions-demo_asr")
