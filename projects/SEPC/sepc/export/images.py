"""Images as an exported file takes them."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .exported import ExportedDetector


def input_size(exported: ExportedDetector, height: int, width: int) -> tuple[int, int]:
    """Height and width at which the file is to see an image of this size.

    That of the file if it has one; else its shorter edge becomes ``resize_short_edge``, as far as
    the longer one stays within ``resize_max``; else its own.
    """
    if exported.signature.image_size is not None:
        return exported.signature.image_size
    short = int(exported.metadata.get("resize_short_edge", 0))
    if not short:
        return height, width
    longest = int(exported.metadata["resize_max"])
    scale = min(short / min(height, width), longest / max(height, width))
    return int(height * scale + 0.5), int(width * scale + 0.5)


def prepare_image(exported: ExportedDetector, pixels: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 in BGR, as OpenCV reads it -> (3, H', W') uint8, as the file takes it.

    Boxes that the file finds are in pixels of the result.
    """
    order = 1 if exported.metadata.get("input_format") == "BGR" else -1
    image = torch.from_numpy(pixels[..., ::order].transpose(2, 0, 1).copy())
    return resize_image(image, input_size(exported, image.shape[1], image.shape[2]))


def resize_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(3, H, W) uint8 -> (3, *size) uint8, bilinear with antialiasing."""
    if tuple(image.shape[-2:]) == size:
        return image
    pixels = F.interpolate(image[None].float(), size, mode="bilinear", antialias=True)[0]
    return pixels.round().clamp(0, 255).to(torch.uint8)
