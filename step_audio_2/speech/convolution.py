"""A convolution over time for states that keep the channels of a frame beside each other in memory."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional


class ChannelsLastConv1d(nn.Conv1d):
    """``torch.nn.Conv1d`` in arguments, shapes and results, but quick where the channels of a frame lie together.

    PyTorch has no such order for convolutions of one dimension, and would rearrange its input, output and weights at
    every call; of two dimensions, one of them of size 1, it has.
    """

    weight: Tensor

    def __init__(self, *sizes: int, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.arrange()

    def arrange(self) -> None:
        """Lay the weights out as the states are; loading weights into them keeps the order."""
        self.weight = nn.Parameter(channels_last(self.weight))

    def forward(self, states: Tensor) -> Tensor:
        """Convolve [n, channels, frames]; in what is returned the channels of a frame lie together."""
        return functional.conv2d(
            states[:, :, None],
            self.weight[:, :, None],
            self.bias,
            (1, *self.stride),
            (0, self.padding[0]),
            (1, *self.dilation),
        )[:, :, 0]


def channels_last(states: Tensor) -> Tensor:
    """Rearrange [n, channels, frames] in memory so that the channels of a frame lie together."""
    return states.transpose(1, 2).contiguous().transpose(1, 2)
