"""The operators once more, from their definitions, as loops: slow, and without gradients."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def bilinear(image: Tensor, y: float, x: float) -> Tensor:
    """(C, H, W) read at a fractional position; what lies outside the image is zero."""
    value = torch.zeros(image.shape[0], dtype=image.dtype)
    top, left = math.floor(y), math.floor(x)
    for row in (top, top + 1):
        for col in (left, left + 1):
            if 0 <= row < image.shape[1] and 0 <= col < image.shape[2]:
                value += (1 - abs(y - row)) * (1 - abs(x - col)) * image[:, row, col]
    return value


def deform_conv2d(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    mask: Tensor | None = None,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
) -> Tensor:
    n, c, _, _ = x.shape
    c_out, _, kh, kw = weight.shape
    ho, wo = offset.shape[-2:]
    groups = offset.shape[1] // (2 * kh * kw)
    per_group = c // groups
    out = torch.zeros(n, c_out, ho, wo, dtype=x.dtype)
    for image in range(n):
        for oy in range(ho):
            for ox in range(wo):
                for group in range(groups):
                    channels = slice(group * per_group, (group + 1) * per_group)
                    for ky in range(kh):
                        for kx in range(kw):
                            tap = (group * kh + ky) * kw + kx
                            dy, dx = offset[image, 2 * tap : 2 * tap + 2, oy, ox].tolist()
                            value = bilinear(
                                x[image, channels],
                                oy * stride[0] - padding[0] + ky * dilation[0] + dy,
                                ox * stride[1] - padding[1] + kx * dilation[1] + dx,
                            )
                            if mask is not None:
                                value = value * mask[image, tap, oy, ox]
                            out[image, :, oy, ox] += weight[:, channels, ky, kx] @ value
    return out if bias is None else out + bias.view(-1, 1, 1)


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    kernel = weight.shape[-1]
    ho, wo = ((size + 2 * padding - kernel) // stride + 1 for size in x.shape[-2:])
    offset = x.new_zeros(x.shape[0], 2 * kernel * kernel, ho, wo)
    return deform_conv2d(
        x, offset, weight, bias, stride=(stride, stride), padding=(padding, padding)
    )


def upsample(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear with the corners of both maps on each other."""
    scale = [(x.shape[2 + d] - 1) / (size[d] - 1) if size[d] > 1 else 0.0 for d in (0, 1)]
    out = torch.zeros(*x.shape[:2], *size, dtype=x.dtype)
    for image in range(x.shape[0]):
        for row in range(size[0]):
            for col in range(size[1]):
                out[image, :, row, col] = bilinear(x[image], row * scale[0], col * scale[1])
    return out


def pyramid_conv(features: list[Tensor], weights: dict[str, tuple[Tensor, Tensor]]) -> list[Tensor]:
    """SEPC, Eq. 1. ``weights``: (weight, bias) for "same", "from_finer" and "from_coarser"."""
    outputs = []
    for level, x in enumerate(features):
        padding = weights["same"][0].shape[-1] // 2
        y = conv2d(x, *weights["same"], 1, padding)
        if level > 0:
            y = y + conv2d(features[level - 1], *weights["from_finer"], 2, padding)
        if level < len(features) - 1:
            coarser = conv2d(features[level + 1], *weights["from_coarser"], 1, padding)
            y = y + upsample(coarser, tuple(x.shape[-2:]))
        outputs.append(y)
    return outputs
