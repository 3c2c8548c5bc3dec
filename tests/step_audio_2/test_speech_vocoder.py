"""The vocoder against recorded outputs of the published code."""

import numpy as np
import pytest
import torch

from step_audio_2.errors import CheckpointError
from step_audio_2.speech.short_time_fourier import ShortTimeFourier
from step_audio_2.speech.vocoder import HiFTVocoder
from tests.step_audio_2.golden import golden, golden_json, golden_state_dict


def recorded(name: str) -> torch.Tensor:
    return torch.from_numpy(golden("hift_io")[name])


def load() -> HiFTVocoder:
    vocoder = HiFTVocoder.from_config(golden_json("hift_config"))
    vocoder.load_state_dict(golden_state_dict("hift"))
    return vocoder


@pytest.fixture(scope="module")
def vocoder() -> HiFTVocoder:
    return load().fold_weights()


@pytest.mark.parametrize("case", ["a", "b"])
@pytest.mark.parametrize("folded", [True, False])
def test_pitch_source_and_waveform(vocoder: HiFTVocoder, case: str, folded: bool) -> None:
    model = vocoder if folded else load()
    mel, noise = recorded(f"{case}_mel"), recorded(f"{case}_sine_noise")
    with torch.inference_mode():
        pitch = model.f0_predictor(mel, None)
    # In hertz. The last layer adds terms of some hundred hertz each, so float32 leaves steps of 3e-5 in a sum near
    # zero, and processors differ in which step they take; the phase that adds up over the pitch follows.
    np.testing.assert_allclose(pitch, recorded(f"{case}_f0"), rtol=1e-5, atol=1e-4)
    waveform, source = model(mel, recorded("b_cache_source") if case == "b" else None, noise)
    np.testing.assert_allclose(source, recorded(f"{case}_source"), atol=3e-5)
    np.testing.assert_allclose(waveform, recorded(f"{case}_wav"), atol=1e-5)


def test_a_padded_batch_equals_each_alone(vocoder: HiFTVocoder) -> None:
    mels = [recorded("a_mel"), recorded("b_mel"), recorded("b_mel")[..., :1]]
    batch = torch.full((3, 80, 19), 3.0)
    for row, mel in zip(batch, mels, strict=True):
        row[:, : mel.shape[2]] = mel
    noise = recorded("b_sine_noise")
    lengths = torch.tensor([mel.shape[2] for mel in mels])
    together, _ = vocoder(batch, noise=noise.expand(3, -1, -1), lengths=lengths)
    for row, mel in zip(together, mels, strict=True):
        samples = 480 * mel.shape[2]
        alone, _ = vocoder(mel, noise=noise[:, :samples])
        torch.testing.assert_close(row[:samples], alone[0], atol=1e-5, rtol=0)


def test_noise_is_drawn_where_none_is_given(vocoder: HiFTVocoder) -> None:
    mel = recorded("a_mel")
    torch.manual_seed(3)
    first, second = vocoder(mel)[0], vocoder(mel)[0]
    torch.manual_seed(3)
    assert torch.equal(vocoder(mel)[0], first)
    assert not torch.equal(first, second)


def test_the_transform_equals_the_library() -> None:
    fourier, waveform = ShortTimeFourier(16, 4), torch.randn(2, 1, 480)
    window = torch.hann_window(16)
    expected = torch.stft(waveform[:, 0], 16, 4, window=window, return_complex=True)
    spectrum = fourier.spectrum(waveform)
    torch.testing.assert_close(spectrum, torch.cat((expected.real, expected.imag), dim=1), atol=1e-5, rtol=0)
    torch.testing.assert_close(fourier.waveform(spectrum), waveform[:, 0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"base_chanels": 64}, "unexpected keyword argument 'base_chanels'"),
        ({"base_channels": 60}, "base_channels is 60; a multiple of 8 is wanted"),
        ({"in_channels": 100}, "f0_predictor must take as many channels"),
    ],
)
def test_bad_settings(fields: dict[str, int], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        HiFTVocoder.from_config(fields)
