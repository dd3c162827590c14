"""Pyramid convolution as the neck of Detectron2's two-stage detectors."""

from itertools import pairwise

from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from torch import Tensor

from ...layers import PyramidConvStack
from ...layers.norms import NormFactory


class PyramidConvBackbone(Backbone):
    """A backbone with FPN, followed by a stack of pyramid convolutions.

    Source: SEPC, Sec 3.1, for two-stage detectors. Names and strides of the levels and the padding
    that the images need stay those of ``fpn``, so it takes the place of ``fpn`` in Detectron2's
    Faster, Mask or Cascade R-CNN and nothing else changes: region proposals and regions read the
    same maps.
    """

    def __init__(
        self,
        *,
        fpn: Backbone,
        out_channels: int | None = None,
        num_stages: int = 4,
        norm: str | NormFactory | None = None,
        freeze_norm: str | None = None,
        weight_standardization: bool | None = None,
    ) -> None:
        """
        Args:
            fpn: gives levels of equal channels, each with twice the stride of the finer one, as
                Detectron2's ``FPN`` does. P6 from ``LastLevelMaxPool`` is a level like the others.
            out_channels: of every level; default those of ``fpn``.
            num_stages: pyramid convolutions, at least 1.
            norm: after each of them, over all levels: "BN" is iBN, None is no norm; see
                :func:`sepc.layers.make_norm`.
            freeze_norm, weight_standardization: see :func:`sepc.layers.make_layer`.

        Raises:
            ValueError: for another kind of pyramid, or a number out of its range.
        """
        super().__init__()
        if num_stages < 1:
            raise ValueError(f"expected num_stages of 1 or more, got {num_stages}")
        shapes = fpn.output_shape()
        self.levels = sorted(shapes, key=lambda name: shapes[name].stride)  # fine to coarse
        _check_levels({name: shapes[name] for name in self.levels})
        self.fpn = fpn
        self.pconv = PyramidConvStack(
            in_channels=shapes[self.levels[0]].channels,
            out_channels=out_channels,
            num_stages=num_stages,
            norm=norm,
            freeze_norm=freeze_norm,
            weight_standardization=weight_standardization,
            num_levels=len(self.levels),
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images (N, 3, H, W) to maps (N, C, Hl, Wl) by name of the level, fine to coarse."""
        features = self.fpn(x)
        outputs = self.pconv([features[name] for name in self.levels])
        return dict(zip(self.levels, outputs, strict=True))

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Channels and stride of each level."""
        return {
            name: ShapeSpec(channels=self.pconv.out_channels, stride=shape.stride)
            for name, shape in self.fpn.output_shape().items()
        }

    @property
    def size_divisibility(self) -> int:
        """Number that the sizes of the images are padded to a multiple of; that of ``fpn``."""
        return self.fpn.size_divisibility

    @property
    def padding_constraints(self) -> dict[str, int]:
        """Padding that the images need; that of ``fpn``."""
        return self.fpn.padding_constraints


def _check_levels(shapes: dict[str, ShapeSpec]) -> None:
    strides = [shape.stride for shape in shapes.values()]
    channels = [shape.channels for shape in shapes.values()]
    doubling = all(coarser == 2 * finer for finer, coarser in pairwise(strides))
    if not doubling or len(set(channels)) != 1:
        raise ValueError(
            "expected levels of equal channels whose strides double, "
            f"got {list(shapes)} with channels {channels} and strides {strides}"
        )
