"""The embedded demo: the manifest tells the truth about the files beside it, and so do the other tasks' data."""

import csv
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import soundfile
from hydra.utils import instantiate

from evalkit.run.composition import compose_configuration
from evalkit.task import Task
from tasks.mmau import matches

FOLDER = Path(__file__).resolve().parents[2] / "tasks" / "demo_speech"
TOOL_LOOP = FOLDER.parent / "tool_loop" / "speech"
NOISY_SUBSETS = ("noise", "reverberation", "telephone")
FIELDS = {"id", "audio", "text", "language", "duration", "speaker", "subset", "sample_rate"}


@cache
def records() -> tuple[dict[str, Any], ...]:
    lines = (FOLDER / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)


def test_every_record_has_all_fields_and_some_text() -> None:
    for record in records():
        assert set(record) == FIELDS, record["id"]
        assert record["language"] == "en"
        assert 7 <= len(record["text"].split()) <= 14, record["id"]


def test_ids_and_texts_are_unique() -> None:
    for field in ("id", "text"):
        assert [value for value, count in Counter(r[field] for r in records()).items() if count > 1] == []


def test_manifest_and_audio_folder_hold_the_same_files() -> None:
    on_disk = {f"audio/{path.name}" for path in (FOLDER / "audio").iterdir()}
    assert {record["audio"] for record in records()} == on_disk
    assert all(record["audio"] == f"audio/{record['id']}.flac" for record in records())


@pytest.mark.parametrize("record", records(), ids=lambda record: record["id"])
def test_audio_is_as_the_manifest_says(record: dict[str, Any]) -> None:
    waveform, sample_rate = soundfile.read(FOLDER / record["audio"], dtype="float32")
    assert soundfile.info(FOLDER / record["audio"]).subtype == "PCM_16"
    assert waveform.ndim == 1
    assert sample_rate == record["sample_rate"] == (8_000 if record["subset"] == "telephone" else 16_000)
    assert record["duration"] == pytest.approx(len(waveform) / sample_rate, abs=0.001)
    assert 2.0 <= record["duration"] <= 6.0
    assert 0.05 < abs(waveform).max() < 0.99, "silent or clipped"


def test_halves_and_voices_are_balanced() -> None:
    subsets = Counter(record["subset"] for record in records())
    assert subsets == {"clean": 24, "noise": 8, "reverberation": 8, "telephone": 8}
    assert subsets["clean"] == sum(subsets[subset] for subset in NOISY_SUBSETS)
    cells = Counter((record["subset"], record["speaker"]) for record in records())
    for speaker in ("slt", "rms", "awb", "joe"):
        assert cells["clean", speaker] == 6
        assert all(cells[subset, speaker] == 2 for subset in NOISY_SUBSETS)


def test_set_stays_small() -> None:
    assert sum(path.stat().st_size for path in (FOLDER / "audio").iterdir()) < 5_000_000
    assert sum(record["duration"] for record in records()) < 165


def test_manifest_follows_the_sentence_list() -> None:
    with (FOLDER / "sentences.tsv").open(encoding="utf-8", newline="") as file:
        sentences = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [(s["id"], s["speaker"], s["text"]) for s in sentences] == [
        (r["id"], r["speaker"], r["text"]) for r in records()
    ]


@cache
def demo_tasks() -> tuple[Task, ...]:
    config = compose_configuration(["suite=demo"])
    return tuple(instantiate(task, name=name) for name, task in config.tasks.items())


def test_the_suite_has_a_task_for_every_table() -> None:
    tables = {task.place.table for task in demo_tasks() if task.place.table}
    assert tables == {"asr", "mmau", "covost2", "cvss", "paralinguistic", "toolcall", "uro_bench", "big_bench_audio"}


def test_no_figure_can_be_taken_for_that_of_a_benchmark() -> None:
    for task in demo_tasks():
        if task.place.table:  # else it stands among the further test sets, by its title
            own = "group" if task.place.table == "asr" else "set"
            assert getattr(task.place, own) == "Demo", task.name
        assert task.title.startswith("Demo "), task.name


@pytest.mark.parametrize("task", demo_tasks(), ids=lambda task: task.name)
def test_tasks_are_complete_and_are_about_the_embedded_recordings(task: Task) -> None:
    samples = list(task.samples())
    assert len(samples) == task.expected_samples
    embedded = {FOLDER / record["audio"] for record in records()} | {*TOOL_LOOP.glob("audio/*.flac")}
    for sample in samples:
        assert sample.language == "en", sample.id
        assert sample.audio, sample.id
        assert {audio.path for audio in sample.audio} <= embedded, sample.id


def test_words_beside_a_recording_are_those_of_the_manifest() -> None:
    texts = {FOLDER / record["audio"]: record["text"] for record in records()}
    checked: Counter[str] = Counter()
    for task in demo_tasks():
        for sample in task.samples():
            metadata = sample.metadata
            turns = [turn for turn in metadata.get("turns", ()) if "audio" in turn]
            words = [turn["text"] for turn in turns] or metadata.get("questions", [metadata.get("sentence")])
            for audio, said in zip(sample.audio, words, strict=True):
                if said is not None:
                    assert said == texts[audio.path], (task.name, sample.id)
                    checked[task.place.table] += 1
    assert checked == {"covost2": 8, "cvss": 8, "toolcall": 20, "uro_bench": 12}


def test_who_hears_every_word_can_answer_the_questions_about_speech_and_no_other() -> None:
    texts = {record["audio"]: record["text"] for record in records()}
    for row in json.loads((FOLDER / "mmau.json").read_text(encoding="utf-8")):
        assert row["answer"] in row["choices"], row["id"]
        answered = matches(texts[row["audio_id"]], row["answer"], row["choices"])
        assert answered == (row["task"] == "speech"), row["id"]


@pytest.mark.slow
def test_the_suite_brings_a_transcriber_and_a_judge_that_the_command_line_can_change() -> None:
    config = compose_configuration(["suite=demo"])
    assert "judge" in config.judge._target_
    assert config.transcriber.title == "Whisper base"
    config = compose_configuration(["suite=demo", "model@judge=gpt_4o_mini", "model@transcriber=pocketsphinx"])
    assert config.judge.title == "GPT-4o mini"
    assert config.transcriber.title == "PocketSphinx"
