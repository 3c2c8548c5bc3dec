"""WAV files of one channel with 16 bits."""

import io
import wave

import numpy as np

from evalkit.audio.decoding import Waveform


def wav_of_waveform(waveform: Waveform, sample_rate: int) -> bytes:
    """The WAV file of a waveform [samples] in -1..1 at ``sample_rate`` hertz; what is louder is clipped."""
    samples = np.clip(np.rint(waveform * 32_768), -32_768, 32_767).astype("<i2")
    return wav_of_samples(samples.tobytes(), sample_rate)


def wav_of_samples(samples: bytes, sample_rate: int) -> bytes:
    """The WAV file of one channel of little-endian 16-bit samples at ``sample_rate`` hertz."""
    container = io.BytesIO()
    with wave.open(container, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples)
    return container.getvalue()
