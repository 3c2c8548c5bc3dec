"""What tests of conversations share: a model that can be steered, what it speaks with, and voices to change to."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from step_audio_2.assistant import Assistant
from step_audio_2.checkpoint import DEFAULT_VOICE, TOKEN2WAV
from step_audio_2.speech import Token2Wav

VOICES = (
    ("low.wav", "海绵宝宝的声音，明亮而快乐", "海绵宝宝", "大家好，我准备好了。", 110),
    ("high.wav", "一个正宗北京大爷的口音", "北京大爷", "您吃了吗？", 330),
    ("middle.wav", "a calm storyteller with a deep voice", "storyteller", "Once upon a time.", 220),
)


@pytest.fixture(scope="session")
def assistant(tiny_checkpoint: Path) -> Assistant:
    return Assistant.from_pretrained(tiny_checkpoint)


@pytest.fixture(scope="session")
def token2wav(tiny_checkpoint: Path) -> Token2Wav:
    return Token2Wav.from_pretrained(tiny_checkpoint / TOKEN2WAV)


@pytest.fixture
def voice(tiny_checkpoint: Path) -> Path:
    return tiny_checkpoint / DEFAULT_VOICE


@pytest.fixture(scope="session")
def voices_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of humming voices of different pitch."""
    folder = tmp_path_factory.mktemp("voices")
    time = np.arange(16_000) / 16_000
    lines = []
    for name, description, speaker, transcript, pitch in VOICES:
        hum = sum(np.sin(2 * np.pi * pitch * harmonic * time) / harmonic for harmonic in range(1, 12))
        soundfile.write(folder / name, 0.1 * hum * np.abs(np.sin(2 * np.pi * 3 * time)), 16_000)
        record = {"recording": name, "description": description, "language": "zh", "speaker": speaker}
        lines.append(json.dumps({**record, "transcript": transcript}, ensure_ascii=False))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
