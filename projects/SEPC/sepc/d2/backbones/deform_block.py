"""Detectron2's deformable residual block, without Detectron2's compiled operators."""

import torch.nn.functional as F
from detectron2.layers import Conv2d
from detectron2.modeling.backbone.resnet import BottleneckBlock
from torch import Tensor, nn

from ...layers.deform_conv import deform_conv2d


class DeformBottleneckBlock(BottleneckBlock):
    """A bottleneck whose 3x3 convolution deforms: ``block_class`` of ``ResNet.make_stage``.

    Parameters, their names and what it computes are those of Detectron2's block of this name, which
    cannot be built without its compiled operators, and needs a GPU to train. This one is built,
    trained and exported on any device, by the deformable convolution of the kernels of SEPC, or
    torchvision's where it has groups. On a GPU both are torchvision's operator, which samples into
    columns and multiplies them by the weights as Detectron2's does: the compiled one is not
    preferred where it is there, so that there is one implementation to test.

    Source: Deformable ConvNets (https://arxiv.org/abs/1703.06211), Sec 2.1, and v2
    (https://arxiv.org/abs/1811.11168), Sec 3.2, for ``deform_modulated``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        bottleneck_channels: int,
        stride: int = 1,
        num_groups: int = 1,
        norm: str = "BN",
        stride_in_1x1: bool = False,
        dilation: int = 1,
        deform_modulated: bool = False,
        deform_num_groups: int = 1,
    ) -> None:
        """
        Args:
            in_channels, out_channels, bottleneck_channels, stride, num_groups, norm, stride_in_1x1,
                dilation: see Detectron2's ``BottleneckBlock``.
            deform_modulated: weight each tap by a learned factor in (0, 1), as DCNv2 does.
            deform_num_groups: groups of input channels with offsets of their own.
        """
        super().__init__(
            in_channels,
            out_channels,
            bottleneck_channels=bottleneck_channels,
            stride=stride,
            num_groups=num_groups,
            norm=norm,
            stride_in_1x1=stride_in_1x1,
            dilation=dilation,
        )
        self.deform_modulated = deform_modulated
        self.conv2_offset = Conv2d(
            bottleneck_channels,
            (27 if deform_modulated else 18) * deform_num_groups,
            kernel_size=3,
            stride=self.conv2.stride,
            padding=dilation,
            dilation=dilation,
        )
        nn.init.zeros_(self.conv2_offset.weight)
        nn.init.zeros_(self.conv2_offset.bias)
        for name in ("conv2", "conv3"):  # Detectron2's order: optimizers save theirs by position
            self._modules[name] = self._modules.pop(name)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)."""
        out = F.relu_(self.conv1(x))
        offset, mask = self.conv2_offset(out), None
        if self.deform_modulated:
            split = offset.shape[1] // 3 * 2
            offset, mask = offset[:, :split], offset[:, split:].sigmoid()
        conv = self.conv2
        out = deform_conv2d(
            out,
            offset,
            conv.weight,
            stride=conv.stride,
            padding=conv.padding,
            dilation=conv.dilation,
            mask=mask,
        )
        if conv.norm is not None:
            out = conv.norm(out)
        out = self.conv3(F.relu_(out))
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return F.relu_(out + shortcut)
