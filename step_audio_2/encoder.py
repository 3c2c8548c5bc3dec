"""The audio encoder, Whisper's with pooling, and the adaptor that brings its output into the language model's space.

Names and shapes of the weights are those of the published checkpoints (``encoder.*``, ``adapter.*``).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from step_audio_2.configuration import AudioEncoderConfig

_ADAPTOR_WIDTH = 2048


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        query, key, value = (
            project(states).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        projected: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return projected


class EncoderBlock(nn.Module):
    """One transformer layer with normalisation before each part."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = _Attention(width, heads)
        self.attn_ln = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.mlp_ln = nn.LayerNorm(width)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Transform states [n, positions, width]; the mask [n, 1, 1, positions] is true for keys to attend to."""
        states = states + self.attn(self.attn_ln(states), mask)
        transformed: Tensor = states + self.mlp(self.mlp_ln(states))
        return transformed


class AudioEncoder(nn.Module):
    """Mel spectrograms at 100 frames a second to states at 25 a second."""

    def __init__(self, config: AudioEncoderConfig) -> None:
        super().__init__()
        width = config.n_audio_state
        self.conv1 = nn.Conv1d(config.n_mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.positional_embedding = nn.Embedding(config.n_audio_ctx, width)
        self.blocks = nn.ModuleList(EncoderBlock(width, config.n_audio_head) for _ in range(config.n_audio_layer))
        self.avg_pooler = nn.AvgPool1d(2, stride=2)
        self.after_norm = nn.LayerNorm(width)

    def forward(self, mels: Tensor, frames: Tensor, valid_frames: Tensor) -> Tensor:
        """Encode spectrograms.

        Args:
            mels: [n, 128, longest].
            frames: [n], how many frames each spectrogram takes up before the zeros that fill up the batch.
            valid_frames: [n], how many of them may be attended to.

        Returns:
            [n, longest // 4, width]; what lies beyond a spectrogram's own end is zero.

        Raises:
            ValueError: a spectrogram is longer than the table of positions.
        """
        states = functional.gelu(self.conv1(mels))
        # Alone, the second convolution would meet zeros here and not what the first one makes of padding.
        states = states * _before(frames, states.shape[-1])[:, None].to(states.dtype)
        states = functional.gelu(self.conv2(states)).transpose(1, 2)
        positions, most = states.shape[1], self.positional_embedding.num_embeddings
        if positions > most:
            raise ValueError(
                f"a spectrogram has {mels.shape[-1]} frames; {2 * most} is the most that the encoder takes: "
                "cut the audio into pieces of 25 seconds"
            )
        states = states + self.positional_embedding.weight[:positions].to(states.dtype)
        # The original takes every second entry of its frame mask, beginning so that the last frame is among them.
        first = (frames + 1) % 2
        mask = first[:, None] + 2 * torch.arange(positions, device=mels.device) < valid_frames[:, None]
        for block in self.blocks:
            states = block(states, mask[:, None, None])
        states = self.after_norm(self.avg_pooler(states.transpose(1, 2)).transpose(1, 2))
        pooled: Tensor = states * _before((frames + 1) // 2 // 2, states.shape[1])[..., None].to(states.dtype)
        return pooled


class Adaptor(nn.Module):
    """Encoder states at 25 a second to input embeddings of the language model at 12.5 a second."""

    def __init__(self, config: AudioEncoderConfig) -> None:
        super().__init__()
        width = config.n_audio_state
        self.conv = nn.Conv1d(width, width, config.kernel_size, stride=config.adapter_stride, padding=1)
        self.linear1 = nn.Linear(width, _ADAPTOR_WIDTH)
        self.linear2 = nn.Linear(_ADAPTOR_WIDTH, config.llm_dim)

    def forward(self, states: Tensor) -> Tensor:
        """Map states [n, positions, encoder width] to [n, ceil(positions / 2), width of the language model]."""
        states = functional.gelu(self.conv(states.transpose(1, 2))).transpose(1, 2)
        embeddings: Tensor = self.linear2(functional.relu(self.linear1(states)))
        return embeddings


def _before(ends: Tensor, length: int) -> Tensor:
    """Return the mask [n, length], true before each end."""
    return torch.arange(length, device=ends.device) < ends[:, None]
