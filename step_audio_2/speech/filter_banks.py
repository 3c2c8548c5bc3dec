"""What the prompt's voice is described by: Kaldi's filter-bank energies, and the mel spectrogram to continue from."""

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

PROMPT_MEL_RATE = 24_000
N_BINS = 80

_FBANK_RATE = 16_000
_FBANK_FRAME = 400
_FBANK_HOP = 160
_FBANK_FFT = 512
_FBANK_LOWEST = 20.0
_PRE_EMPHASIS = 0.97

_MEL_FFT = 1920
_MEL_HOP = 480
_MEL_HIGHEST = 8000.0


def kaldi_fbank(waveform: Tensor) -> Tensor:
    """Log energies of 80 mel bands, 100 frames a second, as Kaldi computes them without dither.

    Frames of 25 ms without padding at the ends, each without its mean, pre-emphasised, under a Povey window.

    Args:
        waveform: [samples] at 16 kHz, at whatever scale; the speaker model was given -1..1.

    Returns:
        [frames, 80] with ``1 + (samples - 400) // 160`` frames.

    Raises:
        ValueError: the waveform is shorter than one frame.
    """
    if len(waveform) < _FBANK_FRAME:
        raise ValueError(f"a waveform of at least {_FBANK_FRAME} samples is wanted; this one has {len(waveform)}")
    frames = waveform.to(torch.float32).unfold(0, _FBANK_FRAME, _FBANK_HOP)
    frames = frames - frames.mean(dim=1, keepdim=True)
    previous = functional.pad(frames[:, None], (1, 0), mode="replicate")[:, 0, :-1]
    window = torch.hann_window(_FBANK_FRAME, periodic=False, device=frames.device).pow(0.85)
    frames = (frames - _PRE_EMPHASIS * previous) * window
    power = torch.fft.rfft(frames, _FBANK_FFT).abs() ** 2
    energies = power @ _kaldi_filters().to(power.device)
    log_energies: Tensor = energies.clamp(min=torch.finfo(torch.float32).eps).log()
    return log_energies


def prompt_mel(waveform: Tensor) -> Tensor:
    """Compute the flow model's mel spectrogram: natural log, 80 bands to 8 kHz, 50 frames a second.

    Args:
        waveform: [samples] at 24 kHz in -1..1.

    Returns:
        [frames, 80] with ``samples // 480`` frames.

    Raises:
        ValueError: the waveform is too short for the reflection at its ends.
    """
    padding = (_MEL_FFT - _MEL_HOP) // 2
    if len(waveform) <= padding:
        raise ValueError(f"a waveform of more than {padding} samples is wanted; this one has {len(waveform)}")
    padded = functional.pad(waveform.to(torch.float32)[None], (padding, padding), mode="reflect")[0]
    window = torch.hann_window(_MEL_FFT, device=waveform.device)
    spectrum = torch.stft(padded, _MEL_FFT, _MEL_HOP, window=window, center=False, return_complex=True)
    magnitude = (spectrum.real**2 + spectrum.imag**2 + 1e-9).sqrt()
    return (_mel_filters().to(magnitude.device) @ magnitude).clamp(min=1e-5).log().T


@cache
def _kaldi_filters() -> Tensor:
    """Return triangles [257, 80] that are straight on Kaldi's mel scale, from 20 Hz to half the sample rate."""
    centres = _kaldi_mel(torch.arange(_FBANK_FFT // 2 + 1, dtype=torch.float64) * _FBANK_RATE / _FBANK_FFT)
    lowest, highest = _kaldi_mel(torch.tensor([_FBANK_LOWEST, _FBANK_RATE / 2], dtype=torch.float64))
    corners = lowest + torch.arange(N_BINS + 2) * (highest - lowest) / (N_BINS + 1)
    rising = (centres[:, None] - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - centres[:, None]) / (corners[2:] - corners[1:-1])
    filters = torch.minimum(rising, falling).clamp(min=0)
    filters[-1] = 0  # Kaldi leaves the highest frequency out.
    return filters.to(torch.float32)


def _kaldi_mel(frequency: Tensor) -> Tensor:
    return 1127 * torch.log1p(frequency / 700)


@cache
def _mel_filters() -> Tensor:
    """Return the filter bank [80, 961] on Slaney's scale with its area norm, 0 to 8000 Hz."""
    spacing = PROMPT_MEL_RATE / _MEL_FFT
    frequencies = torch.arange(_MEL_FFT // 2 + 1, dtype=torch.float64) * spacing
    mels = torch.linspace(0, _hertz_to_slaney(_MEL_HIGHEST), N_BINS + 2, dtype=torch.float64)
    corners = torch.tensor([_slaney_to_hertz(mel) for mel in mels.tolist()], dtype=torch.float64)[:, None]
    rising = (frequencies - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - frequencies) / (corners[2:] - corners[1:-1])
    filters = torch.minimum(rising, falling).clamp(min=0) * 2 / (corners[2:] - corners[:-2])
    return filters.to(torch.float32)


# Slaney's scale is linear up to 1 kHz, where it reaches 15 at 3 mels for 200 Hz, and logarithmic above.
_LINEAR_LIMIT = 1000.0
_HERTZ_PER_MEL = 200 / 3
_LOG_STEP = math.log(6.4) / 27


def _hertz_to_slaney(hertz: float) -> float:
    if hertz < _LINEAR_LIMIT:
        return hertz / _HERTZ_PER_MEL
    return _LINEAR_LIMIT / _HERTZ_PER_MEL + math.log(hertz / _LINEAR_LIMIT) / _LOG_STEP


def _slaney_to_hertz(mel: float) -> float:
    above = mel - _LINEAR_LIMIT / _HERTZ_PER_MEL
    return mel * _HERTZ_PER_MEL if above < 0 else _LINEAR_LIMIT * math.exp(above * _LOG_STEP)
