"""Resampling and the two spectrograms of a prompt, against recorded ones."""

import math

import numpy as np
import pytest
import torch

from step_audio_2.resampling import resample
from step_audio_2.speech.filter_banks import kaldi_fbank, prompt_mel
from tests.step_audio_2.golden import golden


def waveform() -> torch.Tensor:
    return torch.from_numpy(golden("prompt_features")["wav24k_int16"] / np.float32(32768))


@pytest.mark.parametrize(
    ("name", "samples", "source", "target"),
    [
        ("resample_24k_to_16k", None, 24_000, 16_000),
        ("resample_44100_to_16k", None, 44_100, 16_000),
        ("resample_8k_to_16k", 8_000, 8_000, 16_000),
        ("resample_16k_to_24k", 16_000, 16_000, 24_000),
    ],
)
def test_resampling_equals_recorded(name: str, samples: int | None, source: int, target: int) -> None:
    resampled = resample(waveform()[:samples], source, target)
    expected = golden("prompt_features")[name]
    assert resampled.shape == expected.shape
    np.testing.assert_allclose(resampled, expected, atol=1e-5)


def test_channels_are_resampled_alike_and_equal_rates_change_nothing() -> None:
    stereo = torch.randn(2, 1001)
    resampled = resample(stereo, 48_000, 16_000)
    assert resampled.shape == (2, 334)
    torch.testing.assert_close(resampled[1], resample(stereo[1], 48_000, 16_000))
    assert resample(stereo, 16_000, 16_000) is stereo


def test_a_tone_keeps_its_pitch() -> None:
    seconds = torch.arange(44_100) / 44_100
    resampled = resample(torch.sin(2 * math.pi * 440 * seconds), 44_100, 24_000)
    expected = torch.sin(2 * math.pi * 440 * torch.arange(24_000) / 24_000)
    torch.testing.assert_close(resampled[100:-100], expected[100:-100], atol=2e-3, rtol=0)


@pytest.mark.parametrize("rate", [0, -1, 16_000.5])
def test_impossible_rates_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"positive whole numbers, not 16000 and"):
        resample(torch.zeros(10), 16_000, rate)  # type: ignore[arg-type]


def test_fbank_equals_recorded() -> None:
    recorded = golden("prompt_features")
    fbank = kaldi_fbank(torch.from_numpy(recorded["resample_24k_to_16k"]))
    np.testing.assert_allclose(fbank, recorded["fbank_raw"], atol=2e-3)
    np.testing.assert_allclose(fbank - fbank.mean(dim=0), recorded["fbank_meansub"], atol=2e-3)


def test_fbank_of_silence_is_finite() -> None:
    assert kaldi_fbank(torch.zeros(400)).unique().tolist() == [pytest.approx(math.log(2**-23))]


def test_prompt_mel_equals_recorded() -> None:
    mel = prompt_mel(waveform())
    np.testing.assert_allclose(mel, golden("prompt_features")["prompt_mel"], atol=1e-4)


def test_too_short_for_a_frame() -> None:
    with pytest.raises(ValueError, match="at least 400 samples is wanted; this one has 399"):
        kaldi_fbank(torch.zeros(399))
    with pytest.raises(ValueError, match="more than 720 samples is wanted; this one has 720"):
        prompt_mel(torch.zeros(720))
