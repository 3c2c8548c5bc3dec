"""``evalkit compare`` of two runs of 100,000 samples in 2,000 clusters, with 10,000 resamples: seconds and memory.

Run with ``python -m tests.performance.compare_large [SAMPLES [CLUSTERS]]``. The runs are written first; what is
measured is the command itself, in a process of its own: clustered, with another test beside ours, and with samples
drawn singly.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evalkit.audio import Audio
from evalkit.chain import Exchange, Outcome, Score
from evalkit.metrics.error_rate import error_rate_metric
from evalkit.place import TablePlace
from evalkit.results.folder import RunFolder
from evalkit.results.metrics_file import RunResult
from evalkit.results.publication import publish
from evalkit.results.scores import ScoreWriter
from evalkit.results.task_result import GroupResult, MetricResult, SampleCounts, TaskResult
from evalkit.text import get_scheme
from evalkit.types import Call, Message, Request, Response, Sample

WORDS = 12
TASK = "large"


def outcomes(samples: int, clusters: int, rate: float, seed: int) -> Iterator[Outcome]:
    """Utterances of speakers who differ, with a word in some ten heard wrongly."""
    generator = np.random.default_rng(seed)
    speakers = np.random.default_rng(0).gamma(4, 0.25, clusters)
    request = Request((Message("user", ("What is said?",)),))
    for number in range(samples):
        words = [f"word{(number * 7 + place) % 5_000}" for place in range(WORDS)]
        wrong = generator.random(WORDS) < rate * speakers[number % clusters]
        heard = ["wrong" if miss else word for word, miss in zip(words, wrong, strict=True)]
        reference, answer = " ".join(words), " ".join(heard)
        sample = Sample(
            f"utterance-{number:06}",
            (Audio(f"{number}.wav", duration=2 + number % 17),),
            (reference,),
            groups={"accent": "abcdefgh"[number % 8], "noise": ("quiet", "street")[number % 2]},
            clusters={"speaker": f"speaker-{number % clusters}"},
        )
        yield Outcome(
            sample,
            "scored",
            (Exchange(Call("model", request), Response(answer)),),
            Score(
                {"wer": (int(wrong.sum()), 0, 0, WORDS)},
                {"reference_normalised": reference, "hypothesis_normalised": answer},
            ),
        )


def write_run(folder: Path, samples: int, clusters: int, rate: float, seed: int) -> None:
    """Write a run of one task, as far as comparisons read it."""
    metric = error_rate_metric(get_scheme("en"))
    with ScoreWriter(folder / TASK, {"wer": metric}, ("reference_normalised", "hypothesis_normalised")) as writer:
        for outcome in outcomes(samples, clusters, rate, seed):
            writer.add(outcome)
        digest = writer.finish()
    result = MetricResult(
        metric.name, 100 * rate, None, 0.95, None, "%", 100, 2, False, metric.function,
        dict.fromkeys(metric.statistics, 0.0), metric.full_recipe,
    )  # fmt: skip
    groups = {"accent": "abcdefgh", "noise": ("quiet", "street")}
    part = GroupResult(samples, {"wer": result})
    task = TaskResult(
        TASK, "Large", TablePlace(), SampleCounts(samples, samples, samples, 0, 0, 0), False, None, "wer", ("wer",),
        {"wer": result}, {name: dict.fromkeys(labels, part) for name, labels in groups.items()}, {}, (), digest,
        resampled="speaker", clusters=clusters,
    )  # fmt: skip
    run = RunResult(folder.name, "model", folder.name, "0", {TASK: task})
    opened = RunFolder(folder)
    try:
        publish(opened, run, [TASK])
    finally:
        opened.close()


def measure(*arguments: str) -> None:
    """Run the command and print what it took; processor time does not depend on what else the machine does."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "evalkit.cli", "compare", *arguments], stdout=subprocess.DEVNULL, check=False)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    what = " ".join(arguments[2:]) or "clustered"
    print(f"{what:24} {seconds:5.1f} s, processor {processor:5.1f} s, {after.ru_maxrss / 2**20:.2f} GiB at most so far")


def main(samples: int = 100_000, clusters: int = 2_000) -> None:
    """Write two runs and compare them."""
    print(f"{samples:,} samples in {clusters:,} clusters, 10,000 resamples")
    with tempfile.TemporaryDirectory() as name:
        runs = [Path(name) / each for each in ("base", "new")]
        for seed, (folder, rate) in enumerate(zip(runs, (0.1, 0.102), strict=True), start=1):
            write_run(folder, samples, clusters, rate, seed)
        paths = [str(run) for run in runs]
        measure(*paths)
        measure(*paths, "--test", "mapsswe")
        measure(*paths, "--cluster", "none")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
