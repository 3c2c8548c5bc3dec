"""A voice: what a recording says and how it sounds, so that speech can go on from it.

Follows section 6.2 of the technical description.
"""

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from torch import Tensor
from torch.nn import functional

from step_audio_2.audio_file import AudioFileError, read_audio
from step_audio_2.log_mel import SAMPLE_RATE, log_mel_spectrogram
from step_audio_2.resampling import resample
from step_audio_2.speech.filter_banks import PROMPT_MEL_RATE, kaldi_fbank, prompt_mel
from step_audio_2.speech.speaker_encoder import EmbedSpeaker
from step_audio_2.speech.speech_tokenizer import Tokenize, tokenize_long

_FRAMES_PER_CODE = 2
# Below this there are too few frames for the statistics and too few codes to look ahead to.
_SHORTEST = 0.2
_KEPT_VOICES = 64


class VoiceError(ValueError):
    """A recording that cannot serve as a prompt; the message names it."""


@dataclass(frozen=True, eq=False)
class Voice:
    """All that synthesis needs to know of a prompt.

    Attributes:
        name: where it is from, for messages.
        prompt_token: [1, codes], what it says.
        prompt_mel: [1, 2 * codes, 80], how it sounds.
        speaker_embedding: [1, 192], who says it.
    """

    name: str
    prompt_token: Tensor
    prompt_mel: Tensor
    speaker_embedding: Tensor


class VoiceMaker:
    """Makes voices of recordings and remembers them.

    Args:
        tokenize: gives the codes of a log-mel spectrogram.
        embed_speaker: gives the embedding of filter-bank energies without their mean.
    """

    def __init__(self, tokenize: Tokenize, embed_speaker: EmbedSpeaker) -> None:
        self._tokenize = tokenize
        self._embed_speaker = embed_speaker
        self._voices: OrderedDict[tuple[str, int, int], Voice] = OrderedDict()
        self._lock = Lock()

    def voice(self, path: str | os.PathLike[str]) -> Voice:
        """Make the voice of a recording, once for as long as the file is not changed.

        Raises:
            VoiceError: the file is missing, empty, too short, or no audio.
        """
        try:
            state = os.stat(path)
        except OSError as error:
            raise VoiceError(f"{os.fspath(path)}: the prompt cannot be read ({error.strerror})") from error
        key = (os.path.realpath(path), state.st_mtime_ns, state.st_size)
        with self._lock:
            if key not in self._voices:
                self._voices[key] = self._make(Path(path))
                if len(self._voices) > _KEPT_VOICES:
                    self._voices.popitem(last=False)
            self._voices.move_to_end(key)
            return self._voices[key]

    def _make(self, path: Path) -> Voice:
        channels, rate = _read(path)
        # The codes and the speaker are taken from the first channel, the spectrogram from all, as the original does.
        first = resample(channels[0], rate, SAMPLE_RATE)
        token = tokenize_long(self._tokenize, log_mel_spectrogram(first, padding=0))
        fbank = kaldi_fbank(first)
        embedding = self._embed_speaker(fbank - fbank.mean(dim=0))
        mel = prompt_mel(resample(channels.mean(dim=0), rate, PROMPT_MEL_RATE))
        frames = _FRAMES_PER_CODE * len(token)
        mel = functional.pad(mel.T[None], (0, max(frames - len(mel), 0)), mode="replicate")[..., :frames]
        return Voice(str(path), token[None], mel.transpose(1, 2).contiguous(), embedding[None])


def _read(path: Path) -> tuple[Tensor, int]:
    """Read a recording's channels [channels, samples] and its sample rate."""
    try:
        channels, rate = read_audio(path)
    except AudioFileError as error:
        raise VoiceError(str(error)) from error
    seconds = channels.shape[1] / rate
    if seconds < _SHORTEST:
        raise VoiceError(f"{path}: the prompt lasts {seconds:.2f} s; at least {_SHORTEST} s of speech are wanted")
    return channels, rate
