"""Samples a second of two replicas on a Ray cluster of this machine against one, in real recognition.

PocketSphinx, each replica with one core and one thread, writes down the demo speech twice over: asked by one replica,
then by two, each time on a cluster of its own, in rounds one after the other, as a shared machine is not always equally
fast. Counted is from the eighth answer to the last but seven: without the start of the cluster, the loading of the
models, and the end, where the last recording keeps one replica busy. Beside it stands what the cores give without Ray:
two local runs at once, each a process of its own, against one. The figures of all runs are compared as well.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.conftest import DEMO_SPEECH, write_jsonl

TASK = "librispeech_clean"
COPIES = 1  # of every recording
ENDS = 8  # answers at either end that are not counted
ROUNDS = 2
LOCAL = ("executor=local",)


def make_manifest(folder: Path) -> Path:
    """Write a manifest of the demo speech, every recording several times."""
    samples = [
        {**row, "id": f"{row['id']}-{copy}", "audio": str(DEMO_SPEECH / row["audio"])}
        for copy in range(COPIES)
        for row in map(json.loads, (DEMO_SPEECH / "manifest.jsonl").read_text().splitlines())
    ]
    return write_jsonl(folder / "manifest.jsonl", samples)


class Run:
    """A run of evalkit at work, whose answers are counted as they are stored."""

    def __init__(self, runs: Path, manifest: Path, executor: Sequence[str]) -> None:
        data = [f"tasks.{TASK}.dataset.path={manifest}", f"++tasks.{TASK}.dataset.root={DEMO_SPEECH}"]
        settings = [*data, "model=pocketsphinx", "name=run", f"runs={runs}", "statistics.resamples=100", *executor]
        self._folder = runs / "run"
        self._times = list[float]()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "evalkit.cli", "run", f"task={TASK}", *settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def at_work(self) -> bool:
        """Note the answers that have come; return whether there will be more."""
        at_work = self._process.poll() is None
        log = self._folder / TASK / "model.jsonl"
        answers = log.read_bytes().count(b"\n") if log.is_file() else 0
        self._times += [time.perf_counter()] * (answers - len(self._times))
        return at_work

    def rate(self) -> float:
        """Return samples a second."""
        assert self._process.returncode == 0, "the run failed"
        counted = self._times[ENDS - 1 : -ENDS + 1]
        return (len(counted) - 1) / (counted[-1] - counted[0])

    def metrics(self) -> bytes:
        """Return the bytes of its ``metrics.json``."""
        return (self._folder / "metrics.json").read_bytes()


def measure(manifest: Path, executors: Sequence[Sequence[str]]) -> tuple[float, set[bytes]]:
    """Carry out runs at once; return their samples a second together, and what metrics they gave."""
    with tempfile.TemporaryDirectory() as name:
        runs = [Run(Path(name) / str(number), manifest, executor) for number, executor in enumerate(executors)]
        while sum(run.at_work() for run in runs):
            time.sleep(0.05)
        return sum(run.rate() for run in runs), {run.metrics() for run in runs}


def main() -> None:
    """Print each round and the medians of the ratios."""
    ways: dict[str, list[tuple[str, ...]]] = {
        "one replica": [("executor=ray", "executor.replicas=1")],
        "two replicas": [("executor=ray", "executor.replicas=2")],
        "one local run": [LOCAL],
        "two local runs": [LOCAL, LOCAL],
    }
    ratios, metrics = {"Ray": list[float](), "without": list[float]()}, set[bytes]()
    with tempfile.TemporaryDirectory() as name:
        manifest = make_manifest(Path(name))
        for _ in range(ROUNDS):
            rates = {}
            for way, executors in ways.items():
                rates[way], figures = measure(manifest, executors)
                metrics |= figures
            one, two, alone, together = rates.values()
            ratios["Ray"].append(two / one)
            ratios["without"].append(together / alone)
            print(", ".join(f"{way} {rate:.2f}" for way, rate in rates.items()), "samples/s", flush=True)
    print(
        f"two replicas {median(ratios['Ray']):.2f} times one; two local runs {median(ratios['without']):.2f} times one"
    )
    print(f"metrics.json of all runs: {'the same bytes' if len(metrics) == 1 else 'OTHER FIGURES'}")


if __name__ == "__main__":
    main()
