"""Exact Gaussian pyramids: of Gaussian blobs, which can be blurred and scaled in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BLUR = 0.5  # standard deviation of the blur of every level, in its own cells


@dataclass(frozen=True)
class Blobs:
    """Image in the plane, a sum of B round Gaussians for each of C channels.

    Attributes:
        centers: (B, 2), (y, x) in pixels.
        widths: (B,), standard deviations in pixels.
        heights: (C, B), at the centers.
    """

    centers: Tensor
    widths: Tensor
    heights: Tensor

    def scaled(self, factor: float) -> Blobs:
        """Image I(x / factor): all that is in it is ``factor`` times as large."""
        return Blobs(self.centers * factor, self.widths * factor, self.heights)

    def pyramid(self, size: int, num_levels: int) -> list[Tensor]:
        """Blur and sample the image: level l by ``BLUR * 2**l`` pixels, at cells of 2**l pixels.

        Source: SEPC, Sec 3.1, where the pyramid of an image that is half as large is that of the
        image without its finest level.

        Args:
            size: side of the image in pixels.

        Returns:
            tensors (1, C, size / 2**l, size / 2**l), fine to coarse.
        """
        return [self._level(size >> level, 2**level) for level in range(num_levels)]

    def _level(self, cells: int, stride: int) -> Tensor:
        places = (torch.arange(cells, dtype=self.widths.dtype) + 0.5) * stride
        variances = self.widths.square() + (BLUR * stride) ** 2  # a blurred Gaussian is one
        heights = self.heights * self.widths.square() / variances
        distances = places - self.centers.T[..., None]  # (2, B, cells)
        rows, columns = torch.exp(-distances.square() / (2 * variances[:, None]))
        return torch.einsum("cb,bh,bw->chw", heights, rows, columns)[None]


def random_blobs(size: int, *, channels: int, count: int = 60, seed: int = 0) -> Blobs:
    """Draw blobs all over an image of ``size`` pixels, from 1 pixel to a quarter of it wide."""
    draw = torch.Generator().manual_seed(seed)
    uniform = torch.rand(count, 3, generator=draw, dtype=torch.float64)
    heights = torch.randn(channels, count, generator=draw, dtype=torch.float64)
    return Blobs(size * uniform[:, :2], (size / 4) ** uniform[:, 2], heights)
