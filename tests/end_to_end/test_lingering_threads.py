"""Models that begin threads and never end them: the run is whole, and its process ends."""

import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.types import Request, Response
from tests.conftest import ROOT, write_jsonl
from tests.end_to_end.served_runs import evalkit_run

TASK = "librispeech_clean"


class Lingering(ModelAdapter):
    """Answers at once; a thread of its own goes on for some seconds after, and then writes a file."""

    capabilities = Capabilities(sample_rate=None)

    def __init__(self, seconds: float, pool: bool, file: str) -> None:
        self._seconds = seconds
        self._pool = pool
        self._file = Path(file)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [Response("yes") for _ in requests]

    def close(self) -> None:
        if self._pool:
            ThreadPoolExecutor(1, thread_name_prefix="upload").submit(self._linger)
        else:
            threading.Thread(target=self._linger, name="poll\nof telemetry", daemon=False).start()

    def _linger(self) -> None:
        time.sleep(self._seconds)
        self._file.write_text("done")

    def fingerprint(self) -> Mapping[str, Any]:
        return {"adapter": "lingering"}


@pytest.mark.parametrize(
    ("seconds", "pool", "named"),
    [
        pytest.param(3_600, "false", r"left behind: poll\nof telemetry. ", marks=pytest.mark.slow),
        pytest.param(3_600, "true", "left behind: upload_0. ", marks=pytest.mark.slow),
        (2, "false", ""),
    ],
)
def test_a_thread_of_the_model_does_not_hold_up_the_end(tmp_path: Path, seconds: float, pool: str, named: str) -> None:
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "lingering.yaml").write_text(
        "defaults:\n  - /prompts@prompts: recognizer\n"
        "_target_: tests.end_to_end.test_lingering_threads.Lingering\ntitle: Lingering\n"
        "seconds: ???\npool: ???\nfile: ???\n"
    )
    manifest = write_jsonl(tmp_path / "manifest.jsonl", [{"id": "a", "audio": "a.wav", "text": "yes"}])
    chosen = [
        *("--config-dir", str(tmp_path / "configs"), "model=lingering", f"model.seconds={seconds}"),
        *(
            f"model.pool={pool}",
            f"model.file={tmp_path / 'written'}",
            f"task={TASK}",
            f"tasks.{TASK}.dataset.path={manifest}",
        ),
        *(f"runs={tmp_path}", "name=A", "statistics.resamples=100"),
    ]
    with evalkit_run(chosen, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        try:
            printed, said = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert "Run folder" in printed
    assert json.loads((tmp_path / "A" / "metrics.json").read_text())["tasks"][TASK]["metrics"]["wer"]["value"] == 0
    assert (tmp_path / "written").is_file() == (not named), "a thread that ends in time is waited for"
    assert [named in line for line in said.splitlines() if line.startswith("evalkit: threads")] == [True] * bool(named)
