"""How busy two served models are kept by a suite of many small tasks, from the first call of the run to the last.

A server in a process of its own answers every request after 200 ms. Each sample of each task is a question to the model
and one to the judge about its answer. Printed is the time that the requests of both took, as a share of the time that
so many at once could have taken between the first and the last; a loop for each task would run dry at every one.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from evalkit.chain import Chain, Score
from evalkit.inference.ask import TaskWork, run_inference
from evalkit.inference.served.budget import Budget, BudgetCaps
from evalkit.inference.served.endpoint import ServedEndpoint
from evalkit.results.responses import ResponseStore
from evalkit.task import Task
from evalkit.types import Call, Message, Request, Sample
from model_adapters.openai.models import ChatModel

LATENCY = 0.2
TASKS = 67
SAMPLES = 50
CONCURRENCY = 16


class Judged(Task):
    """A question for the model, and one about its answer for the judge."""

    title, metrics, expected_samples = "Judged", {}, None
    roles = ("model", "judge")

    def __init__(self, name: str) -> None:
        self.name = name

    def samples(self) -> Iterator[Sample]:
        for number in range(SAMPLES):
            yield Sample(f"{number}")

    def chain(self, sample: Sample) -> Chain:
        answer = yield Call("model", Request((Message("user", (f"{self.name} {sample.id}",)),)))
        yield Call("judge", Request((Message("user", (f"Is this right: {answer.text}?",)),)))
        return Score({})

    def unanswered(self, sample: Sample) -> Score:
        return Score({})


async def measure(folder: Path, base_url: str) -> float:
    """The share of the time that both models were busy."""
    endpoints = {
        role: ServedEndpoint(role, ChatModel(role, base_url, limits={"concurrency": CONCURRENCY}), Budget(BudgetCaps()))
        for role in ("model", "judge")
    }
    tasks = [Judged(f"task-{number}") for number in range(TASKS)]
    stores = [ResponseStore(folder / task.name) for task in tasks]
    works = [
        TaskWork(task, task.samples(), SAMPLES, store, lambda outcome: None, lambda: None)
        for task, store in zip(tasks, stores, strict=True)
    ]
    started = time.perf_counter()
    await run_inference(works, endpoints)
    seconds = time.perf_counter() - started
    answers = sum(usage.answers for store in stores for usage in store.usage.values())
    assert answers == 2 * TASKS * SAMPLES, "a request was not answered"
    for store in stores:
        store.close()
    return answers * LATENCY / (2 * CONCURRENCY * seconds)


def main() -> None:
    """Measure once."""
    command = [sys.executable, "-m", "tests.servers.openai_server", "--fast", "--latency", str(LATENCY)]
    with tempfile.TemporaryDirectory() as name, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        base_url = server.stdout.readline().split()[-1]
        busy = asyncio.run(measure(Path(name), base_url))
        print(f"{TASKS} tasks of {SAMPLES} samples, two models at {CONCURRENCY} requests at once: {busy:.1%} busy")
        server.terminate()


if __name__ == "__main__":
    main()
