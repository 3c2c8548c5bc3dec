"""The speech tokenizer of CosyVoice 2 (S3, version 2): from a log-mel spectrogram to 25 codes a second.

Follows section 6.2 of the technical description; names and shapes of the weights are those of its PyTorch port.
Only the prompt that gives the voice needs it: generated speech comes as codes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

MEL_BINS = 128
CODE_COUNT = 3**8

_DIGITS = 8
_LEVELS = 3
# Just below 1, so that a saturated tanh does not lie on the edge between two levels.
_SQUEEZE = 0.9990000128746033
_MEMORY_KERNEL = 31
_ROTARY_BASE = 10_000.0

_WINDOW_FRAMES = 3000
_STRIDE_FRAMES = 2600
_INNER_CODES = 50

Tokenize = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class SpeechTokenizerConfig:
    """Sizes of the tokenizer; the defaults are those of the published one."""

    n_mels: int = MEL_BINS
    n_audio_state: int = 1280
    n_audio_head: int = 20
    n_audio_layer: int = 6


class SpeechTokenizer(nn.Module):
    """Two strided convolutions, attention with rotary positions and a memory of neighbours, and a quantizer.

    Args:
        config: its sizes.
    """

    def __init__(self, config: SpeechTokenizerConfig | None = None) -> None:
        super().__init__()
        config = config or SpeechTokenizerConfig()
        self.encoder = _Encoder(config)
        self.quantizer = _Quantizer(config.n_audio_state)

    def forward(self, mel: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the codes of a batch.

        Args:
            mel: [n, 128, longest], at 100 frames a second, filled up on the right with anything.
            lengths: [n], whole numbers of frames.

        Returns:
            Codes [n, ceil(ceil(longest / 2) / 2)], those beyond a row's own end without meaning, and their counts [n].
        """
        hidden, lengths = self.encoder(mel, lengths)
        return self.quantizer.codes(self.quantizer(hidden)), lengths

    def tokenize(self, mel: Tensor) -> Tensor:
        """Return the codes [codes] of one spectrogram [128, frames] of at most 30 seconds, on the weights' device."""
        weight = self.encoder.conv1.weight
        lengths = torch.tensor([mel.shape[1]], device=weight.device)
        with torch.inference_mode():
            codes: Tensor = self(mel[None].to(weight.device, weight.dtype), lengths)[0][0]
        return codes


def tokenize_long(tokenize: Tokenize, mel: Tensor) -> Tensor:
    """Return the codes [codes] of a spectrogram [128, frames] of any length.

    Beyond 30 seconds, windows of 30 seconds are taken that overlap by 4, and of each overlap either window gives
    the half that lies further from its edge.
    """
    starts = range(0, max(mel.shape[1] - _WINDOW_FRAMES, 0) + _STRIDE_FRAMES, _STRIDE_FRAMES)
    windows = [tokenize(mel[:, start : start + _WINDOW_FRAMES]) for start in starts]
    parts = [codes[:-_INNER_CODES] for codes in windows[:-1]] + windows[-1:]
    return torch.cat(parts[:1] + [codes[_INNER_CODES:] for codes in parts[1:]])


class _Encoder(nn.Module):
    def __init__(self, config: SpeechTokenizerConfig) -> None:
        super().__init__()
        width = config.n_audio_state
        self.head_width = width // config.n_audio_head
        self.conv1 = nn.Conv1d(config.n_mels, width, 3, stride=2, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(_Block(width, config.n_audio_head) for _ in range(config.n_audio_layer))

    def forward(self, mel: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        states = mel
        for convolution in (self.conv1, self.conv2):
            states = functional.gelu(convolution(states * _before(lengths, states.shape[2])[:, None].to(states.dtype)))
            lengths = (lengths + 1) // 2
        states = states.transpose(1, 2)
        mask = _before(lengths, states.shape[1])
        rotation = _rotation(states.shape[1], self.head_width, states)
        for block in self.blocks:
            states = block(states, mask, rotation)
        return states, lengths


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = _MemoryAttention(width, heads)
        self.attn_ln = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.mlp_ln = nn.LayerNorm(width)

    def forward(self, states: Tensor, mask: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        states = states + self.attn(self.attn_ln(states), mask, rotation)
        transformed: Tensor = states + self.mlp(self.mlp_ln(states))
        return transformed


class _MemoryAttention(nn.Module):
    """Self-attention, to whose output a convolution over neighbouring values is added."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.fsmn_block = nn.Conv1d(width, width, _MEMORY_KERNEL, padding=_MEMORY_KERNEL // 2, groups=width, bias=False)

    def forward(self, states: Tensor, mask: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        query, key = (
            _rotate(project(states).unflatten(-1, (self.heads, -1)).transpose(1, 2), rotation)
            for project in (self.query, self.key)
        )
        value = self.value(states)
        present = mask[..., None].to(states.dtype)
        kept = value * present
        memory = (self.fsmn_block(kept.transpose(1, 2)).transpose(1, 2) + kept) * present
        heads = value.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        mixed = functional.scaled_dot_product_attention(query, key, heads, attn_mask=mask[:, None, None])
        combined: Tensor = self.out(mixed.transpose(1, 2).flatten(2)) + memory
        return combined


class _Quantizer(nn.Module):
    """Finite scalar quantization: eight digits of three levels each make one code."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self._codebook = nn.ModuleDict({"project_down": nn.Linear(width, _DIGITS)})

    def forward(self, hidden: Tensor) -> Tensor:
        """Project states [..., width] to what is rounded to digits, [..., 8], still without bounds."""
        projected: Tensor = self._codebook["project_down"](hidden)
        return projected

    def codes(self, projected: Tensor) -> Tensor:
        """Return the codes [...] that the projection [..., 8] rounds to, lowest digit first."""
        digits = (projected.tanh() * _SQUEEZE).round().to(torch.int64) + 1
        return (digits * _LEVELS ** torch.arange(_DIGITS, device=digits.device)).sum(dim=-1)


def _before(ends: Tensor, length: int) -> Tensor:
    """Return the mask [n, length], true before each end."""
    return torch.arange(length, device=ends.device) < ends[:, None]


def _rotation(length: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosines and sines [length, width] of the rotary positions."""
    frequencies = _ROTARY_BASE ** (-torch.arange(0, width, 2, device=like.device) / width)
    places = torch.arange(length, device=like.device, dtype=torch.float32)
    angles = torch.outer(places, frequencies).repeat(1, 2)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def _rotate(heads: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    cosines, sines = rotation
    first, second = heads.chunk(2, dim=-1)
    return heads * cosines + torch.cat((-second, first), dim=-1) * sines
