"""CAM++, the network that describes a speaker by one vector of 192 numbers.

Follows section 6.2 of the technical description, that is 3D-Speaker's class in evaluation mode; names and shapes of
the weights are its own. The published token2wav folder holds it as ``campplus.onnx``.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_HEAD_CHANNELS = 32
_HEAD_STRIDES = 8
# Layers and dilation of each dense block.
_DENSE_BLOCKS = ((12, 1), (24, 2), (16, 2))
_SEGMENT = 100
# Statistics over time need this many frames: two of them after the strided convolution.
LEAST_FRAMES = 3

EmbedSpeaker = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class SpeakerEncoderConfig:
    """Sizes of the network; the defaults are those of the published one."""

    feat_dim: int = 80
    embedding_size: int = 192
    growth_rate: int = 32
    bn_size: int = 4
    init_channels: int = 128


class SpeakerEncoder(nn.Module):
    """From filter-bank energies without their mean to an embedding that is not normalised.

    Args:
        config: its sizes.
    """

    def __init__(self, config: SpeakerEncoderConfig | None = None) -> None:
        super().__init__()
        config = config or SpeakerEncoderConfig()
        self.head = _ConvolutionHead()
        channels = config.init_channels
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            tdnn=_TimeDelay(_HEAD_CHANNELS * config.feat_dim // _HEAD_STRIDES, channels)
        )
        for block, (depth, dilation) in enumerate(_DENSE_BLOCKS, start=1):
            layers[f"block{block}"] = _DenseBlock(channels, depth, dilation, config)
            channels += depth * config.growth_rate
            layers[f"transit{block}"] = _Transition(channels, channels // 2)
            channels //= 2
        layers["out_nonlinear"] = _normalised_relu(channels)
        layers["stats"] = _Statistics()
        layers["dense"] = _Embedding(2 * channels, config.embedding_size)
        self.xvector = nn.Sequential(layers)
        self.eval()

    def forward(self, fbank: Tensor) -> Tensor:
        """Embed features [n, frames, 80], at least three frames, as vectors [n, 192]."""
        embedding: Tensor = self.xvector(self.head(fbank.transpose(1, 2)))
        return embedding

    def embed(self, fbank: Tensor) -> Tensor:
        """Return the embedding [192] of one speaker's features [frames, 80], on the device of the weights."""
        weight = self.head.conv1.weight
        with torch.inference_mode():
            embedding: Tensor = self(fbank[None].to(weight.device, weight.dtype))[0]
        return embedding


def _normalised_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(channels), relu=nn.ReLU()))


class _ResidualBlock(nn.Module):
    """Two convolutions over frequency and time, the first of which may halve the frequencies."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride=(stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut.extend(
                [nn.Conv2d(channels, channels, 1, stride=(stride, 1), bias=False), nn.BatchNorm2d(channels)]
            )

    def forward(self, states: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(states)))))
        return functional.relu(inner + self.shortcut(states))


class _ConvolutionHead(nn.Module):
    """Treats [n, frequencies, frames] as a picture; gives [n, 32 * frequencies / 8, frames]."""

    def __init__(self) -> None:
        super().__init__()
        channels = _HEAD_CHANNELS
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(_ResidualBlock(channels, 2), _ResidualBlock(channels, 1))
        self.layer2 = nn.Sequential(_ResidualBlock(channels, 2), _ResidualBlock(channels, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, features: Tensor) -> Tensor:
        states = functional.relu(self.bn1(self.conv1(features[:, None])))
        states = self.layer2(self.layer1(states))
        return functional.relu(self.bn2(self.conv2(states))).flatten(1, 2)


class _TimeDelay(nn.Module):
    """A convolution that halves the frame rate."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(channels, width, 5, stride=2, padding=2, bias=False)
        self.nonlinear = _normalised_relu(width)

    def forward(self, states: Tensor) -> Tensor:
        delayed: Tensor = self.nonlinear(self.linear(states))
        return delayed


class _ContextMask(nn.Module):
    """A dilated convolution, gated by what the whole recording and the surrounding 100 frames are like."""

    def __init__(self, channels: int, width: int, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(channels, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(channels, channels // 2, 1)
        self.linear2 = nn.Conv1d(channels // 2, width, 1)

    def forward(self, states: Tensor) -> Tensor:
        segments = functional.avg_pool1d(states, _SEGMENT, _SEGMENT, ceil_mode=True)
        segments = segments.repeat_interleave(_SEGMENT, dim=-1)[..., : states.shape[-1]]
        context = states.mean(dim=-1, keepdim=True) + segments
        gate = torch.sigmoid(self.linear2(functional.relu(self.linear1(context))))
        gated: Tensor = self.linear_local(states) * gate
        return gated


class _DenseLayer(nn.Module):
    def __init__(self, channels: int, dilation: int, config: SpeakerEncoderConfig) -> None:
        super().__init__()
        bottleneck = config.bn_size * config.growth_rate
        self.nonlinear1 = _normalised_relu(channels)
        self.linear1 = nn.Conv1d(channels, bottleneck, 1, bias=False)
        self.nonlinear2 = _normalised_relu(bottleneck)
        self.cam_layer = _ContextMask(bottleneck, config.growth_rate, dilation)

    def forward(self, states: Tensor) -> Tensor:
        grown: Tensor = self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(states))))
        return grown


class _DenseBlock(nn.Module):
    """Layers each of which sees the outputs of all before it."""

    def __init__(self, channels: int, depth: int, dilation: int, config: SpeakerEncoderConfig) -> None:
        super().__init__()
        for layer in range(depth):
            dense = _DenseLayer(channels + layer * config.growth_rate, dilation, config)
            self.add_module(f"tdnnd{layer + 1}", dense)

    def forward(self, states: Tensor) -> Tensor:
        for layer in self.children():
            states = torch.cat((states, layer(states)), dim=1)
        return states


class _Transition(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.nonlinear = _normalised_relu(channels)
        self.linear = nn.Conv1d(channels, width, 1, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        narrowed: Tensor = self.linear(self.nonlinear(states))
        return narrowed


class _Statistics(nn.Module):
    """Mean and standard deviation over time, side by side."""

    def forward(self, states: Tensor) -> Tensor:
        return torch.cat((states.mean(dim=2), states.std(dim=2)), dim=1)


class _Embedding(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(channels, width, 1, bias=False)
        self.nonlinear = nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(width, affine=False)))

    def forward(self, statistics: Tensor) -> Tensor:
        embedding: Tensor = self.nonlinear(self.linear(statistics[..., None])[..., 0])
        return embedding
