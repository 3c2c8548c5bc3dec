"""Samples as sound files and sockets want them."""

import numpy as np
import numpy.typing as npt
from torch import Tensor


def to_pcm16(waveform: Tensor) -> npt.NDArray[np.int16]:
    """Convert a waveform in -1..1 to 16-bit integers, clipped, and cut towards zero as the original does."""
    samples: npt.NDArray[np.float32] = waveform.detach().cpu().numpy()
    return (samples.clip(-1, 1) * 32767).astype(np.int16)
