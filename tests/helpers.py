"""Small things that several tests need."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def make_pyramid(
    sizes: list[tuple[int, int]], channels: int, *, batch: int = 2, seed: int = 0, **kwargs: object
) -> list[Tensor]:
    """L random tensors (batch, channels, Hl, Wl)."""
    generator = torch.Generator().manual_seed(seed)
    dtype = kwargs.pop("dtype", torch.float32)
    maps = [torch.randn(batch, channels, *size, generator=generator, dtype=dtype) for size in sizes]
    return [x.requires_grad_(bool(kwargs.get("requires_grad", False))) for x in maps]


def randomize(module: nn.Module, *, seed: int = 0, scale: float = 0.3) -> nn.Module:
    """Give every parameter and running statistic a value that is not its initial one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            if tensor.is_floating_point():
                tensor += scale * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        for name, buffer in module.named_buffers():
            if name.endswith("running_var"):
                buffer.abs_().add_(0.1)
    return module
