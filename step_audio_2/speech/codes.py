"""Codes as they come from the language model."""

from collections.abc import Sequence

import torch
from torch import Tensor


def checked_codes(tokens: Sequence[int] | Tensor, vocabulary: int) -> Tensor:
    """Return codes [codes] as whole numbers, without the padding code, which is the first one beyond the vocabulary.

    Args:
        tokens: in one dimension.
        vocabulary: how many codes there are, 6561.

    Raises:
        ValueError: they are no whole numbers in one dimension, or one of them is out of range.
    """
    codes = torch.as_tensor(tokens).cpu() if len(tokens) else torch.empty(0, dtype=torch.int64)
    if codes.dim() != 1 or codes.is_floating_point():
        raise ValueError(f"codes must be whole numbers in one dimension, not {codes.dtype} of shape {[*codes.shape]}")
    wrong = ((codes < 0) | (codes > vocabulary)).nonzero()
    if len(wrong):
        place = int(wrong[0])
        raise ValueError(
            f"code {int(codes[place])} at place {place} is out of range: codes are 0 to {vocabulary - 1}, "
            f"and {vocabulary} is padding"
        )
    return codes[codes < vocabulary].to(torch.int64)
