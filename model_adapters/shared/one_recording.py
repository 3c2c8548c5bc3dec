"""What a plain speech recogniser takes from a request: one recording, and nothing else."""

from evalkit.audio import Waveform
from evalkit.errors import ConfigurationError, DataError
from evalkit.types import Request


def recording(request: Request, sample_rate: int) -> Waveform:
    """Return the one recording of a request, mono float32 [samples] at ``sample_rate`` hertz.

    Text parts are not looked at: a recogniser takes no instruction.

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
    return request.audio[0].waveform(sample_rate)
