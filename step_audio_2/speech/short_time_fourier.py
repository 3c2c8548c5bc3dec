"""The short-time Fourier transform and its inverse as convolutions, for frames of a few samples.

As convolutions both are one product each, and rows of a batch can end at different places.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class ShortTimeFourier(nn.Module):
    """A transform with a periodic Hann window over whole frames, centred.

    Args:
        size: samples of a frame, even.
        hop: samples between frames; a divisor of ``size``.
    """

    analysis: Tensor
    synthesis: Tensor
    energy: Tensor

    def __init__(self, size: int, hop: int) -> None:
        super().__init__()
        self.size = size
        self.hop = hop
        window = torch.hann_window(size, dtype=torch.float64)
        bins = torch.arange(size // 2 + 1, dtype=torch.float64)
        angles = 2 * math.pi / size * bins[:, None] * torch.arange(size)
        waves = torch.cat((angles.cos(), -angles.sin())) * window
        # Of a real signal's spectrum half is given; all bins but the first and the last stand for two.
        shares = torch.full((size // 2 + 1,), 2 / size, dtype=torch.float64)
        shares[[0, -1]] = 1 / size
        self.register_buffer("analysis", waves[:, None].to(torch.float32), persistent=False)
        self.register_buffer(
            "synthesis", (waves * shares.repeat(2)[:, None])[:, None].to(torch.float32), persistent=False
        )
        self.register_buffer("energy", window.square()[None, None].to(torch.float32), persistent=False)

    def spectrum(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Compute the spectrum of sound that is reflected at its ends.

        Args:
            waveform: [n, 1, samples].
            lengths: [n], samples of each row; None where all rows are full.

        Returns:
            [n, size + 2, samples // hop + 1]: real parts, then imaginary ones; without meaning beyond a row's end.
        """
        margin = self.size // 2
        if lengths is None:
            padded = functional.pad(waveform, (margin, margin), mode="reflect")
        else:
            places = torch.arange(-margin, waveform.shape[-1] + margin, device=waveform.device).abs()
            last = lengths[:, None, None] - 1
            padded = waveform.gather(2, (last - (last - places).abs()).clamp(min=0))
        return functional.conv1d(padded, self.analysis, stride=self.hop)

    def waveform(self, spectrum: Tensor, mask: Tensor | None = None) -> Tensor:
        """Overlap and add spectra to sound.

        Args:
            spectrum: [n, size + 2, frames], as ``spectrum`` returns it.
            mask: [n or 1, 1, frames], 1 where there is a frame and 0 where the batch is only filled up.

        Returns:
            [n, hop * (frames - 1)].
        """
        if mask is None:
            mask = spectrum.new_ones(1, 1, spectrum.shape[-1])
        summed = functional.conv_transpose1d(spectrum * mask, self.synthesis, stride=self.hop)
        # Only beyond a row's end is there no energy.
        energy = functional.conv_transpose1d(mask, self.energy, stride=self.hop).clamp(min=1e-6)
        margin = self.size // 2
        return (summed / energy)[:, 0, margin:-margin]
