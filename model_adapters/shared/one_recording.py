"""What a plain speech recogniser takes from a request: one recording, and nothing else."""

import numpy as np

from evalkit.audio import Waveform
from evalkit.errors import ConfigurationError, DataError
from evalkit.types import Request


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
    if request.generation:
        raise ConfigurationError(
            f"the prompt profile or generation= sets {', '.join(request.generation)}, but a speech recogniser takes "
            "its decoding settings from its own configuration (configs/model); give it the profile 'recognizer'"
        )
    if len(request.audio) != 1:
        raise DataError(f"a speech recogniser takes exactly one recording, this request has {len(request.audio)}")
    waveform = request.audio[0].waveform(sample_rate)
    lacking = round(shortest * sample_rate) - len(waveform)
    return np.pad(waveform, (0, lacking)) if lacking > 0 else waveform
