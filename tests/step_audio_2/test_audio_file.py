"""Recordings from files, as the original reads them."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from step_audio_2.audio_file import AudioFileError, load_audio
from tests.step_audio_2.golden import golden


@pytest.mark.parametrize("rate", [24_000, 44_100, 8_000])
def test_a_recording_is_resampled_as_by_the_original(tmp_path: Path, rate: int) -> None:
    recorded = golden("prompt_features")
    samples = recorded["wav24k_int16"][: 8_000 if rate == 8_000 else None]
    soundfile.write(tmp_path / "a.wav", samples, rate)
    name = "24k" if rate == 24_000 else "8k" if rate == 8_000 else str(rate)
    expected = torch.from_numpy(recorded[f"resample_{name}_to_16k"])
    assert (load_audio(tmp_path / "a.wav") - expected).abs().max() < 1e-4


def test_the_first_channel_is_heard(tmp_path: Path) -> None:
    channels = np.stack([np.full(1_600, 0.25), np.full(1_600, -0.5)], axis=1)
    soundfile.write(tmp_path / "a.wav", channels, 16_000)
    assert load_audio(tmp_path / "a.wav").equal(torch.full((1_600,), 0.25))


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match=r"absent\.wav: no such file"):
        load_audio(tmp_path / "absent.wav")
    (tmp_path / "text.wav").write_text("no audio")
    with pytest.raises(AudioFileError, match=r"text\.wav: cannot be read as audio \("):
        load_audio(tmp_path / "text.wav")
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan]), 16_000, subtype="FLOAT")
    with pytest.raises(AudioFileError, match=r"nan\.wav: holds samples that are not finite"):
        load_audio(tmp_path / "nan.wav")
