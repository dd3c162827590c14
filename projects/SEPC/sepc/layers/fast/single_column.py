"""Guard of strided convolutions against a fault of oneDNN at maps one cell wide."""

import torch
import torch.nn.functional as F
from torch import Tensor


def pad_single_column(x: Tensor) -> Tensor:
    """Add a column of zeros to a map one cell wide, as a convolution's padding would.

    oneDNN (torch 2.14, CPU) leaves the bfloat16 weight gradient of a strided convolution over a map
    one cell wide uninitialized. The extra column changes nothing else.

    Args:
        x: (N, C, H, W); returned as it is where it is wider, or where no gradient is computed.
    """
    is_affected = x.device.type == "cpu" and torch.is_grad_enabled() and x.shape[-1] == 1
    return F.pad(x, (0, 1)) if is_affected else x
