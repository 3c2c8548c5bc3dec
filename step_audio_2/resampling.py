"""Change of sample rate by windowed-sinc interpolation, with the arithmetic that the model's own features were made by.

The result equals that of torchaudio's ``Resample`` with its defaults (section 6.2 of the technical description): the
prompt's codes and its speaker embedding depend on the last digits, which other resamplers do not share.
"""

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

_ZERO_CROSSINGS = 6
_ROLLOFF = 0.99


def resample(waveform: Tensor, source_rate: int, target_rate: int) -> Tensor:
    """Bring sound to another sample rate.

    Args:
        waveform: [..., samples] in floating point, on any device.
        source_rate: hertz it has.
        target_rate: hertz it is to have.

    Returns:
        [..., ceil(samples * target_rate / source_rate)]; the waveform itself if the rates are equal.

    Raises:
        ValueError: a rate is not a positive whole number.
    """
    if source_rate != int(source_rate) or target_rate != int(target_rate) or min(source_rate, target_rate) <= 0:
        raise ValueError(f"sample rates must be positive whole numbers, not {source_rate} and {target_rate}")
    if source_rate == target_rate:
        return waveform
    divisor = math.gcd(int(source_rate), int(target_rate))
    source, target = int(source_rate) // divisor, int(target_rate) // divisor
    filters, reach = _filters(source, target)
    samples = waveform.shape[-1]
    rows = functional.pad(waveform.reshape(-1, 1, samples), (reach, reach + source))
    # One filter for each of the target's phases; a step of the convolution spans one period of both rates.
    phases = functional.conv1d(rows, filters.to(rows), stride=source)
    resampled = phases.transpose(1, 2).reshape(*waveform.shape[:-1], -1)
    return resampled[..., : -(-samples * target // source)]


@cache
def _filters(source: int, target: int) -> tuple[Tensor, int]:
    """Return the filters [target, 1, 2 * reach + source] and how many source samples they reach to either side."""
    cutoff = min(source, target) * _ROLLOFF
    reach = math.ceil(_ZERO_CROSSINGS * source / cutoff)
    offsets = torch.arange(-reach, reach + source, dtype=torch.float64) / source
    phases = torch.arange(target, dtype=torch.float64) / target
    distances = ((offsets - phases[:, None]) * cutoff).clamp(-_ZERO_CROSSINGS, _ZERO_CROSSINGS)
    window = torch.cos(distances * math.pi / _ZERO_CROSSINGS / 2) ** 2
    filters = torch.sinc(distances) * window * (cutoff / source)
    return filters[:, None].to(torch.float32), reach
