"""Step-Audio 2 for tests of whole runs: some samples of test sets of every family, and settings that keep it short."""

import shutil
from pathlib import Path

from tests.conftest import DEMO_SPEECH, write_jsonl
from tests.end_to_end.task_runs import TEXTS, clip
from tests.end_to_end.test_every_task import cvss
from tests.end_to_end.test_paralinguistic import QUESTIONS, questions
from tests.end_to_end.test_uro_bench import subset_of_clips
from tests.evalkit.datasets.test_covost_cvss import tree
from tests.tasks.test_mmau import ITEMS, replica
from tests.tasks.toolcall.replica import write_replica

_KINDS = ("asr", "mmau", "translation", "spoken_translation", "spoken_question", "paralinguistic", "toolcall")
# Random answers end when they happen to; no table needs them long.
SHORT = [f"model.prompts.{kind}.generation.max_new_tokens=30" for kind in (*_KINDS, "conversation")]
SMOKE = [
    "suite=smoke", "statistics.resamples=100", "name=run", "cache.folder=null", *SHORT,
    # PocketSphinx takes English only.
    "tasks.paralinguistic.language=en", "tasks.paralinguistic.dataset.language=en",
]  # fmt: skip
"""What follows ``evalkit run`` for the smoke suite, but for models and data."""


def write_data(folder: Path) -> Path:
    """Write a few samples of some test sets, as these are unpacked, into a folder; return the root of the data."""
    names = list(TEXTS)[:4]
    root = folder / "data"
    chapter = root / "librispeech" / "test-clean" / "1" / "2"
    chapter.mkdir(parents=True)
    for number, name in enumerate(names):
        shutil.copy(clip(name), chapter / f"1-2-{number:04}.flac")
        with (chapter / "1-2.trans.txt").open("a") as transcript:
            transcript.write(f"1-2-{number:04} {TEXTS[name].upper()}\n")
    (root / "mmau" / "test-mini-audios").mkdir(parents=True)
    replica(root / "mmau")
    for number in range(len(ITEMS)):
        shutil.copy(clip(names[number % 4]), root / "mmau" / "test-mini-audios" / f"item-{number}.wav")
    rows = "".join(f"{name}.mp3\t我们从波士顿到内罗毕。\ttest\n" for name in names)
    covost = tree(root / "covost2" / "en", {"covost_v2.en_zh-CN.tsv": f"path\ttranslation\tsplit\n{rows}"})
    (covost / "clips").mkdir()
    for name in names:
        shutil.copy(clip(name), covost / "clips" / f"{name}.mp3")
    (root / "big_bench_audio" / "data").mkdir(parents=True)
    asked = []
    for number, name in enumerate(names):
        shutil.copy(clip(name), root / "big_bench_audio" / "data" / f"question_{number}.mp3")
        file_name = f"data/question_{number}.mp3"
        asked.append({"category": "navigate", "official_answer": "Yes", "file_name": file_name, "id": number})
    write_jsonl(root / "big_bench_audio" / "metadata.jsonl", asked)
    cvss(folder, {name: TEXTS[name] for name in names})
    questions(root / "StepEval-Audio-Paralinguistic", QUESTIONS, DEMO_SPEECH / "audio", language="en")
    write_replica(root / "stepeval_audio_toolcall")
    subset_of_clips(folder, "Repeat")
    dialogues(root / "URO-Bench-data" / "pro" / "MtBenchEval-en", names)
    return root


def dialogues(folder: Path, names: list[str]) -> None:
    """Two conversations of two rounds."""
    (folder / "audio").mkdir(parents=True)
    rows = []
    for number in range(2):
        rounds = []
        for turn in range(2):
            name = names[(number + turn) % 4]
            shutil.copy(clip(name), folder / "audio" / f"{number}-{turn}.flac")
            rounds.append(
                {"source_wav": f"audio/{number}-{turn}.flac", "source_text": TEXTS[name], "target_text": "Yes."}
            )
        rows.append({"id": str(number), "num_round": 2, "dialogue": rounds})
    write_jsonl(folder / "test.jsonl", rows)
