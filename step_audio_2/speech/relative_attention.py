"""Self-attention that sees how far apart two frames are, as in Transformer-XL and ESPnet's conformer."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def position_table(reach: int, width: int, like: Tensor) -> Tensor:
    """Return sinusoids [2 * reach - 1, width] for the distances reach - 1 down to 1 - reach; the past is positive."""
    distances = torch.arange(reach - 1, -reach, -1, device=like.device, dtype=torch.float32)
    frequencies = torch.exp(torch.arange(0, width, 2, device=like.device) * (-math.log(10_000.0) / width))
    angles = distances[:, None] * frequencies
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1).to(like.dtype)


class RelativeAttention(nn.Module):
    """Attention whose scores are (q + u) k + (q + v) p, with p standing for the distance of query and key.

    Args:
        width: of the states.
        heads: how many of them share it.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linear_q = nn.Linear(width, width)
        self.linear_k = nn.Linear(width, width)
        self.linear_v = nn.Linear(width, width)
        self.linear_out = nn.Linear(width, width)
        self.linear_pos = nn.Linear(width, width, bias=False)
        self.pos_bias_u = nn.Parameter(torch.zeros(heads, width // heads))
        self.pos_bias_v = nn.Parameter(torch.zeros(heads, width // heads))

    def project_positions(self, table: Tensor) -> Tensor:
        """Project a ``position_table`` for this layer: [heads, 2 * reach - 1, head width]."""
        return self._heads(self.linear_pos(table))

    def keys_and_values(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values [n, heads, frames, head width] of states [n, frames, width]."""
        return self._heads(self.linear_k(states)), self._heads(self.linear_v(states))

    def forward(self, states: Tensor, keys: Tensor, values: Tensor, positions: Tensor, mask: Tensor | None) -> Tensor:
        """Attend from the last frames to all of them.

        Args:
            states: [n, frames, width], those that ask.
            keys: [n, heads, seen, head width], of ``seen`` frames that end with the ones that ask.
            values: likewise.
            positions: from ``project_positions``, with a reach of at least ``seen``.
            mask: [n, seen], true where a key may be looked at; None for everywhere.

        Returns:
            [n, frames, width].
        """
        frames, seen = states.shape[1], keys.shape[2]
        middle = positions.shape[1] // 2
        positions = positions[:, middle - seen + 1 : middle + frames]
        query = self.linear_q(states).unflatten(-1, (self.heads, -1))
        scale = query.shape[-1] ** -0.5
        by_distance = ((query + self.pos_bias_v) * scale).transpose(1, 2) @ positions.transpose(1, 2)
        bias = _by_key(by_distance.contiguous(), seen)
        bias = bias.contiguous() if mask is None else bias.masked_fill(~mask[:, None, None], -math.inf)
        content = (query + self.pos_bias_u).transpose(1, 2)
        mixed = functional.scaled_dot_product_attention(content, keys, values, attn_mask=bias.to(content.dtype))
        attended: Tensor = self.linear_out(mixed.transpose(1, 2).flatten(2))
        return attended

    def _heads(self, projected: Tensor) -> Tensor:
        return projected.view(*projected.shape[:-1], self.heads, -1).transpose(-3, -2)


def _by_key(by_distance: Tensor, seen: int) -> Tensor:
    """Turn scores [n, heads, frames, frames + seen - 1] by distance into scores [n, heads, frames, seen] by key.

    The i-th of the frames that ask finds its first key frames - 1 - i columns to the right, so each row is the same
    memory read from one place further to the left; nothing is copied.
    """
    rows, heads, frames, distances = by_distance.shape
    strides = (heads * frames * distances, frames * distances, distances - 1, 1)
    return by_distance.as_strided((rows, heads, frames, seen), strides, frames - 1)
