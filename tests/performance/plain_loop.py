"""A whole recognition run against a plain loop over the same model: time, memory and figures.

Run with ``python -m tests.performance.plain_loop``. Whisper tiny.en on two threads of the processor. The loop gives
faster-whisper one file after the other, with the settings that make it fastest at equal answers, and writes the texts
down; evalkit reads the data set, asks, keeps every answer, scores, and makes intervals. Each is a process of its own
with its start-up, twice, in turn. The speech is real where there is some beside the checkout (75 utterances of
LibriSpeech, 0.2 hours), else the demo's.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from importlib.abc import MetaPathFinder
from pathlib import Path

TASK = "librispeech_other"
THREADS = 2
ROUNDS = 2


class WithoutPandas(MetaPathFinder):
    """Keeps pandas away, which is no dependency of evalkit, and which pyarrow loads wherever it finds it."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(name=fullname)


def speech() -> Path:
    """The folder of a manifest."""
    from tests.conftest import DEMO_SPEECH, SHARED_DATA

    real = SHARED_DATA / "librispeech_test_other"
    return real if real.is_dir() else DEMO_SPEECH


def loop(weights: str, folder: str, out: str) -> int:
    """Transcribe file after file, as one would without a harness; loads nothing of evalkit."""
    from faster_whisper import WhisperModel

    whisper = WhisperModel(weights, device="cpu", compute_type="int8", cpu_threads=THREADS, local_files_only=True)
    texts = {}
    for line in Path(folder, "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        segments, _ = whisper.transcribe(
            str(Path(folder, row["audio"])),
            beam_size=5,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        texts[row["id"]] = "".join(segment.text for segment in segments).strip()
    Path(out).write_text(json.dumps(texts), encoding="utf-8")
    return 0


def run(*words: str) -> int:
    """Carry out a run of evalkit."""
    sys.meta_path.insert(0, WithoutPandas())
    from evalkit.cli.main import main as evalkit_main

    return evalkit_main(["run", *words])


def error_rate(data: Path, texts: Mapping[str, str]) -> float:
    """The word error rate of the loop's texts, in percent."""
    import evalkit

    rows = [json.loads(line) for line in (data / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    heard = [texts[row["id"]] for row in rows]
    return 100 * evalkit.error_rate([row["text"] for row in rows], heard, "en", "whisper").value


def main() -> None:
    """Measure both and print what each took, and the ratios."""
    import evalkit
    from model_adapters.whisper.packaged_weights import packaged_folder
    from tests.performance.processes import compile_checkout, least, measured

    data, weights = speech(), str(packaged_folder("whisper-tiny.en"))
    words = [f"task={TASK}", f"tasks.{TASK}.dataset.path={data}", f"+model.cpu_threads={THREADS}", "name=run"]
    loops, runs = [], []
    this = [sys.executable, "-m", "tests.performance.plain_loop"]
    compile_checkout()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(ROUNDS):
            loops.append(measured([*this, "loop", weights, str(data), str(folder / "texts.json")]))
            runs.append(measured([*this, "run", "model=whisper_tiny_en", *words, f"runs={folder}", "fresh=true"]))
        texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
        own_rate = evalkit.read_run(folder / "run").tasks[TASK].metrics["wer"].value
    plain, own = least(loops), least(runs)
    print(f"{len(texts)} recordings, {THREADS} threads\n{'':12}wall s  processor s  peak MB  WER %")
    for way, took, rate in (("plain loop", plain, error_rate(data, texts)), ("evalkit", own, own_rate)):
        print(f"{way:12}{took.wall:6.1f}  {took.processor:11.1f}  {took.megabytes:7.0f}  {rate:5.2f}")
    slower, more = own.wall / plain.wall - 1, own.processor / plain.processor - 1
    print(f"evalkit: {slower:+.1%} by the clock, {more:+.1%} of processor, {own.megabytes - plain.megabytes:+.0f} MB")


if __name__ == "__main__":
    if not sys.argv[1:]:
        main()
    else:
        sys.exit((loop if sys.argv[1] == "loop" else run)(*sys.argv[2:]))
