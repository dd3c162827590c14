"""Statistics of each level of a pyramid against those that iBN normalizes with."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..layers.fast.integrated_bn import moments


@dataclass(frozen=True)
class LevelStatistics:
    """Statistics per channel of what comes into a norm over the pyramid.

    Attributes:
        mean, var: (L + 1, C), of each level by itself, and of all positions together.
        shares: (L,), the part of the pyramid's positions that each level has.
        used_mean, used_var: (C,), what the norm normalizes with: its running statistics in eval
            mode, the integrated ones otherwise.
    """

    mean: Tensor
    var: Tensor
    shares: Tensor
    used_mean: Tensor
    used_var: Tensor

    def shift(self) -> Tensor:
        """Distances (L + 1, C) of the means from the one in use, in its standard deviations."""
        return (self.mean - self.used_mean) / self._used_std()

    def spread(self) -> Tensor:
        """Standard deviations (L + 1, C) over the one in use."""
        return self.var.sqrt() / self._used_std()

    def _used_std(self) -> Tensor:
        return (self.used_var + 1e-12).sqrt()


@torch.no_grad()
def statistics_of_levels(norm: nn.Module, features: Sequence[Tensor]) -> LevelStatistics:
    """Compute the statistics of what ``norm`` is given, L maps (N, C, Hl, Wl).

    Raises:
        ValueError: if the pyramid has no position.
    """
    if not features or not all(x.numel() for x in features):
        raise ValueError(f"expected maps with positions, got {[tuple(x.shape) for x in features]}")
    maps = [x.float().cpu() for x in features]
    parts = [*([x] for x in maps), maps]
    counts, mean, var = (torch.stack(x) for x in zip(*map(moments, parts), strict=True))
    used_mean, used_var = _in_use(norm) or (mean[-1], var[-1])
    return LevelStatistics(mean, var, counts[:-1] / counts[-1], used_mean, used_var)


def _in_use(norm: nn.Module) -> tuple[Tensor, Tensor] | None:
    """Fixed statistics (C,) that the norm uses now; None if it takes those of a batch."""
    mean, var = getattr(norm, "running_mean", None), getattr(norm, "running_var", None)
    # a frozen norm has no other statistics than these, whatever its mode
    takes_batch = isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.training
    if takes_batch or not isinstance(mean, Tensor) or not isinstance(var, Tensor):
        return None
    return mean.detach().float().cpu(), var.detach().float().cpu()
