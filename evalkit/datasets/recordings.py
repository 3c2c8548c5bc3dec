"""Whether a recording can be read, and how long it is, at the price of its header."""

import io

from evalkit.audio import _UNKNOWN_LENGTH, Audio, _check_complete, _reason
from evalkit.errors import AudioError

_RATE = 16_000  # hertz; what most models take


def header_seconds(audio: Audio) -> float:
    """The length of a recording, decoded no further than shows that its file is whole.

    Of WAV, AIFF, AU and Ogg the header is held against the size of the file; of FLAC the last frame is decoded. MP3
    gives away only when it is decoded that it was cut short.

    Raises:
        AudioError: the file is missing, not audio, cut short or empty, or leads out of the data root.
    """
    import soundfile

    name = str(audio.path or audio.locator)
    source = audio._source()
    try:
        with soundfile.SoundFile(source) as file:
            if file.frames == 0:
                raise AudioError(f"{name}: the audio holds no samples")
            if file.frames == _UNKNOWN_LENGTH:
                raise AudioError(f"{name}: the header does not say how long the audio is; encode it again to a file")
            if file.format == "FLAC":
                file.seek(file.frames - 1)
                if len(file.read(1)) == 0:
                    raise AudioError(f"{name}: the audio is cut short, its last frame is missing")
            _check_complete(file, source, file.frames, name)
            return float(file.frames / file.samplerate)
    except (soundfile.LibsndfileError, TypeError) as error:
        raise AudioError(f"{name}: cannot be read as audio ({_reason(error)}): it is cut short or damaged") from error
    finally:
        if isinstance(source, io.BytesIO):
            source.close()


def decoded_seconds(audio: Audio) -> float:
    """The length of a recording by decoding all of it, as a run would.

    Raises:
        AudioError: as ``Audio.waveform`` does.
    """
    audio.waveform(_RATE)
    audio.release()
    return float(audio.duration or 0.0)
