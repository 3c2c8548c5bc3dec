"""Layers whose products are of 8-bit whole numbers, for processors that have instructions for them.

Every output of a layer has a scale of its own, fixed by its weights, and every row of the input one that is found anew
each time; so what comes out does not depend on what else is in the batch.
"""

import torch
from torch import Tensor, nn

from step_audio_2.errors import UnsupportedError

_LARGEST = 127
# Nothing but zeros is scaled by this.
_SMALLEST_SCALE = 1e-12


class Int8Linear(nn.Module):
    """A linear layer.

    Args:
        weight: [outputs, inputs] in full precision.
        bias: [outputs].
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        numbers, scale = _quantized(weight.detach())
        self.register_buffer("weight", numbers)
        self.register_buffer("scale", scale[:, 0])
        self.register_buffer("bias", bias.detach())

    def forward(self, states: Tensor) -> Tensor:
        """Transform [..., inputs] to [..., outputs], in float32."""
        numbers, scale = _quantized(states.flatten(0, -2))
        product = torch._int_mm(numbers, self.weight.T).to(torch.float32)
        return torch.addcmul(self.bias, product.mul_(scale), self.scale).unflatten(0, states.shape[:-1])


class Int8Conv1d(nn.Module):
    """A convolution over time, without padding, stride and dilation, as a linear layer over windows.

    Args:
        weight: [out channels, in channels, kernel] in full precision.
        bias: [out channels].
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.kernel = weight.shape[2]
        self.linear = Int8Linear(weight.transpose(1, 2).flatten(1), bias)

    def forward(self, states: Tensor) -> Tensor:
        """Convolve [n, channels, frames]; in what is returned the channels of a frame lie together in memory."""
        windows = states.transpose(1, 2).unfold(1, self.kernel, 1)
        convolved: Tensor = self.linear(windows.transpose(2, 3).flatten(2))
        return convolved.transpose(1, 2)


def check_int8(device: torch.device) -> None:
    """See that products of 8-bit numbers are quick and exact here.

    Raises:
        UnsupportedError: they are not.
    """
    if device.type != "cpu":
        raise UnsupportedError(f"int8 is for the CPU; on {device.type} use float16 or bfloat16")
    if not torch.cpu._is_vnni_supported():
        raise UnsupportedError("int8 wants a processor with AVX-512 VNNI, which this one does not have; use float32")


def to_int8_layers(module: nn.Module) -> None:
    """Put layers of 8-bit numbers in the place of all linear layers and convolutions inside a module."""
    for name, part in module.named_children():
        if isinstance(part, nn.Linear):
            setattr(module, name, Int8Linear(part.weight, part.bias))
        elif isinstance(part, nn.Conv1d):
            setattr(module, name, Int8Conv1d(part.weight, part.bias))
        else:
            to_int8_layers(part)


def _quantized(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return whole numbers [rows, columns] in -127..127, and what each row [rows, 1] is to be scaled by."""
    scale = rows.abs().amax(dim=1, keepdim=True).div_(_LARGEST).clamp_(min=_SMALLEST_SCALE)
    return (rows / scale).round_().to(torch.int8), scale
