"""A recording as WAV with 16 bits, which every server takes."""

import asyncio
import io
import struct
import wave
from collections.abc import Sequence

import numpy as np

from evalkit.audio import Audio

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


async def wavs(recordings: Sequence[Audio], sample_rate: int) -> list[bytes]:
    """Every recording as ``wav_bytes`` gives it, without holding up the event loop for longer than reading a file.

    Raises:
        AudioError: a recording cannot be read.
    """
    return [
        encoded
        if _is_plain(encoded := audio.encoded(), sample_rate)
        else await asyncio.to_thread(wav_bytes, audio, sample_rate)
        for audio in recordings
    ]


def wav_bytes(audio: Audio, sample_rate: int) -> bytes:
    """A recording's mono mix at ``sample_rate`` hertz: what a model in this process would hear.

    Raises:
        AudioError: the recording cannot be read.
    """
    encoded = audio.encoded()
    if _is_plain(encoded, sample_rate):
        return encoded
    samples = np.clip(np.rint(audio.waveform(sample_rate) * 32_768), -32_768, 32_767).astype("<i2")
    audio.release()
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


def _is_plain(encoded: bytes, sample_rate: int) -> bool:
    """Whether decoding and encoding the bytes again would give the same bytes."""
    if len(encoded) <= _HEADER.size:
        return False
    size = len(encoded) - _HEADER.size
    plain = (b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16, b"data", size)
    return _HEADER.unpack_from(encoded) == plain
