"""What tests of served models share: many short recordings, a server that is model and judge at once, whole runs."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tests.conftest import write_jsonl
from tests.servers.backends import Answer, ServedRequest, digest_backend

KEY = "sk-test-5up3r-53cr3t-k3y"
TASK = "big_bench_audio"


def recordings(folder: Path, count: int) -> Path:
    """A manifest of so many questions, each with a recording of a tenth of a second like no other."""
    (folder / "audio").mkdir(parents=True)
    noise = np.random.default_rng(0)
    rows = []
    for number in range(count):
        name = f"audio/{number:05}.wav"
        soundfile.write(folder / name, noise.uniform(-0.5, 0.5, 1_600), 16_000, subtype="PCM_16")
        rows.append({"id": f"q{number:05}", "file_name": name, "official_answer": str(number), "category": "navigate"})
    return write_jsonl(folder / "metadata.jsonl", rows)


def model_and_judge(request: ServedRequest) -> Answer:
    """As the model, an answer like no other; as the judge, a verdict that is a function of the question."""
    if request.fields["model"] == "judge":
        digest = hashlib.sha256("".join(request.texts).encode()).digest()
        return Answer(("CORRECT" if digest[0] % 3 else "INCORRECT",))
    return digest_backend(request)


def words(manifest: Path, base_url: str, runs: Path, name: str, *overrides: str) -> list[str]:
    """What follows ``evalkit run`` for a judged task whose model and judge are behind one server."""
    chosen = [f"task={TASK}", f"tasks.{TASK}.dataset.path={manifest}", f"runs={runs}", f"name={name}"]
    for role, group in (("model", "model"), ("judge", "model@judge")):
        chosen += [
            f"{group}=openai_chat",
            f"{role}.model={'judge' if role == 'judge' else 'speaker'}",
            f"{role}.base_url={base_url}",
            f"{role}.api_key_variable=SERVER_KEY",
        ]
    return [*chosen, f"cache.folder={runs / 'cache'}", "statistics.resamples=100", *overrides]


def evalkit_run(arguments: list[str], **options: Any) -> "subprocess.Popen[str]":
    """``evalkit run`` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "evalkit.cli", "run", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def metrics_of(run: Path) -> str:
    """Its ``metrics.json`` but for the name of the run."""
    return (run / "metrics.json").read_text().replace(f'"name": "{run.name}"', '"name": "…"')
