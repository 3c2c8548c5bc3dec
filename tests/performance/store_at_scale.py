"""What a run folder of a million responses costs: to write, open again, score, print tables of, audit, and compare.

One task of recognition, 20 words and 5 % errors an utterance, whose answers are made up here. Each step is a process
of its own with its own peak of memory, that of processes which it starts to score left aside; the times are those of
the whole, by the clock and of the processor.

Run it as ``python -m tests.performance.store_at_scale``, which takes a quarter of an hour, or with ``--samples``.
"""

import argparse
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from evalkit.audio import Audio
from evalkit.cli.main import main as evalkit
from evalkit.inference.replay import begin, outcome_of
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.results.folder import RunFolder
from evalkit.results.metrics_file import RunResult
from evalkit.results.publication import publish
from evalkit.results.responses import ResponseStore
from evalkit.run.scoring import score_task
from evalkit.run.stored import stored_tasks
from evalkit.task import Task
from evalkit.types import Response, Sample
from evalkit.version import __version__

SAMPLES = 1_000_000
WORDS = "he hoped there would be stew for dinner turnips and carrots and bruised potatoes and fat mutton".split()
PROMPT = "{audio}Please write down what is said."
TASK = "recognition"
STATISTICS = BootstrapSettings(level=0.95, resamples=1_000, seed=0)
CONFIG = {
    "name": "run",
    "statistics": {"level": STATISTICS.level, "resamples": STATISTICS.resamples, "seed": STATISTICS.seed},
    "tasks": {
        TASK: {
            "_target_": "tasks.asr.Transcription",
            "title": "Recognition",
            "language": "en",
            "place": {"table": "asr", "group": "English", "benchmark": "Recognition"},
            "dataset": {},
        }
    },
    "model": {
        "_target_": "mine.Model",
        "title": "Model",
        "prompts": {"asr": {"user": "{audio}Please write down what is said."}},
    },
}
_AT_A_TIME = 1_000


def main() -> None:
    """Print a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        STEPS[options.step](options.folder, options.samples)
        return
    print(f"{options.samples:,} samples")
    with tempfile.TemporaryDirectory() as folder:
        for step in STEPS:
            measure(step, Path(folder) / "run", options.samples)


def measure(step: str, folder: Path, samples: int) -> None:
    """Carry out one step in a process of its own, and print what it took."""
    command = [sys.executable, "-m", "tests.performance.store_at_scale", f"--step={step}"]
    command += [f"--folder={folder}", f"--samples={samples}"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    said = done.stderr.decode().strip().splitlines()[-1:]
    print(f"{step:8} {took:7.1f} s, {cpu:7.1f} s of processor time; {' '.join(said)}", flush=True)


def append(folder: Path, samples: int) -> None:
    """Record the responses."""
    task, seconds = _task(), 0.0
    with ResponseStore(folder / TASK) as store:
        made = ((sample, begin(task, sample).call, _answer(sample)) for sample in _samples(samples))
        while calls := list(itertools.islice(made, _AT_A_TIME)):
            began = time.process_time()
            for sample, call, response in calls:
                assert call is not None
                store.append(sample.id, 0, call, response)
            seconds += time.process_time() - began
        began = time.process_time()  # of closing, which writes the index
    seconds += time.process_time() - began
    _say(f"{samples / seconds:,.0f} responses a second, {_megabytes(folder):,.0f} MB on disk")


def resume(folder: Path, samples: int) -> None:
    """Open the store as a restarted run does, and find every response again."""
    began = time.perf_counter()
    with ResponseStore(folder / TASK) as store:
        opened = time.perf_counter() - began
        task = _task()
        for sample in _samples(samples):
            outcome_of(task, store, sample)
        assert store.usage["model"].answers == samples
    _say(f"opened in {opened:.2f} s, every response found again in {time.perf_counter() - began - opened:.1f} s")


def first(folder: Path, samples: int) -> None:
    """Score a run that was just carried out."""
    task = _task()
    with ResponseStore(folder / TASK, writable=False) as store:
        outcomes = (outcome_of(task, store, sample) for sample in _samples(samples))
        result = score_task(task, outcomes, folder / TASK, STATISTICS)
    run = RunResult("run", "model", "Model", __version__, {TASK: result}, folder=folder)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    provenance = {"models": {"model": {}}, "data": {TASK: {"samples": samples}}}
    (folder / "provenance.json").write_text(json.dumps(provenance), encoding="utf-8")
    publish(RunFolder(folder), run, run.tasks)
    _say()


def _command(*words: str, runs: int = 1) -> Callable[[Path, int], None]:
    def carry_out(folder: Path, _: int) -> None:
        if code := evalkit([*words[:1], *[str(folder)] * runs, *words[1:]]):
            sys.exit(code)
        _say()

    return carry_out


def alone(folder: Path, samples: int) -> None:
    """Score in one process, whatever cores there are."""
    os.environ["LOKY_MAX_CPU_COUNT"] = "1"
    _command("score")(folder, samples)


STEPS = {
    "append": append,
    "resume": resume,
    "first": first,
    "score": _command("score"),
    "alone": alone,
    "tables": _command("report", "--terminal"),
    "audit": _command("audit"),
    "compare": _command("compare", "--resamples=1000", runs=2),
    "diff": _command("diff", runs=2),
}


def _say(what: str = "") -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak of {peak:,.0f} MB{'; ' if what else ''}{what}", file=sys.stderr)


def _task() -> Task:
    (task,) = stored_tasks(CONFIG, [TASK])
    return task


def _samples(count: int) -> Iterator[Sample]:
    chosen = random.Random(0)
    for number in range(count):
        audio = Audio(f"{number // 1000:03}/{number:07}.flac", duration=12.5, digest=f"{number:032x}")
        text = " ".join(chosen.choices(WORDS, k=20))
        yield Sample(f"utterance-{number:07}", (audio,), (text,), "en", {"subset": "ab"[number % 2]})


def _answer(sample: Sample) -> Response:
    words = sample.references[0].split()
    words[hash(sample.references[0]) % 20] = "error"
    return Response(" ".join(words).capitalize() + ".", seconds=0.0125)


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
