"""What a plain speech recogniser takes from a request: one recording, and nothing else."""

import io
import wave

import numpy as np

from evalkit.audio import Waveform
from evalkit.audio.encoding import wavs
from evalkit.errors import ConfigurationError, DataError, PermanentError
from evalkit.types import Request
from model_adapters.shared.request_limits import RequestLimits


def recording(request: Request, sample_rate: int, *, shortest: float = 0.0) -> Waveform:
    """Return the one recording of a request, mono float32 [samples] at ``sample_rate`` hertz.

    Text parts are not looked at: a recogniser takes no instruction.

    Args:
        request: with one recording.
        sample_rate: in hertz.
        shortest: in seconds; silence fills up a recording that is shorter, of which a model can make nothing.

    Raises:
        ConfigurationError: the request brings decoding settings, which a recogniser has in its own configuration.
        DataError: the request holds no recording, or several.
        AudioError: the recording cannot be read.
    """
    refuse_settings(request)
    if len(request.audio) != 1:
        raise DataError(f"a speech recogniser takes exactly one recording, this request has {len(request.audio)}")
    waveform = request.audio[0].waveform(sample_rate)
    lacking = round(shortest * sample_rate) - len(waveform)
    return np.pad(waveform, (0, lacking)) if lacking > 0 else waveform


async def recording_as_wav(
    request: Request, sample_rate: int, limits: RequestLimits, *, shortest: float = 0.0
) -> bytes:
    """Return the one recording of a request as a WAV file, mono with 16 bits.

    Args:
        request: of one recording.
        sample_rate: of the file, in hertz.
        limits: of the file, before any base64.
        shortest: seconds that it must last.

    Raises:
        ConfigurationError: as ``recording`` does.
        PermanentError: the request holds no recording, or several, or one that the service does not take.
        AudioError: the recording cannot be read.
    """
    refuse_settings(request)
    if len(request.audio) != 1:
        raise PermanentError(f"a transcription takes exactly one recording, this request has {len(request.audio)}")
    (wav,) = await wavs(request.audio, sample_rate)
    limits.check([len(wav)], len(wav))
    if shortest and (seconds := seconds_of_wav(wav)) < shortest:
        raise PermanentError(f"not sent: the recording lasts {seconds:.3g} s, the service takes from {shortest:g} s")
    return wav


def seconds_of_wav(wav: bytes) -> float:
    """Return how long a WAV file of ours lasts."""
    with wave.open(io.BytesIO(wav)) as file:
        return float(file.getnframes() / file.getframerate())


def refuse_settings(request: Request) -> None:
    """Refuse decoding settings, which a recogniser has in its own configuration.

    Raises:
        ConfigurationError: names those of the request.
    """
    if request.generation:
        raise ConfigurationError(
            f"the prompt profile or generation= sets {', '.join(request.generation)}, but a speech recogniser takes "
            "its decoding settings from its own configuration (configs/model); give it the profile 'recognizer'"
        )
