"""HiFT, the vocoder: from a mel spectrogram, 50 frames a second, to sound of 24 kHz.

Follows section 6.5 of the technical description; names and shapes of the weights are those of ``hift.pt`` without its
prefix. The network does not draw the waveform but its short-time spectrum, guided by a source with the right pitch.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from step_audio_2.errors import CheckpointError
from step_audio_2.speech.convolution import ChannelsLastConv1d, channels_last
from step_audio_2.speech.harmonic_source import HARMONICS, HarmonicSource
from step_audio_2.speech.short_time_fourier import ShortTimeFourier
from step_audio_2.speech.vocoder_layers import PitchPredictor, ResidualBlock, masked

SAMPLE_RATE = 24_000
SAMPLES_PER_FRAME = 480

_UP_RATES = (8, 5, 3)
_UP_KERNELS = (16, 11, 7)
_FFT_SIZE = 16
_FFT_HOP = 4
_KERNELS = (3, 7, 11)
_SOURCE_KERNELS = (7, 7, 11)
_DILATIONS = (1, 3, 5)
_SLOPE = 0.1
_LOUDEST_BIN = 100.0
_LOUDEST = 0.99


@dataclass(frozen=True)
class PitchConfig:
    """Sizes of the predictor of pitch."""

    in_channels: int = 80
    cond_channels: int = 512
    num_class: int = 1


@dataclass(frozen=True)
class VocoderConfig:
    """Sizes of the vocoder; the defaults are those of the published one, whose folder does not state them."""

    in_channels: int = 80
    base_channels: int = 512
    f0_predictor: PitchConfig = field(default_factory=PitchConfig)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "VocoderConfig":
        """Take over fields; those not given keep their defaults.

        Raises:
            CheckpointError: a field is unknown or not supported.
        """
        try:
            config = cls(**{**fields, "f0_predictor": PitchConfig(**fields.get("f0_predictor", {}))})
        except TypeError as error:
            raise CheckpointError(f"the vocoder's settings do not fit: {error}") from error
        stages = 2 ** len(_UP_RATES)
        if config.in_channels != config.f0_predictor.in_channels or config.f0_predictor.num_class != 1:
            raise CheckpointError("f0_predictor must take as many channels as the vocoder, and give one value")
        if config.base_channels < stages or config.base_channels % stages:
            raise CheckpointError(f"base_channels is {config.base_channels}; a multiple of {stages} is wanted")
        return config


class HiFTVocoder(nn.Module):
    """Mel spectrograms to sound.

    Weights are loaded in the form that weight normalisation is trained in; ``fold_weights`` makes one tensor of each
    pair, which saves computing it anew at every call.

    Args:
        config: its sizes.
    """

    def __init__(self, config: VocoderConfig | None = None) -> None:
        super().__init__()
        config = config or VocoderConfig()
        self.config = config
        self.f0_predictor = PitchPredictor(config.in_channels, config.f0_predictor.cond_channels)
        self.m_source = HarmonicSource(SAMPLES_PER_FRAME)
        self.fourier = ShortTimeFourier(_FFT_SIZE, _FFT_HOP)
        parts = _FFT_SIZE + 2
        channels = config.base_channels
        self.conv_pre = weight_norm(ChannelsLastConv1d(config.in_channels, channels, 7, padding=3))
        self.ups, self.source_downs = nn.ModuleList(), nn.ModuleList()
        self.source_resblocks, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for stage, (rate, kernel) in enumerate(zip(_UP_RATES, _UP_KERNELS, strict=True)):
            up = nn.ConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2)
            self.ups.append(weight_norm(up))
            channels //= 2
            step = math.prod(_UP_RATES[stage + 1 :])
            self.source_downs.append(
                ChannelsLastConv1d(parts, channels, *((2 * step, step, step // 2) if step > 1 else (1,)))
            )
            self.source_resblocks.append(ResidualBlock(channels, _SOURCE_KERNELS[stage], _DILATIONS))
            self.resblocks.extend(ResidualBlock(channels, kernel, _DILATIONS) for kernel in _KERNELS)
        self.conv_post = weight_norm(ChannelsLastConv1d(channels, parts, 7, padding=3))
        self.eval()

    @classmethod
    def from_config(cls, fields: Mapping[str, Any]) -> "HiFTVocoder":
        """Build it with random weights; fields not given keep the sizes of the published one.

        Raises:
            CheckpointError: a field is unknown or not supported.
        """
        return cls(VocoderConfig.from_dict(fields))

    def fold_weights(self) -> "HiFTVocoder":
        """Replace every weight's norm and direction by the weight itself; what is loaded after that must be so too."""
        for module in self.modules():
            if parametrize.is_parametrized(module, "weight"):
                parametrize.remove_parametrizations(module, "weight")
                if isinstance(module, ChannelsLastConv1d):
                    module.arrange()
        return self

    def forward(
        self,
        mel: Tensor,
        source_cache: Tensor | None = None,
        noise: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Make sound.

        Args:
            mel: [n, 80, frames].
            source_cache: [n, 1, samples], put in place of the beginning of the source, so that it goes on without a
                break where frames were made before.
            noise: [n, frames * 480, 9], standard normal; drawn anew if None.
            lengths: [n], frames of each row; None where all rows are full.

        Returns:
            The waveform [n, frames * 480] in -0.99..0.99 and the source [n, 1, frames * 480]; both without meaning
            beyond a row's end.
        """
        with torch.inference_mode():
            pitch = self.f0_predictor(mel, _mask(lengths, mel.shape[2], mel))
            if noise is None:
                noise = mel.new_empty(len(mel), mel.shape[2] * SAMPLES_PER_FRAME, HARMONICS).normal_()
            source = self.m_source(pitch, noise)
            if source_cache is not None:
                source[..., : source_cache.shape[2]] = source_cache
            return self._decode(mel, source, lengths), source

    def _decode(self, mel: Tensor, source: Tensor, lengths: Tensor | None) -> Tensor:
        """Decode a mel spectrogram and a source to a waveform."""
        spectrum = self.fourier.spectrum(source, None if lengths is None else lengths * SAMPLES_PER_FRAME)
        fine = None if lengths is None else lengths * math.prod(_UP_RATES) + 1
        spectrum_mask = _mask(fine, spectrum.shape[2], spectrum)
        spectrum = channels_last(masked(spectrum, spectrum_mask))
        mask = _mask(lengths, mel.shape[2], mel)
        states = self.conv_pre(channels_last(masked(mel, mask)))
        kernels = len(_KERNELS)
        for stage, up in enumerate(self.ups):
            states = up(masked(functional.leaky_relu(states, _SLOPE), mask))
            if stage == len(self.ups) - 1:
                states = functional.pad(states, (1, 0), mode="reflect")
                mask = spectrum_mask
            elif lengths is not None:
                lengths = lengths * _UP_RATES[stage]
                mask = _mask(lengths, states.shape[2], states)
            states = channels_last(states) + self.source_resblocks[stage](self.source_downs[stage](spectrum), mask)
            blocks = self.resblocks[stage * kernels : (stage + 1) * kernels]
            states = torch.stack([block(states, mask) for block in blocks]).mean(dim=0)
        # The slope here is the library's default and not that of the stages.
        logarithm, angle = self.conv_post(masked(functional.leaky_relu(states), mask)).chunk(2, dim=1)
        magnitude, phase = logarithm.exp().clamp(max=_LOUDEST_BIN), angle.sin()
        drawn = torch.cat((magnitude * phase.cos(), magnitude * phase.sin()), dim=1)
        return self.fourier.waveform(drawn, mask).clamp(-_LOUDEST, _LOUDEST)


def _mask(lengths: Tensor | None, size: int, like: Tensor) -> Tensor | None:
    """Return the mask [n, 1, size], 1 before each row's end; None where all rows are full."""
    if lengths is None:
        return None
    return (torch.arange(size, device=like.device) < lengths.to(like.device)[:, None, None]).to(like.dtype)
