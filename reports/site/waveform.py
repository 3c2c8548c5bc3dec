"""Drawings of sound: the peaks of a waveform, and a spectrogram, as small texts that the pages draw."""

import base64

import numpy as np
import numpy.typing as npt

from evalkit.audio import Audio, Waveform
from reports.site.scripts import call

_PEAKS = 160
_RATE = 16_000
_WINDOW = 512
_BANDS = 64
_FRAMES = 400
_LOUDEST_DECIBELS = 70.0


def peaks(waveform: Waveform) -> str:
    """Return the loudest sample of each of 160 stretches, two hexadecimal digits each, full scale being ``ff``."""
    edges = np.linspace(0, len(waveform), min(_PEAKS, len(waveform)) + 1).astype(int)
    loudest = np.maximum.reduceat(np.abs(waveform), edges[:-1])
    return bytes(np.clip(np.nan_to_num(loudest) * 255, 0, 255).astype(np.uint8)).hex()


def spectrogram(sound: Audio, name: str) -> str:
    """Return a script that hands the pages a spectrogram: 64 bands on the mel scale, up to 400 frames of bytes."""
    bands = mel_levels(sound.waveform(_RATE))
    sound.release()
    frames, height = bands.shape
    return call("spectrogram", name, frames, height, base64.b64encode(bands.tobytes()).decode("ascii"))


def mel_levels(waveform: Waveform) -> npt.NDArray[np.uint8]:
    """Return levels of bands on the mel scale over time [frames, bands], 0 being 70 dB below the loudest."""
    padded = np.pad(waveform, (0, max(0, _WINDOW - len(waveform))))
    starts = np.linspace(0, len(padded) - _WINDOW, min(_FRAMES, 1 + (len(padded) - _WINDOW) // 160)).astype(int)
    windows = padded[starts[:, None] + np.arange(_WINDOW)] * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2 @ _mel_filters().T
    decibels = 10 * np.log10(np.maximum(power, 1e-10))
    levels = (decibels - decibels.max() + _LOUDEST_DECIBELS) / _LOUDEST_DECIBELS
    return np.asarray(np.clip(levels, 0, 1) * 255, dtype=np.uint8)


def _mel_filters() -> npt.NDArray[np.float64]:
    """Return triangles, evenly spread on the mel scale (O'Shaughnessy 1987) [bands, frequencies]."""
    frequencies = np.fft.rfftfreq(_WINDOW, 1 / _RATE)
    mels = np.linspace(0, 2595 * np.log10(1 + _RATE / 2 / 700), _BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    rising = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    # The lowest bands are narrower than the steps between frequencies; each takes at least the nearest one.
    nearest = np.abs(frequencies - edges[1:-1, None]).argmin(axis=1)
    triangles[np.arange(_BANDS), nearest] = np.maximum(triangles[np.arange(_BANDS), nearest], 1e-3)
    return np.asarray(triangles)
