"""The noise that synthesis starts from, so that a run can be repeated."""

from dataclasses import dataclass

import torch
from torch import Tensor

from step_audio_2.speech.harmonic_source import HARMONICS

# Drawn in blocks, so that a longer utterance begins with the noise of a shorter one.
_BLOCK = 24_000


@dataclass(frozen=True)
class Noise:
    """Noise to use instead of what would be drawn.

    Attributes:
        flow: [1, 80, frames], of the prompt's mel frames and of those to be made.
        source: [samples, 9], used up by the vocoder in order.
    """

    flow: Tensor | None = None
    source: Tensor | None = None


class SourceNoise:
    """Standard normal noise for the vocoder's source, handed out in order.

    Args:
        seed: of what is drawn.
        given: [samples, 9] to hand out instead.
    """

    def __init__(self, seed: int, given: Tensor | None = None) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._may_draw = given is None
        self._rest = torch.empty(0, HARMONICS) if given is None else given

    def take(self, samples: int) -> Tensor:
        """Return the next values [1, samples, 9].

        Raises:
            ValueError: no more than this was given.
        """
        if self._may_draw and samples > len(self._rest):
            blocks = -(-(samples - len(self._rest)) // _BLOCK)
            drawn = [torch.randn(_BLOCK, HARMONICS, generator=self._generator) for _ in range(blocks)]
            self._rest = torch.cat((self._rest, *drawn))
        if samples > len(self._rest):
            raise ValueError(f"noise for {len(self._rest)} samples is left; {samples} are wanted")
        taken, self._rest = self._rest[:samples], self._rest[samples:]
        return taken[None]
