"""Reading recordings: any container libsndfile knows, at any rate."""

import os
from pathlib import Path

import torch
from torch import Tensor

from step_audio_2.log_mel import SAMPLE_RATE
from step_audio_2.resampling import resample


class AudioFileError(ValueError):
    """A recording that cannot be used; the message names it."""


def load_audio(path: str | os.PathLike[str]) -> Tensor:
    """Read a recording as the model takes it: the first channel [samples] at 16 kHz, in float32.

    Resampled as the original does, which takes torchaudio's defaults (section 2 of the technical description).

    Raises:
        AudioFileError: the file is missing or no audio, or holds samples that are not finite numbers.
    """
    channels, rate = read_audio(path)
    return resample(channels[0], rate, SAMPLE_RATE)


def read_audio(path: str | os.PathLike[str]) -> tuple[Tensor, int]:
    """Read a recording: its channels [channels, samples] in -1..1, and its sample rate.

    Raises:
        AudioFileError: the file is missing or no audio, or holds samples that are not finite numbers.
    """
    import soundfile

    if not Path(path).is_file():
        raise AudioFileError(f"{os.fspath(path)}: no such file")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.removeprefix("Error : ").rstrip(".")
        raise AudioFileError(f"{os.fspath(path)}: cannot be read as audio ({reason})") from error
    channels = torch.from_numpy(samples.T)
    if not bool(channels.isfinite().all()):
        raise AudioFileError(f"{os.fspath(path)}: holds samples that are not finite numbers")
    return channels, rate
