"""The embedded demo speech: the manifest tells the truth about the files beside it."""

import csv
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import soundfile

FOLDER = Path(__file__).resolve().parents[2] / "tasks" / "demo_speech"
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
