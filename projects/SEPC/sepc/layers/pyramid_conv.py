"""Pyramid convolution: a 3-D convolution over scale and space, with kernels shared by all levels.

    y_l = W_0 * x_l  +  W_-1 *(stride 2) x_{l-1}  +  upsample(W_1 * x_{l+1})        SEPC, Eq. 1

Levels run fine to coarse; terms beyond the ends of the pyramid are absent. The three kernels W_0,
W_-1 and W_1 are called ``same``, ``from_finer`` and ``from_coarser`` here. How a kernel goes over
many levels, and where it deforms, is in :mod:`.level_conv`.
"""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from .level_conv import LevelKernel, make_level_conv


class PyramidConv(nn.Module):
    """One stage of pyramid convolution, pyramid in, pyramid out.

    Source: SEPC, Sec 3.1, Eq. 1; with ``deform`` the scale-equalizing form of Sec 3.3.

    Each of the three kernels has its own bias, so the ends of the pyramid, which have one neighbor,
    add one bias fewer.

    Args:
        in_channels, out_channels: channels of every level before and after.
        kernel: options of all three kernels, see :func:`.make_level_conv`.

    Raises:
        ValueError: arguments out of range, named with what was expected.
    """

    def __init__(self, in_channels: int, out_channels: int, **kernel: Any) -> None:
        super().__init__()
        channels = in_channels, out_channels
        self.same = make_level_conv(*channels, **kernel)
        self.from_finer = make_level_conv(*channels, stride=2, first_level=1, **kernel)
        self.from_coarser = make_level_conv(*channels, **kernel)

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """Apply Eq. 1 to L maps (N, in_channels, Hl, Wl), for L maps (N, out_channels, Hl, Wl)."""
        same, from_finer, from_coarser = self.kernels()
        y = same(x)
        finer = from_finer(x[:-1])
        coarser = from_coarser(x[1:])
        for level in range(len(x) - 1):
            y[level + 1] += finer[level]
            y[level] += upsample(coarser[level], size=y[level].shape[-2:])
        return y

    def kernels(self) -> Sequence[LevelKernel]:
        """Kernels W_0, W_-1 and W_1, each a function from a list of maps to a list of maps."""
        return self.same, self.from_finer, self.from_coarser


def upsample(x: Tensor, size: Sequence[int]) -> Tensor:
    """Upsample to ``size`` (H, W), bilinearly with corners aligned as in the official code."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)
