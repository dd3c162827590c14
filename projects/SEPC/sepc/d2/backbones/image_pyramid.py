"""Backbone that reads a Gaussian pyramid of the image: the setting that equalizing scale is for."""

import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from torch import Tensor, nn
from torch.nn import functional as F


class ImagePyramid(Backbone):
    """One small network on the image and on its halved copies, a map of each: ``p2``, ``p3``, ...

    All levels come from the same weights at the same depth. So an object of twice the size looks on
    the next level as it did on this one, but for what blurring takes away, which a feature pyramid
    does not promise.

    Source: SEPC, Sec 3: a pyramid convolution equalizes scale on a Gaussian pyramid. Unlike there,
    the levels are maps of a network and not the images themselves.
    """

    def __init__(self, bottom_up: Backbone, *, num_levels: int, out_channels: int) -> None:
        """
        Args:
            bottom_up: has one map, of the stride of the finest level. Norms in it see each level
                alone, and so treat the levels differently.
            num_levels: L, each with half the size of the one before.
            out_channels: of every map, by a 1x1 convolution that all levels share.

        Raises:
            ValueError: for a backbone with several maps, or one with a stride that is no power of
                two, and for less than one level.
        """
        super().__init__()
        shapes = bottom_up.output_shape()
        if len(shapes) != 1:
            raise ValueError(f"expected a backbone with one map, got {', '.join(shapes)}")
        ((self.feature, shape),) = shapes.items()
        if shape.stride & (shape.stride - 1):
            raise ValueError(f"expected a stride that is a power of two, got {shape.stride}")
        if num_levels < 1:
            raise ValueError(f"expected at least one level, got {num_levels}")
        self.bottom_up = bottom_up
        self.project = nn.Conv2d(shape.channels, out_channels, kernel_size=1)
        self.shapes = {
            f"p{(shape.stride << level).bit_length() - 1}": ShapeSpec(
                channels=out_channels, stride=shape.stride << level
            )
            for level in range(num_levels)
        }

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Maps (N, out_channels, H / stride, W / stride) of images (N, C, H, W), fine to coarse."""
        maps: dict[str, Tensor] = {}
        for name in self.shapes:
            if maps:
                image = halve(image)
            maps[name] = self.project(self.bottom_up(image)[self.feature])
        return maps

    def output_shape(self) -> dict[str, ShapeSpec]:
        return self.shapes

    @property
    def size_divisibility(self) -> int:
        return max(shape.stride for shape in self.shapes.values())


def halve(image: Tensor) -> Tensor:
    """Blur by binomial weights and keep every other value: (N, C, H, W) to (N, C, H / 2, W / 2).

    A value of the result lies in the middle of four of the image, as the cells of a pyramid do.
    Beyond the border the outermost values go on.
    """
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=image.dtype, device=image.device) / 8
    channels = image.shape[1]
    kernel = torch.outer(taps, taps).expand(channels, 1, 4, 4)
    return F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), kernel, stride=2, groups=channels)
