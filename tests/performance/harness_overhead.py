"""What evalkit itself costs a sample: 20,000 stored predictions, run and logged in full, and again by resuming.

Prints milliseconds a sample of the whole process (reading the data set, asking, logging each call, scoring, intervals)
and the peak memory at several sizes, so that its growth with the number of samples can be seen; other sizes may be
given, as in ``python -m tests.performance.harness_overhead 1000 1000000``. Then the same for a chain of three calls, to
a model, a transcriber and a judge of this process that answer at once, without the start-up.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.chain import Chain, Score
from evalkit.inference.ask import TaskWork, run_inference
from evalkit.inference.endpoint import ModelSpec
from evalkit.inference.local import LocalExecutor
from evalkit.metrics.mean import mean_metric
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.results.responses import ResponseStore
from evalkit.run.scoring import TaskScorer
from evalkit.task import Task
from evalkit.types import Call, Message, Request, Response, Sample

SIZES = (2_000, 20_000, 100_000)
WORDS = "he hoped there would be stew for dinner turnips and carrots and bruised potatoes and fat mutton".split()


def make_data(folder: Path, size: int) -> None:
    rng = random.Random(size)
    with (folder / "manifest.jsonl").open("w") as manifest, (folder / "answers.jsonl").open("w") as answers:
        for number in range(size):
            words = rng.choices(WORDS, k=20)
            record = {"id": f"utterance-{number:06}", "audio": f"{number}.flac", "text": " ".join(words)}
            manifest.write(json.dumps(record) + "\n")
            words[rng.randrange(20)] = "error"
            answers.write(json.dumps({"id": record["id"], "text": " ".join(words).capitalize() + "."}) + "\n")


def measure(folder: Path) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak megabytes of one run, a process of its own."""
    arguments = [
        "task=librispeech_other",
        f"tasks.librispeech_other.dataset.path={folder}/manifest.jsonl",
        "model=predictions",
        f"model.path={folder}/answers.jsonl",
        f"runs={folder}/runs",
    ]
    code = (
        "import resource, sys; from evalkit.cli.main import main; status = main(sys.argv[1:]);"
        "usage = resource.getrusage(resource.RUSAGE_SELF);"
        "print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss); sys.exit(status)"
    )
    started = time.perf_counter()
    outcome = subprocess.run(
        [sys.executable, "-c", code, "run", *arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    wall = time.perf_counter() - started
    processor, kilobytes = outcome.stdout.split()[-2:]
    return wall, float(processor), float(kilobytes) / 1024


class AtOnce(ModelAdapter):
    """Answers at once, and always the same."""

    capabilities = Capabilities(sample_rate=None, batch_size=256)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [Response("yes") for _ in requests]

    def fingerprint(self) -> Mapping[str, Any]:
        return {"adapter": "at once"}


class Judged(Task):
    """A question, what its answer sounds like, and a verdict on that."""

    name, title, expected_samples = "judged", "Judged", None
    metrics: Mapping[str, Any]
    roles = ("model", "transcriber", "judge")

    def __init__(self, size: int) -> None:
        self.metrics = {"accuracy": mean_metric("Accuracy")}
        self._size = size

    def samples(self) -> Iterator[Sample]:
        for number in range(self._size):
            yield Sample(f"question-{number:06}", references=("yes",))

    def chain(self, sample: Sample) -> Chain:
        text = sample.id
        for role in self.roles:
            answer = yield Call(role, Request((Message("user", (f"{role}: what is said of {text}?",)),)))
            text = answer.text
        return Score({"accuracy": (float(text == "yes"), 1.0)})

    def unanswered(self, sample: Sample) -> Score:
        return Score({"accuracy": (0.0, 1.0)})


def measure_judged(folder: Path, size: int) -> float:
    """Processor milliseconds a sample of asking, storing and scoring chains of three local calls."""
    task, executor = Judged(size), LocalExecutor()
    target = {"_target_": "tests.performance.harness_overhead.AtOnce"}
    endpoints = {role: executor.open(ModelSpec(role, role, target)) for role in task.roles}
    store = ResponseStore(folder / task.name)
    started = time.process_time()
    with TaskScorer(task, folder / task.name, BootstrapSettings(), models={}) as scorer:
        work = TaskWork(task, task.samples(), size, store, scorer.add, lambda: None)
        asyncio.run(run_inference([work], endpoints))
        scorer.finish()
    store.close()
    assert all(store.usage[role].answers == size for role in task.roles), "a call was not answered"
    return 1000 * (time.process_time() - started) / size


def main() -> None:
    """Measure every size, a fresh run and a resumed one; then judged chains."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="SAMPLES")
    sizes = parser.parse_args().sizes
    print("samples  run      wall s  processor s  processor ms/sample  peak MB")
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_data(folder, size)
            for run in ("fresh", "resumed"):
                wall, processor, memory = measure(folder)
                each = 1000 * processor / size
                print(f"{size:7,}  {run:7} {wall:7.2f}  {processor:11.2f}  {each:19.3f}  {memory:7.0f}")
    with tempfile.TemporaryDirectory() as name:
        print(f"a judged chain of three local calls: {measure_judged(Path(name), SIZES[1]):.3f} ms a sample")
    print("peers, for their loop alone over 2,000 samples: 1.3 to 19 ms a sample")


if __name__ == "__main__":
    main()
