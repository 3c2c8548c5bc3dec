"""How near a served model's throughput comes to what the server's latency allows, and what a request costs the client.

A server in a process of its own answers every request after 200 ms. Each request carries 10 s of audio (16 kHz, 16 bit:
427 kB of base64), is followed through the whole engine and stored. Printed are requests a second from the first request
to the last stored answer, their share of concurrency / latency, and the processor time of the client's one process.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from evalkit.audio import Audio
from evalkit.chain import Chain, Score
from evalkit.inference.ask import TaskWork, run_inference
from evalkit.inference.served.budget import Budget, BudgetCaps
from evalkit.inference.served.endpoint import ServedEndpoint
from evalkit.results.responses import ResponseStore
from evalkit.task import Task
from evalkit.types import Call, Message, Request, Sample
from model_adapters.openai.models import ChatModel

LATENCY = 0.2
SECONDS = 10
ROUNDS = 200
RECORDINGS = 32


class Transcribe(Task):
    """One question about each recording."""

    name, title, metrics, expected_samples = "throughput", "Throughput", {}, None

    def __init__(self, folder: Path, count: int) -> None:
        names = [f"{number}.wav" for number in range(RECORDINGS)]
        self._recordings = [(Audio(name, str(folder / name)),) for name in names]
        self._count = count

    def samples(self) -> Iterator[Sample]:
        for number in range(self._count):
            yield Sample(str(number), audio=self._recordings[number % RECORDINGS])

    def chain(self, sample: Sample) -> Chain:
        yield Call("model", Request((Message("user", (*sample.audio, "Transcribe.")),)))
        return Score({})

    def unanswered(self, sample: Sample) -> Score:
        return Score({})


async def measure(folder: Path, base_url: str, concurrency: int) -> tuple[float, float]:
    """Requests a second, and processor milliseconds of this process for each."""
    count = int(ROUNDS * concurrency)
    model = ChatModel("model", base_url, limits={"concurrency": concurrency})
    endpoint = ServedEndpoint("model", model, Budget(BudgetCaps()))
    task = Transcribe(folder, count)
    with ResponseStore(folder / f"store-{concurrency}") as store:
        work = TaskWork(task, task.samples(), count, store, add=lambda _: None, finish=lambda: None)
        wall, processor = time.perf_counter(), time.process_time()
        await run_inference([work], {"model": endpoint})
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        assert store.usage["model"].answers == count, "a request was not answered"
    return count / wall, 1000 * processor / count


def main() -> None:
    """Measure at 32 and at 64 requests at once."""
    command = [sys.executable, "-m", "tests.servers.openai_server", "--fast", "--latency", str(LATENCY)]
    with tempfile.TemporaryDirectory() as name, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        folder = Path(name)
        noise = np.random.default_rng(0)
        for number in range(RECORDINGS):
            samples = noise.uniform(-0.5, 0.5, SECONDS * 16_000)
            soundfile.write(folder / f"{number}.wav", samples, 16_000, subtype="PCM_16")
        assert server.stdout is not None
        base_url = server.stdout.readline().split()[-1]
        print("at once  requests/s  latency allows  share  client's processor ms/request")
        for concurrency in (32, 64):
            rate, processor = asyncio.run(measure(folder, base_url, concurrency))
            bound = concurrency / LATENCY
            print(f"{concurrency:7}  {rate:10.1f}  {bound:14.0f}  {rate / bound:5.1%}  {processor:29.2f}")
        print("peers at 32, without audio: 12 to 141 requests/s")
        server.terminate()


if __name__ == "__main__":
    main()
