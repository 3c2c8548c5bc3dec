"""Audio as it travels over the protocol: decoding what clients send, encoding what the server says."""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soundfile

SPEECH_RATE = 24_000  # hertz; the documents fix it for pcm16

_CONTAINERS = {"wav": ("WAV", "WAVEX"), "mp3": ("MP3",), "flac": ("FLAC",), "ogg": ("OGG",)}
_ENCODINGS = {"wav": ("WAV", "PCM_16"), "flac": ("FLAC", "PCM_16"), "mp3": ("MP3", None), "opus": ("OGG", "OPUS")}


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording that a client sent.

    Attributes:
        data: the file as it came.
        format: its name in the protocol, such as ``wav``.
        samples: int16 [frames, channels].
        sample_rate: in hertz.
    """

    data: bytes
    format: str
    samples: npt.NDArray[np.int16]
    sample_rate: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.sample_rate


def decode(data: bytes, format_: str) -> Sound:
    """Decode a file that claims to be of a format.

    Raises:
        ValueError: it is no audio, of another format, cut short, or empty.
    """
    if format_ not in _CONTAINERS:
        raise ValueError(f"this server cannot decode '{format_}', it knows {', '.join(_CONTAINERS)}")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            container = file.format
            samples = file.read(dtype="int16", always_2d=True)
            rate = file.samplerate
    except (soundfile.LibsndfileError, TypeError) as error:
        raise ValueError(f"not audio: {error}") from error
    if container not in _CONTAINERS[format_]:
        raise ValueError(f"the data is {container}, not {format_}")
    if format_ == "wav" and int.from_bytes(data[4:8], "little") + 8 != len(data):
        raise ValueError("the length in the WAV header is not that of the data")
    if len(samples) == 0:
        raise ValueError("it holds no samples")
    return Sound(data, format_, samples, rate)


def encode_speech(pcm16: bytes, format_: str) -> bytes:
    """Speech of one channel at ``SPEECH_RATE`` in an output format of the protocol."""
    if format_.startswith("pcm"):
        return pcm16
    container, subtype = _ENCODINGS[format_]
    file = io.BytesIO()
    soundfile.write(file, np.frombuffer(pcm16, "<i2"), SPEECH_RATE, format=container, subtype=subtype)
    return file.getvalue()


def tone(seconds: float, hertz: float = 440.0) -> bytes:
    """A sine as pcm16 at ``SPEECH_RATE``: speech enough for tests."""
    time = np.arange(round(seconds * SPEECH_RATE)) / SPEECH_RATE
    return bytes((8000 * np.sin(2 * np.pi * hertz * time)).astype("<i2").tobytes())
