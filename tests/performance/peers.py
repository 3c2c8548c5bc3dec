"""What evalkit and other harnesses cost beside the model: the same recordings, the same model, the same machine.

Run with ``python -m tests.performance.peers --inspect PYTHON --asrbench PYTHON``, where each PYTHON is the interpreter
of an environment into which that peer was installed by hand: ``inspect_ai openai``, and, under Python 3.12, ``asrbench
faster-whisper av==18.1.0``. Peers are no part of evalkit. Each harness is a process of its own with its start-up, of
which wall and processor seconds and peak memory are printed.

Beside inspect_ai: a server in another process answers at once; every recording (0.1 s, so that reading it counts for
little) is put to it, 32 at once, the answers are scored and logged. Beside asrbench: Whisper tiny.en, the same weights
and settings, recognises speech on two threads, real where there is some beside the checkout. Its own figure is a mean
over recordings of its own normalisation; so that the answers can be told apart from the way they are counted, the error
rate of its texts as evalkit counts it stands beside.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

import evalkit
from model_adapters.whisper.packaged_weights import packaged_folder
from tests.conftest import write_jsonl
from tests.performance.plain_loop import TASK, THREADS, error_rate, speech
from tests.performance.processes import Took, compile_checkout, measured

REQUESTS = 1_000
AT_ONCE = 32
TEXT = "canned words"
HEADING = f"{'':12} wall s  processor s  peak MB"

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

ASRBENCH = """
import json, sys
from pathlib import Path
from asrbench.benchmark import DefaultBenchmark
from asrbench.dataset import Dataset
from asrbench.jiwer_ import JiwerManager
from asrbench.observer import ConsoleObserver
from asrbench.output_ctx import CsvOutputContext
from asrbench.transcribers.abc_transcriber import Transcriber
from faster_whisper import WhisperModel

folder, weights, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])

texts = {}

class Whisper(Transcriber):
    name, params = "whisper", {}
    from_config = None
    def load(self):
        self.model = WhisperModel(
            weights, device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True)
    def unload(self):
        del self.model
    def transcribe(self, audio_path):
        segments, _ = self.model.transcribe(
            audio_path, beam_size=5, temperature=0.0, condition_on_previous_text=False, without_timestamps=True)
        texts[Path(audio_path).stem] = "".join(segment.text for segment in segments).strip()
        return texts[Path(audio_path).stem]

data = Dataset("speech", folder + "/audio", folder + "/text")
out = CsvOutputContext(Path(folder, "asrbench"))
DefaultBenchmark([data], {"whisper": Whisper()}, out, ConsoleObserver(), JiwerManager("en")).run()
Path(folder, "texts.json").write_text(json.dumps(texts), encoding="utf-8")
"""


def main() -> None:
    """Measure evalkit beside each peer whose interpreter is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inspect", metavar="PYTHON", help="an interpreter that has inspect_ai and openai")
    parser.add_argument("--asrbench", metavar="PYTHON", help="an interpreter that has asrbench and faster-whisper")
    peers = parser.parse_args()
    if peers.inspect is None and peers.asrbench is None:
        print("no peer was named; see --help")
        return
    compile_checkout()
    with tempfile.TemporaryDirectory() as name:
        if peers.inspect is not None:
            served(Path(name), peers.inspect)
        if peers.asrbench is not None:
            recognised(Path(name), peers.asrbench)


def served(folder: Path, peer: str) -> None:
    """Put short recordings to a server, by evalkit and by inspect_ai."""
    folder = folder / "served"
    short_recordings(folder)
    serve = [sys.executable, "-m", "tests.servers.openai_server", "--fast", "--latency", "0"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        model = ["model=openai_chat", "model.model=local-model", f"model.base_url={url}"]
        limits = [f"model.limits.concurrency={AT_ONCE}", "cache.folder=null"]
        program = folder / "inspect_program.py"
        program.write_text(INSPECT)
        print(f"{REQUESTS} requests, {AT_ONCE} at once\n{HEADING}")
        try:
            show("evalkit", measured(evalkit_run(folder, *model, *limits)))
            words = [peer, str(program), url, str(folder), str(AT_ONCE)]
            show("inspect_ai", measured(words, {"LOCAL_API_KEY": "none"}))
        finally:
            server.terminate()


def recognised(folder: Path, peer: str) -> None:
    """Recognise speech with Whisper, by evalkit and by asrbench."""
    folder = folder / "recognised"
    count = wave_files(speech(), folder)
    program = folder / "asrbench_program.py"
    program.write_text(ASRBENCH)
    weights = str(packaged_folder("whisper-tiny.en"))
    print(f"{count} recordings, {THREADS} threads\n{HEADING}")
    show("evalkit", measured(evalkit_run(folder, "model=whisper_tiny_en", f"+model.cpu_threads={THREADS}")))
    show("asrbench", measured([peer, str(program), str(folder), weights, str(THREADS)]))
    with (folder / "asrbench.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    theirs = json.loads((folder / "texts.json").read_text(encoding="utf-8"))  # as they were before it normalised them
    of_itself = 100 * sum(float(row["wer"]) for row in rows) / len(rows)
    own = evalkit.read_run(folder / "runs" / "run").tasks[TASK].metrics["wer"].value
    print(
        f"WER: evalkit {own:.2f} %, asrbench {of_itself:.2f} %, its texts by evalkit {error_rate(folder, theirs):.2f} %"
    )


def short_recordings(folder: Path) -> None:
    """Write a manifest of short recordings."""
    folder.mkdir()
    noise, rows = np.random.default_rng(0), []
    for number in range(REQUESTS):
        path = folder / f"{number:05}.wav"
        soundfile.write(path, noise.uniform(-0.5, 0.5, 1_600), 16_000, subtype="PCM_16")
        rows.append({"id": path.stem, "audio": path.name, "text": TEXT})
    write_jsonl(folder / "manifest.jsonl", rows)


def wave_files(data: Path, folder: Path) -> int:
    """Write the recordings of a manifest as WAV files, in the layouts of both harnesses; return how many."""
    for name in ("audio", "text"):
        (folder / name).mkdir(parents=True)
    rows = [json.loads(line) for line in (data / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in rows:
        values, rate = soundfile.read(data / row["audio"], dtype="int16")
        row["audio"] = f"audio/{row['id']}.wav"
        soundfile.write(folder / row["audio"], values, rate, subtype="PCM_16")
        (folder / "text" / f"{row['id']}.txt").write_text(row["text"], encoding="utf-8")
    write_jsonl(folder / "manifest.jsonl", rows)
    return len(rows)


def evalkit_run(folder: Path, *words: str) -> list[str]:
    """Return the command that evaluates on the manifest of a folder."""
    of_task = [f"task={TASK}", f"tasks.{TASK}.dataset.path={folder}"]
    this = [sys.executable, "-m", "tests.performance.plain_loop", "run"]  # which keeps pandas away
    return [*this, *of_task, *words, f"runs={folder}/runs", "name=run"]


def show(name: str, took: Took) -> None:
    """Print what a harness took."""
    print(f"{name:12}{took.wall:7.1f}  {took.processor:11.1f}  {took.megabytes:7.0f}", flush=True)


if __name__ == "__main__":
    main()
