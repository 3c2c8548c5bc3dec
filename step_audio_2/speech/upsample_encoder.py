"""The encoder of the flow model: from codes, 25 a second, to conditions for mel frames, 50 a second.

Follows section 6.4 of the technical description. Attention sees everything there is; the convolutions see the past
only, but for the first one, which looks three codes ahead.
"""

import math
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from step_audio_2.speech.convolution import ChannelsLastConv1d
from step_audio_2.speech.flow_config import EncoderConfig
from step_audio_2.speech.relative_attention import RelativeAttention, position_table

UPSAMPLING = 2
_UP_KERNEL = 5
_HISTORY_KERNEL = 3
_FIRST_REACH = 512


@dataclass
class LayerCache:
    """What one layer remembers of the frames so far.

    Attributes:
        keys: [n, heads, room, head width].
        values: of the same shape.
        positions: of the frames, as the attention takes them.
        frames: how many there are; what lies beyond them is room.
    """

    keys: Tensor
    values: Tensor
    positions: Tensor
    frames: int = 0

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keep what is new; returns all there is."""
        begin, self.frames = self.frames, self.frames + keys.shape[2]
        if self.frames > self.keys.shape[2]:
            self.keys, self.values = _grown(self.keys, keys, self.frames), _grown(self.values, values, self.frames)
        self.keys[:, :, begin : self.frames] = keys
        self.values[:, :, begin : self.frames] = values
        return self.keys[:, :, : self.frames], self.values[:, :, : self.frames]


@dataclass
class EncoderCache:
    """What an encoder that is fed piece by piece remembers.

    Attributes:
        lookahead: [n, 2, width], the last frames between the two convolutions of the first layer.
        upsampled: [n, 4, width], the last frames before the convolution that smooths the doubled frames.
        layers: of the layers at 25 frames a second.
        up_layers: of the layers at 50 frames a second.
    """

    lookahead: Tensor
    upsampled: Tensor
    layers: list[LayerCache]
    up_layers: list[LayerCache]

    def clone(self) -> "EncoderCache":
        """Copy the cache, so that extending the copy leaves this one as it is."""
        layers, up_layers = (
            [replace(layer, keys=layer.keys.clone(), values=layer.values.clone()) for layer in half]
            for half in (self.layers, self.up_layers)
        )
        return EncoderCache(self.lookahead, self.upsampled, layers, up_layers)


class UpsampleEncoder(nn.Module):
    """Conformer layers without convolution, a doubling of frames, and more such layers.

    Args:
        config: its sizes.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.output_size
        self.config = config
        self.embed = _Embed(config.input_size, width)
        self.pre_lookahead_layer = _Lookahead(width, config.pre_lookahead_len)
        self.encoders = nn.ModuleList(_Layer(config) for _ in range(config.num_blocks))
        self.up_layer = _Upsampling(width)
        self.up_embed = _Embed(width, width)
        self.up_encoders = nn.ModuleList(_Layer(config) for _ in range(config.num_up_blocks))
        self.after_norm = nn.LayerNorm(width)

    def forward(self, embeddings: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode whole utterances.

        Args:
            embeddings: [n, codes, input width].
            mask: [n, codes], true where there is a code; None where all rows are full.

        Returns:
            [n, 2 * codes, width], without meaning beyond a row's end.
        """
        states = self.embed(embeddings)
        if mask is not None:
            # The first convolution looks ahead, where a row of its own would be followed by zeros.
            states = states * mask[..., None].to(states.dtype)
        ahead = states.new_zeros(len(states), self.config.pre_lookahead_len, states.shape[2])
        states, _ = self.pre_lookahead_layer(states, ahead, None)
        states = self._attend(self.encoders, states, mask)
        states, _ = self.up_layer(states, None)
        up_mask = None if mask is None else mask.repeat_interleave(UPSAMPLING, dim=1)
        states = self._attend(self.up_encoders, self.up_embed(states), up_mask)
        encoded: Tensor = self.after_norm(states)
        return encoded

    def new_cache(self, rows: int, like: Tensor) -> EncoderCache:
        """Make an empty cache for utterances in so many rows, with the kind and device of ``like``."""
        width = self.config.output_size

        def layers(count: int) -> list[LayerCache]:
            empty = like.new_zeros(rows, self.config.attention_heads, 0, width // self.config.attention_heads)
            return [LayerCache(empty, empty, empty[0]) for _ in range(count)]

        return EncoderCache(
            like.new_zeros(rows, _HISTORY_KERNEL - 1, width),
            like.new_zeros(rows, _UP_KERNEL - 1, width),
            layers(len(self.encoders)),
            layers(len(self.up_encoders)),
        )

    def extend(self, embeddings: Tensor, cache: EncoderCache, last: bool) -> Tensor:
        """Encode the next piece of an utterance.

        Args:
            embeddings: [n, codes, input width]; unless it is the last piece, its final three codes are only looked at
                and are the first three of the next piece.
            cache: of the pieces before; what this piece adds to it is left in it.
            last: whether nothing follows.

        Returns:
            [n, 2 * codes, width], three codes fewer unless it is the last piece.
        """
        states = self.embed(embeddings)
        lookahead = self.config.pre_lookahead_len
        if last:
            ahead = states.new_zeros(len(states), lookahead, states.shape[2])
        else:
            states, ahead = states[:, :-lookahead], states[:, -lookahead:]
        states, cache.lookahead = self.pre_lookahead_layer(states, ahead, cache.lookahead)
        states = self._continue(self.encoders, states, cache.layers)
        states, cache.upsampled = self.up_layer(states, cache.upsampled)
        states = self._continue(self.up_encoders, self.up_embed(states), cache.up_layers)
        encoded: Tensor = self.after_norm(states)
        return encoded

    @staticmethod
    def _attend(layers: nn.ModuleList, states: Tensor, mask: Tensor | None) -> Tensor:
        table = position_table(states.shape[1], states.shape[2], states)
        for layer in layers:
            positions = cast(_Layer, layer).self_attn.project_positions(table)
            states = layer(states, positions, mask)
        return states

    @staticmethod
    def _continue(layers: nn.ModuleList, states: Tensor, caches: list[LayerCache]) -> Tensor:
        seen = caches[0].frames + states.shape[1]
        if caches[0].positions.shape[1] < 2 * seen - 1:
            reach = max(_FIRST_REACH, 1 << (seen - 1).bit_length())
            table = position_table(reach, states.shape[2], states)
            for layer, cache in zip(layers, caches, strict=True):
                cache.positions = cast(_Layer, layer).self_attn.project_positions(table)
        for layer, cache in zip(layers, caches, strict=True):
            states = layer(states, cache.positions, cache=cache)
        return states


class _Embed(nn.Module):
    """A linear layer with normalisation, scaled up as transformers scale their embeddings."""

    def __init__(self, input_width: int, width: int) -> None:
        super().__init__()
        self.out = nn.Sequential(nn.Linear(input_width, width), nn.LayerNorm(width))
        self.scale = math.sqrt(width)

    def forward(self, embeddings: Tensor) -> Tensor:
        states: Tensor = self.out(embeddings) * self.scale
        return states


class _Lookahead(nn.Module):
    """Two convolutions over time, the first into the future and the second into the past, beside a short cut."""

    def __init__(self, width: int, ahead: int) -> None:
        super().__init__()
        self.conv1 = ChannelsLastConv1d(width, width, ahead + 1)
        self.conv2 = ChannelsLastConv1d(width, width, _HISTORY_KERNEL)

    def forward(self, states: Tensor, ahead: Tensor, history: Tensor | None) -> tuple[Tensor, Tensor]:
        inner = functional.leaky_relu(_convolve(self.conv1, torch.cat((states, ahead), dim=1)))
        inner = _preceded(inner, history, _HISTORY_KERNEL - 1)
        return states + _convolve(self.conv2, inner), inner[:, 1 - _HISTORY_KERNEL :]


class _Upsampling(nn.Module):
    """Every frame twice, smoothed by a convolution into the past."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = ChannelsLastConv1d(width, width, _UP_KERNEL)

    def forward(self, states: Tensor, history: Tensor | None) -> tuple[Tensor, Tensor]:
        doubled = _preceded(states.repeat_interleave(UPSAMPLING, dim=1), history, _UP_KERNEL - 1)
        return _convolve(self.conv, doubled), doubled[:, 1 - _UP_KERNEL :]


class _Layer(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.output_size
        self.self_attn = RelativeAttention(width, config.attention_heads)
        self.feed_forward = nn.ModuleDict(
            {"w_1": nn.Linear(width, config.linear_units), "w_2": nn.Linear(config.linear_units, width)}
        )
        self.norm_mha = nn.LayerNorm(width, eps=1e-12)
        self.norm_ff = nn.LayerNorm(width, eps=1e-12)

    def forward(
        self, states: Tensor, positions: Tensor, mask: Tensor | None = None, cache: LayerCache | None = None
    ) -> Tensor:
        normalised = self.norm_mha(states)
        keys, values = self.self_attn.keys_and_values(normalised)
        if cache is not None:
            keys, values = cache.append(keys, values)
        states = states + self.self_attn(normalised, keys, values, positions, mask)
        inner = functional.silu(self.feed_forward["w_1"](self.norm_ff(states)))
        transformed: Tensor = states + self.feed_forward["w_2"](inner)
        return transformed


def _convolve(convolution: nn.Module, states: Tensor) -> Tensor:
    """Convolve states [n, frames, width] over time."""
    convolved: Tensor = convolution(states.transpose(1, 2)).transpose(1, 2)
    return convolved


def _preceded(states: Tensor, history: Tensor | None, frames: int) -> Tensor:
    """Put states after those before them, or after zeros at the beginning."""
    if history is None:
        return functional.pad(states, (0, 0, frames, 0))
    return torch.cat((history, states), dim=1)


def _grown(kept: Tensor, new: Tensor, least: int) -> Tensor:
    """Make room for at least so many frames like the new ones, at least doubled, beginning with the frames kept."""
    room = kept.shape[2]
    grown = new.new_empty(*new.shape[:2], max(least, 2 * room), new.shape[3])
    grown[:, :, :room] = kept
    return grown
