"""Detectron2's deformable residual block, on torchvision's operator."""

from __future__ import annotations

import torch.nn.functional as F
from detectron2.modeling.backbone import resnet
from torch import Tensor
from torchvision.ops import deform_conv2d


class DeformBottleneckBlock(resnet.DeformBottleneckBlock):
    """For a stage of a backbone that deforms: ``block_class`` of ``ResNet.make_stage``.

    Unlike Detectron2's block of the same parameters, which needs its compiled extension and a GPU
    for the backward pass, it runs and trains wherever torchvision does.
    """

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
