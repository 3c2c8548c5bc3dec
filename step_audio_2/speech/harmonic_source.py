"""What the vocoder's voice is excited by: a tone with harmonics where there is a pitch, and noise."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

HARMONICS = 9
_SAMPLE_RATE = 24_000
_AMPLITUDE = 0.1
_NOISE = 0.003
_LOWEST_PITCH = 10.0


class HarmonicSource(nn.Module):
    """Sines of a fundamental and its harmonics, mixed into one signal.

    Follows section 6.5 of the technical description for 24 kHz, without the random phase that has no effect there.

    Args:
        hop: samples for each value of the pitch.
    """

    def __init__(self, hop: int) -> None:
        super().__init__()
        self.hop = hop
        self.l_linear = nn.Linear(HARMONICS, 1)

    def forward(self, pitch: Tensor, noise: Tensor) -> Tensor:
        """Make the source.

        Args:
            pitch: [n, frames] in hertz; 0 beyond the end of a row in a batch.
            noise: [n, frames * hop, 9], standard normal.

        Returns:
            [n, 1, frames * hop] in -1..1.
        """
        multiples = torch.arange(1, HARMONICS + 1, device=pitch.device)
        cycles_per_sample = (pitch[..., None] * multiples / _SAMPLE_RATE) % 1
        # Single precision is off by a hundredth of a cycle after a minute, and so is the original.
        phase = cycles_per_sample.cumsum(dim=1) * (2 * math.pi) * self.hop
        phase = functional.interpolate(phase.transpose(1, 2), scale_factor=self.hop, mode="linear").transpose(1, 2)
        sines = torch.sin(phase) * _AMPLITUDE
        voiced = (pitch > _LOWEST_PITCH).repeat_interleave(self.hop, dim=1)[..., None].to(pitch.dtype)
        loudness = voiced * _NOISE + (1 - voiced) * (_AMPLITUDE / 3)
        source: Tensor = torch.tanh(self.l_linear(sines * voiced + loudness * noise))
        return source.transpose(1, 2)
