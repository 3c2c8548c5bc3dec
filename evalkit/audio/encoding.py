"""Writing recordings: WAV with 16 bits, which every server takes, and FLAC, which run folders keep."""

import asyncio
import io
import os
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path

from evalkit.audio.decoding import check_finite, reason
from evalkit.audio.recording import Audio
from evalkit.audio.wav import wav_of_waveform
from evalkit.errors import AudioError

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


async def wavs(recordings: Sequence[Audio], sample_rate: int) -> list[bytes]:
    """Encode every recording as ``wav_bytes`` does, without holding up the event loop for longer than reading a file.

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
    """Return a recording's mono mix at ``sample_rate`` hertz: what a model in this process would hear.

    Raises:
        AudioError: the recording cannot be read.
    """
    encoded = audio.encoded()
    if _is_plain(encoded, sample_rate):
        return encoded
    encoded = wav_of_waveform(audio.waveform(sample_rate), sample_rate)
    audio.release()
    return encoded


def _is_plain(encoded: bytes, sample_rate: int) -> bool:
    """Tell whether decoding and encoding the bytes again would give the same bytes."""
    if len(encoded) <= _HEADER.size:
        return False
    size = len(encoded) - _HEADER.size
    plain = (b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16, b"data", size)
    return _HEADER.unpack_from(encoded) == plain


def write_flac(audio: Audio, path: Path) -> float:
    """Write a recording's mono mix as FLAC with 16 bits at its own rate, whole or not at all.

    Returns:
        Its length in seconds.

    Raises:
        AudioError: the recording cannot be read, or is not one that FLAC can hold.
        OSError: the file cannot be written.
    """
    import soundfile

    waveform, rate = audio.read_mono()
    check_finite(waveform, audio.locator)
    encoded = io.BytesIO()
    try:
        soundfile.write(encoded, waveform, rate, format="FLAC", subtype="PCM_16")
    except (RuntimeError, TypeError, ValueError, AssertionError, MemoryError) as error:
        raise AudioError(f"{audio.locator}: cannot be written as FLAC ({reason(error)})") from error
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:
            file.write(encoded.getbuffer())
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise
    return len(waveform) / rate
