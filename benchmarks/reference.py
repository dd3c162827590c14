"""The reference formulation of the trunk: the paper's equations in plain modules, nothing else.

Deformable convolution by torchvision's operator, integrated BN on the concatenation, every term of
every level on its own, as the official code computes them. It has our parameter names, so both
trunks can be given the same weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import deform_conv2d

from sepc import SEPC


class ReferenceTrunk(nn.Module):
    """Computes what ``trunk`` computes, with copies of its parameters."""

    def __init__(self, trunk: SEPC) -> None:
        super().__init__()
        self.stages = nn.ModuleList(_ReferenceLayer(layer) for layer in trunk.stages)
        self.cls_branch = _ReferenceLayer(trunk.cls_branch)
        self.box_branch = _ReferenceLayer(trunk.box_branch)
        self.load_state_dict(trunk.state_dict())

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        for stage in self.stages:
            features = stage(features)
        return self.cls_branch(features), self.box_branch(features)


class _ReferenceLayer(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.conv = nn.ModuleDict(
            {name: _ReferenceConv(conv) for name, conv in layer.conv.named_children()}
        )
        channels = layer.conv.same.out_channels
        self.norm = None
        if layer.norm is not None:
            self.norm = nn.ModuleDict({"shared": nn.BatchNorm2d(channels)})

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        outputs = []
        for level, x in enumerate(features):
            y = self.conv["same"](x, level)
            if "from_finer" in self.conv and level > 0:
                y = y + self.conv["from_finer"](features[level - 1], level)
            if "from_coarser" in self.conv and level + 1 < len(features):
                coarser = self.conv["from_coarser"](features[level + 1], level)
                y = y + F.interpolate(coarser, x.shape[-2:], mode="bilinear", align_corners=True)
            outputs.append(y)
        if self.norm is not None:
            sizes = [y.shape[-2:] for y in outputs]
            flat = torch.cat([y.flatten(2) for y in outputs], dim=2).unsqueeze(-1)
            flat = self.norm["shared"](flat).squeeze(-1)
            maps = flat.split([h * w for h, w in sizes], dim=2)
            outputs = [y.unflatten(2, size) for y, size in zip(maps, sizes, strict=True)]
        return [F.relu(y) for y in outputs]


class _ReferenceConv(nn.Conv2d):
    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(
            conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding
        )
        offset = getattr(conv, "offset", None)
        if offset is not None:
            self.offset = nn.Conv2d(
                conv.in_channels, offset.out_channels, 3, conv.stride, conv.padding
            )

    def forward(self, x: Tensor, level: int) -> Tensor:
        if level == 0 or not hasattr(self, "offset"):
            return super().forward(x)
        offset = self.offset(x).float()  # torchvision's operator computes in float32 only
        y = deform_conv2d(x.float(), offset, self.weight, self.bias, self.stride, self.padding)
        return y.to(x.dtype)
