"""The vocoder over mel frames that come in pieces, each joined to the one before without a click.

Follows section 6.6 of the technical description: the last 160 ms are made again with every piece, from the same source,
and faded over.
"""

from functools import cache

import torch
from torch import Tensor

from step_audio_2.speech.noise import SourceNoise
from step_audio_2.speech.vocoder import SAMPLES_PER_FRAME, HiFTVocoder

_REPEATED_FRAMES = 8
_FADED_SAMPLES = _REPEATED_FRAMES * SAMPLES_PER_FRAME


@cache
def fade_window(device: torch.device) -> Tensor:
    """Return the weights [7680] with which new speech comes in, and then those with which the old goes out."""
    return torch.hamming_window(2 * _FADED_SAMPLES, periodic=False, device=device)


class VocoderStream:
    """One utterance's sound.

    Args:
        vocoder: makes it.
        noise: for the vocoder's source.

    Attributes:
        mel: [1, 80, 8], the last frames; None before the first piece.
        source: [1, 1, 3840], what they were made from.
        speech: [1, 3840], what they sounded like, faded but not yet given out.
    """

    def __init__(self, vocoder: HiFTVocoder, noise: SourceNoise) -> None:
        self._vocoder = vocoder
        self._noise = noise
        self.mel: Tensor | None = None
        self.source: Tensor | None = None
        self.speech: Tensor | None = None

    def extend(self, mel: Tensor, last: bool) -> Tensor:
        """Return the samples [samples] that are final once the frames [1, 80, frames] are known."""
        if self.mel is not None:
            mel = torch.cat((self.mel, mel), dim=2)
        noise = self._noise.take(mel.shape[2] * SAMPLES_PER_FRAME).to(mel)
        speech, source = self._vocoder(mel, self.source, noise)
        if self.speech is not None:
            fade = fade_window(speech.device)
            begun = speech[:, :_FADED_SAMPLES] * fade[:_FADED_SAMPLES] + self.speech * fade[_FADED_SAMPLES:]
            speech = torch.cat((begun, speech[:, _FADED_SAMPLES:]), dim=1)
        self.mel, self.source = mel[..., -_REPEATED_FRAMES:], source[..., -_FADED_SAMPLES:]
        self.speech = speech[:, -_FADED_SAMPLES:]
        final: Tensor = speech if last else speech[:, :-_FADED_SAMPLES]
        return final[0]
