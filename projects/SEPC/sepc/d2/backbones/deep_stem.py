"""Stem of ResNet-C: three 3x3 convolutions instead of one of 7x7."""

from collections.abc import Callable

import torch.nn.functional as F
from detectron2.layers import CNNBlockBase, Conv2d, get_norm
from detectron2.modeling.backbone.resnet import weight_init
from torch import Tensor, nn


class DeepStem(CNNBlockBase):
    """Stem for Detectron2's ``ResNet``, as mmdetection's ``deep_stem=True``.

    Source: Bag of Tricks (https://arxiv.org/abs/1812.01187), Sec 4.2, ResNet-C.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        out_channels: int = 64,
        norm: str | Callable[[int], nn.Module] = "BN",
    ) -> None:
        """
        Args:
            in_channels: of the image.
            out_channels: of the last convolution; the first two have half as many.
            norm: after each convolution, see Detectron2's ``get_norm``.
        """
        super().__init__(in_channels, out_channels, stride=4)
        middle = out_channels // 2

        def conv(in_channels: int, out_channels: int, stride: int) -> Conv2d:
            layer = Conv2d(
                in_channels,
                out_channels,
                kernel_size=3,
                stride=stride,
                padding=1,
                bias=False,
                norm=get_norm(norm, out_channels),
            )
            weight_init.c2_msra_fill(layer)
            return layer

        self.conv1 = conv(in_channels, middle, 2)
        self.conv2 = conv(middle, middle, 1)
        self.conv3 = conv(middle, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, out_channels, H / 4, W / 4) of an image (N, in_channels, H, W)."""
        for conv in (self.conv1, self.conv2, self.conv3):
            x = F.relu_(conv(x))
        return F.max_pool2d(x, kernel_size=3, stride=2, padding=1)
