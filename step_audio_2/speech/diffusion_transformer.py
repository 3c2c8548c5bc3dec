"""The diffusion transformer that estimates the velocity of the flow from noise to a mel spectrogram.

Follows section 6.4 of the technical description: attention without positions, a causal convolution and a
feed-forward part in every block, each modulated by the time of the flow.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from step_audio_2.speech.convolution import ChannelsLastConv1d
from step_audio_2.speech.estimator_cache import BlockCache
from step_audio_2.speech.flow_config import EstimatorConfig

_TIME_FEATURES = 256
_TIME_SCALE = 1000.0
_LONGEST_PERIOD = 10_000.0
_KERNEL = 3
_EPSILON = 1e-6


@dataclass(frozen=True)
class Modulation:
    """What one time of the flow does to every block, computed for all times at once.

    Attributes:
        blocks: [depth, 3, 3, width]: for attention, feed-forward part and convolution a shift, a scale and a gate.
        final: [2, width]: shift and scale before the last layer.
    """

    blocks: Tensor
    final: Tensor


class DiffusionTransformer(nn.Module):
    """Estimates velocities of a batch that is at one and the same time of the flow.

    Args:
        config: its sizes.
    """

    def __init__(self, config: EstimatorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.t_embedder = _TimeEmbedding(width)
        self.in_proj = nn.Linear(config.in_channels, width)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self.final_layer = _FinalLayer(width, config.out_channels)

    def modulations(self, times: Tensor) -> list[Modulation]:
        """Compute how each of the times [steps], from 0 to 1, modulates the network; it depends on nothing else."""
        embedded = self.t_embedder(times)
        width = self.config.hidden_size
        parts = [block.get_submodule("adaLN_modulation")(embedded) for block in self.blocks]
        blocks = torch.stack(parts, dim=1).view(len(times), -1, 3, 3, width)
        final = self.final_layer.adaLN_modulation(embedded).view(len(times), 2, width)
        # The weights are trained as deviations from a scale of 1.
        blocks[..., 1, :] += 1
        final[:, 1] += 1
        return [Modulation(*step) for step in zip(blocks, final, strict=True)]

    def condition(self, mu: Tensor, speaker: Tensor, prompt: Tensor) -> Tensor:
        """Compute the share of the conditions in the first layer's output, which is the same at every step.

        Args:
            mu: [n, frames, 80], what the encoder made of the codes.
            speaker: [n, 80].
            prompt: [n, frames, 80], the mel spectrogram where it is given, and zeros.

        Returns:
            [n, frames, width].
        """
        speakers = speaker[:, None].expand(-1, mu.shape[1], -1)
        weight = self.in_proj.weight[:, self.config.out_channels :]
        return functional.linear(torch.cat((mu, speakers, prompt), dim=-1), weight, self.in_proj.bias)

    def forward(
        self,
        noisy: Tensor,
        conditions: Tensor,
        modulation: Modulation,
        mask: Tensor | None = None,
        caches: list[BlockCache] | None = None,
    ) -> Tensor:
        """Estimate velocities.

        Args:
            noisy: [n, frames, 80], the state of the flow.
            conditions: [n, frames, width], from ``condition``.
            modulation: of the time of the flow.
            mask: [n, frames], or with caches [1, frames seen], true where a frame may be attended to; None for all.
            caches: of each block, for the next piece of an utterance; what this piece adds is left in them.

        Returns:
            [n, frames, 80].
        """
        states = functional.linear(noisy, self.in_proj.weight[:, : self.config.out_channels]) + conditions
        for index, block in enumerate(self.blocks):
            states = block(states, modulation.blocks[index], mask, caches[index] if caches else None)
        velocity: Tensor = self.final_layer(states, modulation.final)
        return velocity


class _TimeEmbedding(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(_TIME_FEATURES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, times: Tensor) -> Tensor:
        half = _TIME_FEATURES // 2
        periods = torch.exp(torch.arange(half, device=times.device) * (-math.log(_LONGEST_PERIOD) / half))
        angles = times.to(torch.float32)[:, None] * _TIME_SCALE * periods
        embedded: Tensor = self.mlp(torch.cat((angles.cos(), angles.sin()), dim=-1).to(times.dtype))
        return embedded


class _Block(nn.Module):
    def __init__(self, config: EstimatorConfig) -> None:
        super().__init__()
        width = config.hidden_size
        inner = int(width * config.mlp_ratio)
        self.attn = _Attention(width, config.num_heads, config.head_dim)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, inner), "fc2": nn.Linear(inner, width)})
        self.conv = _Convolutions(width)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 9 * width))

    def forward(self, states: Tensor, modulation: Tensor, mask: Tensor | None, cache: BlockCache | None) -> Tensor:
        shifts, scales, gates = modulation.unbind(1)
        # The modulation lists the feed-forward part second; it is applied third.
        attended = self.attn(_modulated(states, shifts[0], scales[0]), mask, cache)
        states = torch.addcmul(states, gates[0], attended)
        convolved = self.conv(_modulated(states, shifts[2], scales[2]), cache)
        states = torch.addcmul(states, gates[2], convolved)
        inner = self.mlp["fc1"](_modulated(states, shifts[1], scales[1]))
        return torch.addcmul(states, gates[1], self.mlp["fc2"](functional.gelu(inner, approximate="tanh")))


class _Attention(nn.Module):
    """Attention with normalised queries and keys, and no sense of order."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, heads * head_width)
        self.to_k = nn.Linear(width, heads * head_width)
        self.to_v = nn.Linear(width, heads * head_width)
        self.q_norm = nn.LayerNorm(head_width)
        self.k_norm = nn.LayerNorm(head_width)
        self.proj = nn.Linear(heads * head_width, width)

    def forward(self, states: Tensor, mask: Tensor | None, cache: BlockCache | None) -> Tensor:
        query, keys, values = (
            project(states).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.to_q, self.to_k, self.to_v)
        )
        query, keys = self.q_norm(query), self.k_norm(keys)
        if cache is not None:
            keys, values = cache.attend(keys, values)
        mixed = functional.scaled_dot_product_attention(
            query.to(values.dtype), keys.to(values.dtype), values, None if mask is None else mask[:, None, None]
        )
        attended: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return attended


class _Convolutions(nn.Module):
    """Two causal convolutions; the numbers are the places in the published model's list of layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.ModuleDict(
            {
                "1": ChannelsLastConv1d(width, width, _KERNEL),
                "3": nn.LayerNorm(width),
                "6": ChannelsLastConv1d(width, width, _KERNEL),
            }
        )

    def forward(self, states: Tensor, cache: BlockCache | None) -> Tensor:
        states = self._convolve("1", states, cache, 0)
        return self._convolve("6", functional.mish(self.block["3"](states)), cache, 1)

    def _convolve(self, name: str, states: Tensor, cache: BlockCache | None, place: int) -> Tensor:
        padded = functional.pad(states, (0, 0, _KERNEL - 1, 0)) if cache is None else cache.precede(states, place)
        convolved: Tensor = self.block[name](padded.transpose(1, 2)).transpose(1, 2)
        return convolved


class _FinalLayer(nn.Module):
    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        self.linear = nn.Linear(width, channels)

    def forward(self, states: Tensor, modulation: Tensor) -> Tensor:
        projected: Tensor = self.linear(_modulated(states, *modulation))
        return projected


def _modulated(states: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Normalise, scale and shift in one go: the modulation serves as the normalisation's own weights."""
    return functional.layer_norm(states, shift.shape, scale, shift, _EPSILON)
