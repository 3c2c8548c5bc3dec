"""Recordings that are sent to another process: the same sound, name and digest, with or without their file."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalkit.audio import Audio
from evalkit.errors import AudioError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, (44_100, 2)), 44_100, "FLOAT")
    return path


def sent(audio: Audio, *, with_content: bool) -> Audio:
    portable = pickle.loads(pickle.dumps(audio.portable(with_content=with_content)))
    assert isinstance(portable, Audio)
    return portable


def test_it_sounds_the_same_where_there_is_no_file(file: Path) -> None:
    whole = Audio("a.wav", file)
    part, inside = whole.part(0.25, 0.75), Audio("row", content=file.read_bytes)
    arrived = [sent(audio, with_content=True) for audio in (whole, part, inside)]
    there = [(audio.waveform(16_000), audio.encoded(), audio.digest(), audio.name) for audio in (whole, part, inside)]
    file.unlink()
    for audio, (waveform, encoded, digest, name) in zip(arrived, there, strict=True):
        assert np.array_equal(audio.waveform(16_000), waveform)
        assert (audio.encoded(), audio.digest(), audio.name) == (encoded, digest, name)


def test_a_file_stays_where_it_is_if_it_is_found_there(file: Path) -> None:
    whole = Audio("a.wav", file)
    whole.waveform(16_000)
    arrived = sent(whole, with_content=False)
    assert np.array_equal(arrived.waveform(16_000), whole.waveform(16_000))
    assert len(pickle.dumps(whole.portable(with_content=False))) < 1_000, "no sound goes along"


def test_what_cannot_be_read_is_said_before_it_is_sent(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no such audio file"):
        Audio("b.wav", tmp_path / "b.wav").portable(with_content=True)
