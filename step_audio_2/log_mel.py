"""The audio front end: from a waveform of 16 kHz to log-mel spectrograms of pieces of at most 25 seconds.

Follows section 2 of the model's technical description: Whisper's 128-bin features, except that 479 zeros are appended
and the last frame is dropped, so that a piece of L samples has (L + 479) // 160 frames.
"""

from functools import cache
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SAMPLE_RATE = 16_000
N_MELS = 128
_N_FFT = 400
_HOP = 160
_PADDING = 479
_PIECE_SAMPLES = 25 * SAMPLE_RATE


@cache
def _mel_filters() -> Tensor:
    """Return the filter bank [128, 201] of librosa's defaults: Slaney's scale and area norm, 0 to 8000 Hz."""
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(_N_FFT // 2 + 1, N_MELS, 0.0, SAMPLE_RATE / 2, SAMPLE_RATE, "slaney", "slaney")
    return torch.from_numpy(filters.T).to(torch.float32).contiguous()


def log_mel_spectrogram(waveform: "Tensor | npt.NDArray[np.float32]", padding: int = _PADDING) -> Tensor:
    """Compute the log-mel spectrogram [128, frames] of one piece of audio, 100 frames a second, in float32.

    Args:
        waveform: [samples] at 16 kHz in -1..1, on any device.
        padding: zeros appended; 479 for the model that listens, 0 for the speech tokenizer.

    Raises:
        ValueError: the waveform is not one-dimensional, or too short to make a frame of.
    """
    waveform = torch.as_tensor(waveform)
    if waveform.dim() != 1 or len(waveform) + padding <= _N_FFT // 2:
        raise ValueError(f"a waveform of one dimension is wanted, with samples in it; its shape is {[*waveform.shape]}")
    waveform = torch.nn.functional.pad(waveform.to(torch.float32), (0, padding))
    window = torch.hann_window(_N_FFT, device=waveform.device)
    spectrum = torch.stft(waveform, _N_FFT, _HOP, window=window, return_complex=True)[:, :-1]
    mel = _mel_filters().to(waveform.device) @ spectrum.abs() ** 2
    log_mel = mel.clamp(min=1e-10).log10()
    # The floor is set by the loudest frame of this piece, so a long recording must be cut before.
    return (log_mel.maximum(log_mel.max() - 8.0) + 4.0) / 4.0


def pieces(waveform: Tensor) -> list[Tensor]:
    """Cut a waveform [samples] into consecutive pieces of 25 seconds, the last one shorter; none if it is empty."""
    return list(waveform.split(_PIECE_SAMPLES)) if len(waveform) else []


def padded_mels(mels: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Batch spectrograms [128, frames] to [n, 128, longest], zeros on the right, with the model's lengths [n].

    The model counts two frames less than there are, and so does ``audio_token_count``.
    """
    lengths = torch.tensor([mel.shape[1] - 2 for mel in mels], dtype=torch.int32)
    batch = torch.nn.utils.rnn.pad_sequence([mel.T for mel in mels], batch_first=True).transpose(1, 2)
    return cast(Tensor, batch), lengths


def audio_token_count(mel_frames: int) -> int:
    """Count the positions that so many mel frames take in the language model's input: 12.5 a second."""
    pooled = (mel_frames - 2 + 1) // 2 // 2
    return (pooled - 1) // 2 + 1
