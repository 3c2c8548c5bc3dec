"""WAV files of one channel: of 16 bits, or of floating-point numbers where nothing may be rounded."""

import io
import struct
import wave

import numpy as np

from evalkit.audio.decoding import Waveform


def wav_of_waveform(waveform: Waveform, sample_rate: int) -> bytes:
    """Return the WAV file of a waveform [samples] in -1..1 at ``sample_rate`` hertz; what is louder is clipped."""
    samples = np.clip(np.rint(waveform * 32_768), -32_768, 32_767).astype("<i2")
    return wav_of_samples(samples.tobytes(), sample_rate)


def float_wav_of_waveform(waveform: Waveform, sample_rate: int) -> bytes:
    """Return a WAV file that holds a waveform [samples] at ``sample_rate`` hertz exactly, as float32."""
    import soundfile

    container = io.BytesIO()
    soundfile.write(container, waveform, sample_rate, format="WAV", subtype="FLOAT")
    return container.getvalue()


def wav_of_samples(samples: bytes, sample_rate: int) -> bytes:
    """Return the WAV file of one channel of little-endian 16-bit samples at ``sample_rate`` hertz."""
    container = io.BytesIO()
    with wave.open(container, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples)
    return container.getvalue()


def samples_of_wav(encoded: bytes) -> tuple[bytes, int]:
    """Return the samples of a WAV file as they stand in it, and their rate in hertz; its stated length is not heeded.

    Raises:
        ValueError: it is no WAV file of one channel of 16-bit samples.
    """
    position, rate = 12, 0
    while position + 8 <= len(encoded):
        name, size = struct.unpack_from("<4sI", encoded, position)
        position += 8
        if name == b"data" and rate:
            return encoded[position:], rate
        if name == b"fmt " and position + 16 <= len(encoded):
            _, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", encoded, position)
            if (channels, bits) != (1, 16):
                break
        position += size + size % 2
    raise ValueError("its sound is no WAV file of one channel of 16-bit samples")
