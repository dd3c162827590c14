"""RCNet in the place of FPN, behind any of Detectron2's backbones."""

import math
from collections.abc import Sequence
from itertools import pairwise

from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from torch import Tensor

from ...layers.norms import NormFactory
from ...layers.rcnet import RCNet


class RCNetBackbone(Backbone):
    """A backbone followed by :class:`~sepc.layers.rcnet.RCNet`.

    Levels are named as Detectron2's ``FPN`` names them: p3 has the stride 8. Levels beyond the
    backbone's have half the size of the one before, rounded up, as those of ``LastLevelP6P7``.
    """

    def __init__(
        self,
        *,
        bottom_up: Backbone,
        in_features: Sequence[str],
        out_channels: int,
        num_levels: int = 5,
        norm: str | NormFactory | None = "BN",
        deform_groups: int = 2,
        cross_scale: bool = True,
    ) -> None:
        """
        Args:
            bottom_up: gives maps whose strides double.
            in_features: names of those to read, fine to coarse.
            out_channels, num_levels, norm, deform_groups, cross_scale: see ``RCNet``.

        Raises:
            ValueError: other strides, or numbers out of range.
        """
        super().__init__()
        shapes = bottom_up.output_shape()
        strides = [shapes[name].stride for name in in_features]
        if any(coarser != 2 * finer for finer, coarser in pairwise(strides)):
            raise ValueError(
                f"in_features: expected maps whose strides double, got {list(in_features)} with "
                f"strides {strides}"
            )
        self.bottom_up = bottom_up
        self.in_features = list(in_features)
        self.pyramid = RCNet(
            [shapes[name].channels for name in in_features],
            out_channels,
            num_levels=num_levels,
            norm=norm,
            deform_groups=deform_groups,
            cross_scale=cross_scale,
        )
        finest = int(math.log2(strides[0]))
        self.strides = {f"p{level}": 2**level for level in range(finest, finest + num_levels)}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images (N, 3, H, W) to maps (N, C, Hl, Wl) by name of the level, fine to coarse."""
        maps = self.bottom_up(x)
        outputs = self.pyramid([maps[name] for name in self.in_features])
        return dict(zip(self.strides, outputs, strict=True))

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Channels and stride of each level."""
        return {
            name: ShapeSpec(channels=self.pyramid.out_channels, stride=stride)
            for name, stride in self.strides.items()
        }

    @property
    def size_divisibility(self) -> int:
        """Number that the sizes of the images are padded to a multiple of: that of a plain FPN."""
        return int(self.bottom_up.output_shape()[self.in_features[-1]].stride)
