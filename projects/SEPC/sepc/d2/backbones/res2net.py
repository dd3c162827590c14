"""Residual block of Res2Net, in the form "v1b" of its weights, for Detectron2's ``ResNet``."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from detectron2.layers import CNNBlockBase, Conv2d, get_norm
from detectron2.modeling.backbone.resnet import weight_init
from torch import Tensor, nn

from ...layers import DeformConv2d


class Res2NetBlock(CNNBlockBase):
    """A bottleneck whose 3x3 convolution is a chain of narrower ones: ``block_class`` of a stage.

    The channels are split into groups. The first goes through a convolution; each further one is
    added to what the one before gave, then goes through its own; the last is passed on. In the
    first block of a stage the groups don't add up, and the last is pooled as the stride asks.

    Source: Res2Net (https://arxiv.org/abs/1904.01169), Sec 3.1. "v1b" pools in front of the
    shortcut's convolution and has the stem of :class:`.deep_stem.DeepStem`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        bottleneck_channels: int,
        stride: int = 1,
        norm: str | Callable[[int], nn.Module] = "BN",
        num_scales: int = 4,
        deform: bool = False,
    ) -> None:
        """
        Args:
            in_channels, out_channels: where they differ, the block is the first of its stage.
            bottleneck_channels: of all groups together.
            stride: of the 3x3 convolutions.
            norm: after each convolution, see Detectron2's ``get_norm``.
            num_scales: groups.
            deform: let the 3x3 convolutions deform.

        Raises:
            ValueError: if the groups would not be equal.
        """
        super().__init__(in_channels, out_channels, stride)
        if num_scales < 2 or bottleneck_channels % num_scales:
            raise ValueError(
                f"expected num_scales of 2 or more that divides bottleneck_channels, "
                f"got {num_scales} and {bottleneck_channels}"
            )
        width = bottleneck_channels // num_scales
        self.width = width
        self.is_first = in_channels != out_channels

        def pointwise(before: int, after: int) -> Conv2d:
            conv = Conv2d(before, after, kernel_size=1, bias=False, norm=get_norm(norm, after))
            weight_init.c2_msra_fill(conv)
            return conv

        def spatial() -> nn.Conv2d:
            kernel = DeformConv2d if deform else nn.Conv2d
            conv = kernel(width, width, 3, stride=stride, padding=1, bias=False)
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            return conv

        self.conv1 = pointwise(in_channels, bottleneck_channels)
        self.convs = nn.ModuleList(spatial() for _ in range(num_scales - 1))
        self.norms = nn.ModuleList(get_norm(norm, width) for _ in range(num_scales - 1))
        self.conv3 = pointwise(bottleneck_channels, out_channels)
        self.shortcut = pointwise(in_channels, out_channels) if self.is_first else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, out_channels, H / stride, W / stride) of ``x`` (N, in_channels, H, W)."""
        *groups, last = F.relu_(self.conv1(x)).split(self.width, dim=1)
        outputs: list[Tensor] = []
        for group, conv, norm in zip(groups, self.convs, self.norms, strict=True):
            if outputs and not self.is_first:
                group = group + outputs[-1]
            outputs.append(F.relu_(norm(conv(group))))
        if self.stride != 1:
            last = F.avg_pool2d(last, 3, stride=self.stride, padding=1)
        out = self.conv3(torch.cat([*outputs, last], dim=1))
        return F.relu_(out + (x if self.shortcut is None else self.shortcut(self._pooled(x))))

    def _pooled(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            return x
        return F.avg_pool2d(x, self.stride, ceil_mode=True, count_include_pad=False)
