"""Samples a second of two replicas on a Ray cluster of this machine against one, in real recognition.

PocketSphinx, each replica with one core and one thread, writes down the demo speech twice over: asked by one replica,
then by two, each time on a cluster of its own. Counted is from the eighth answer to the last, which leaves out that the
cluster starts and that the models are loaded. The figures of the two runs are compared as well.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import DEMO_SPEECH, write_jsonl

TASK = "librispeech_clean"
COPIES = 2  # of every recording
WARM_UP = 8  # answers


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        rate: samples a second.
        metrics: the bytes of its ``metrics.json``.
    """

    rate: float
    metrics: bytes


def make_manifest(folder: Path) -> Path:
    rows = [json.loads(line) for line in (DEMO_SPEECH / "manifest.jsonl").read_text().splitlines()]
    samples = [
        {**row, "id": f"{row['id']}-{copy}", "audio": str(DEMO_SPEECH / row["audio"])}
        for copy in range(COPIES)
        for row in rows
    ]
    return write_jsonl(folder / "manifest.jsonl", samples)


def measure(folder: Path, manifest: Path, replicas: int) -> Measured:
    runs = folder / str(replicas)
    data = [f"tasks.{TASK}.dataset.path={manifest}", f"++tasks.{TASK}.dataset.root={DEMO_SPEECH}"]
    settings = [*data, "model=pocketsphinx", "name=run", f"runs={runs}"]
    ray = ["executor=ray", f"executor.replicas={replicas}", "statistics.resamples=100"]
    process = subprocess.Popen(
        [sys.executable, "-m", "evalkit.cli", "run", f"task={TASK}", *settings, *ray],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    log, times = runs / "run" / TASK / "model.jsonl", list[float]()
    while process.poll() is None:
        answers = log.read_bytes().count(b"\n") if log.is_file() else 0
        times += [time.perf_counter()] * (answers - len(times))
        time.sleep(0.01)
    assert process.returncode == 0, "the run failed"
    rate = (len(times) - WARM_UP) / (times[-1] - times[WARM_UP - 1])
    return Measured(rate, (runs / "run" / "metrics.json").read_bytes())


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = make_manifest(folder)
        one, two = (measure(folder, manifest, replicas) for replicas in (1, 2))
    alike = "the same bytes" if one.metrics == two.metrics else "OTHER FIGURES"
    print(f"one replica {one.rate:.2f} samples/s, two {two.rate:.2f}: {two.rate / one.rate:.2f} times as many")
    print(f"metrics.json of the two runs: {alike}")


if __name__ == "__main__":
    main()
