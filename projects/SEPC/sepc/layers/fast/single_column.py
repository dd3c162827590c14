"""Guard of strided convolutions against a fault of oneDNN at maps one cell wide."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def pad_single_column(x: Tensor) -> Tensor:
    """Add a column of zeros to a map one cell wide, as a convolution's padding would.

    oneDNN (torch 2.14, CPU) leaves the bfloat16 weight gradient of a strided convolution over a map
    one cell wide uninitialized. The extra column changes nothing else.

    Args:
        x: (N, C, H, W); returned as it is where it is wider, or where no gradient is computed.
    """
    is_affected = x.device.type == "cpu" and torch.is_grad_enabled() and x.shape[-1] == 1
    return F.pad(x, (0, 1)) if is_affected else x


def guard_strided_convs(model: nn.Module) -> None:
    """Guard all strided convolutions of a model, whoever wrote them: FPN's P6 and P7, a backbone's.

    Each sees its input through :func:`pad_single_column`; names, weights and results stay as they
    are. One that would make a column of its own of the added one, or that pads with anything but
    zeros, is left alone.

    Args:
        model: to train in bfloat16 on a CPU.
    """
    for conv in model.modules():
        if isinstance(conv, nn.Conv2d) and conv.stride != (1, 1) and _takes_a_column(conv):
            conv.register_forward_pre_hook(_pad_input)


def _takes_a_column(conv: nn.Conv2d) -> bool:
    """Whether maps of one and of two columns have the same results, if the second is of zeros."""
    padding = 0 if isinstance(conv.padding, str) else conv.padding[1]
    spare = 1 + 2 * padding - conv.dilation[1] * (conv.kernel_size[1] - 1) - 1
    return conv.padding_mode == "zeros" and spare // conv.stride[1] == (spare + 1) // conv.stride[1]


def _pad_input(conv: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(pad_single_column(x) if isinstance(x, Tensor) else x for x in inputs)
