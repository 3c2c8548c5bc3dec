"""What a request costs evalkit and another harness: the same recordings, the same server, the same machine.

Run with ``python -m tests.performance.peers --inspect PYTHON``, where PYTHON is the interpreter of an environment into
which ``inspect_ai`` and ``openai`` were installed by hand; peers are no part of evalkit. A server in another process
answers at once. Each harness is a process of its own with its start-up, puts every recording (0.1 s, so that reading it
counts for little) to the server, 32 at once, scores the answers and keeps a log. Printed are wall and processor seconds
and peak memory of that process.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile

from tests.conftest import write_jsonl

REQUESTS = 1_000
AT_ONCE = 32
TEXT = "canned words"

INSPECT = """
import json, sys
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser, ContentAudio, ContentText
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

url, folder, at_once = sys.argv[1], sys.argv[2], int(sys.argv[3])
samples = []
for line in open(folder + "/manifest.jsonl"):
    row = json.loads(line)
    audio = ContentAudio(audio=folder + "/" + row["audio"], format="wav")
    question = ChatMessageUser(content=[audio, ContentText(text="Transcribe the recording.")])
    samples.append(Sample(id=row["id"], input=[question], target=row["text"]))
task = Task(dataset=MemoryDataset(samples), solver=generate(), scorer=includes())
[log] = eval(
    task, model="openai-api/local/local-model", model_base_url=url, max_connections=at_once, max_samples=at_once,
    log_dir=folder + "/logs", display="none",
)
assert log.status == "success" and log.results.completed_samples == len(samples), log.status
"""


def recordings(folder: Path) -> None:
    """A manifest of short recordings."""
    noise, rows = np.random.default_rng(0), []
    for number in range(REQUESTS):
        path = folder / f"{number:05}.wav"
        soundfile.write(path, noise.uniform(-0.5, 0.5, 1_600), 16_000, subtype="PCM_16")
        rows.append({"id": path.stem, "audio": path.name, "text": TEXT})
    write_jsonl(folder / "manifest.jsonl", rows)


def measure(name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Print what a process took."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{name} ended with status {process.returncode}"
    processor = usage.ru_utime + usage.ru_stime
    print(
        f"{name:12}{wall:7.1f}  {processor:11.1f}  {1000 * processor / REQUESTS:18.2f}  {usage.ru_maxrss / 1024:7.0f}",
        flush=True,
    )


def main() -> None:
    """Measure evalkit and the peers whose interpreters are given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inspect", metavar="PYTHON", help="an interpreter that has inspect_ai and openai")
    peer = parser.parse_args().inspect
    serve = [sys.executable, "-m", "tests.servers.openai_server", "--fast", "--latency", "0"]
    with tempfile.TemporaryDirectory() as name, subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        folder = Path(name)
        recordings(folder)
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        task = ["task=librispeech_clean", f"tasks.librispeech_clean.dataset.path={folder}"]
        model = ["model=openai_chat", "model.model=local-model", f"model.base_url={url}"]
        limits = [f"model.limits.concurrency={AT_ONCE}", "cache.folder=null", f"runs={folder}/runs", "name=run"]
        print(f"{REQUESTS} requests, {AT_ONCE} at once\n{'':12} wall s  processor s  processor ms each  peak MB")
        try:
            measure("evalkit", [sys.executable, "-m", "evalkit.cli", "run", *task, *model, *limits], {})
            if peer is not None:
                program = folder / "inspect_program.py"
                program.write_text(INSPECT)
                measure("inspect_ai", [peer, str(program), url, str(folder), str(AT_ONCE)], {"LOCAL_API_KEY": "none"})
            else:
                print("no peer was named; see --help")
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
