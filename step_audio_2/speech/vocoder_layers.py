"""The parts of the vocoder that its stages are made of."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from step_audio_2.speech.convolution import ChannelsLastConv1d


class Snake(nn.Module):
    """x + sin(a x)^2 / a, with its own a for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(channels))

    def forward(self, states: Tensor) -> Tensor:
        """Activate [n, channels, frames]; zeros stay zeros."""
        alpha = self.alpha[:, None]
        return torch.addcmul(states, torch.sin(states * alpha).square_(), 1 / (alpha + 1e-9))


class ResidualBlock(nn.Module):
    """For each dilation a dilated and a plain convolution, each after a Snake, beside a short cut.

    Args:
        channels: of the states.
        kernel: of all convolutions, odd.
        dilations: one for each pair of convolutions.
    """

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int]) -> None:
        super().__init__()

        def convolution(dilation: int) -> nn.Module:
            padding = dilation * (kernel // 2)
            plain = ChannelsLastConv1d(channels, channels, kernel, dilation=dilation, padding=padding)
            normalised: nn.Module = weight_norm(plain)
            return normalised

        self.convs1 = nn.ModuleList(convolution(dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(convolution(1) for _ in dilations)
        self.activations1 = nn.ModuleList(Snake(channels) for _ in dilations)
        self.activations2 = nn.ModuleList(Snake(channels) for _ in dilations)

    def forward(self, states: Tensor, mask: Tensor | None) -> Tensor:
        """Transform [n, channels, frames] as if nothing lay beyond the frames where the mask is 1."""
        layers = zip(self.activations1, self.convs1, self.activations2, self.convs2, strict=True)
        for activation1, convolution1, activation2, convolution2 in layers:
            inner = convolution1(masked(activation1(states), mask))
            states = states + convolution2(masked(activation2(inner), mask))
        return states


class PitchPredictor(nn.Module):
    """The pitch in hertz of every mel frame.

    Args:
        in_channels: mel bins.
        channels: inside.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        widths = [in_channels, *[channels] * 5]
        layers: list[nn.Module] = []
        for width, next_width in pairwise(widths):
            layers += [weight_norm(ChannelsLastConv1d(width, next_width, 3, padding=1)), nn.ELU()]
        self.condnet = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, 1)

    def forward(self, mel: Tensor, mask: Tensor | None) -> Tensor:
        """Predict pitch [n, frames] of [n, bins, frames] as if nothing lay beyond the frames where the mask is 1."""
        states = masked(mel, mask)
        for layer in self.condnet:
            states = masked(layer(states), mask)
        pitch: Tensor = self.classifier(states.transpose(1, 2))[..., 0].abs()
        return pitch if mask is None else pitch * mask[:, 0]


def masked(states: Tensor, mask: Tensor | None) -> Tensor:
    """Set states to zero where the mask is 0; leave them as they are without one."""
    return states if mask is None else states * mask
