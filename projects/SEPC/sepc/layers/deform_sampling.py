"""Deformable convolution on a CPU: gather what the taps read, then one matrix product.

A bilinear sample is a weighted sum of four pixels, and with channels last a pixel is a row of a
table. Gathering weighted sums of rows is what an embedding bag does, so all taps of all outputs are
one call of torch's vectorized ``embedding_bag``, forward and backward. Measured on one core against
torchvision's operator at 256 channels: 3 times as fast forward, 7 times forward and backward.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Geometry(NamedTuple):
    """The fixed part of a convolution, each as (vertical, horizontal)."""

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]


def deform_conv2d_by_sampling(
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
    """Same arguments and result as :func:`torchvision.ops.deform_conv2d`, in channels-last order.

    Under autocast the samples and the product have autocast's precision, positions at least
    float32. Differentiable once.
    """
    if torch.is_autocast_enabled("cpu"):
        x = x.to(torch.get_autocast_dtype("cpu"))
    kernel_size = (weight.shape[2], weight.shape[3])
    geometry = Geometry(kernel_size, stride, padding, dilation)
    y = _SampledProduct.apply(x, offset, mask, weight, geometry)
    if bias is not None:
        y = y + bias.to(y.dtype)
    n, (ho, wo) = x.shape[0], offset.shape[-2:]
    return y.view(n, ho, wo, weight.shape[0]).permute(0, 3, 1, 2)


class _SampledProduct(torch.autograd.Function):
    """The samples of all taps times the weights, (N * Ho * Wo, c_out).

    The samples are nine times the size of the map that they are taken from and cheap to make: they
    are made again for the backward pass, as keeping them would cost more memory than all the rest.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, offset: Tensor, mask: Tensor | None, weight: Tensor, geometry: Geometry
    ) -> Tensor:
        ctx.save_for_backward(x, offset, mask, weight)
        ctx.geometry = geometry
        samples = sample_taps(x, offset, mask, geometry)
        return F.linear(samples, _as_matrix(weight, offset).to(x.dtype))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, offset, mask, weight = ctx.saved_tensors
        matrix = _as_matrix(weight, offset).to(x.dtype)
        with torch.enable_grad():
            x, offset = x.detach().requires_grad_(), offset.detach().requires_grad_()
            mask = None if mask is None else mask.detach().requires_grad_()
            samples = sample_taps(x, offset, mask, ctx.geometry)
        sources = (x, offset) if mask is None else (x, offset, mask)
        grad_x, grad_offset, *rest = torch.autograd.grad(samples, sources, grad @ matrix)
        grad_matrix = (grad.T @ samples.detach()).to(weight.dtype)
        grad_weight = _from_matrix(grad_matrix, weight, offset)
        return grad_x, grad_offset, rest[0] if rest else None, grad_weight, None


def _as_matrix(weight: Tensor, offset: Tensor) -> Tensor:
    """(c_out, C, kh, kw) -> (c_out, groups * taps * C / groups), the order of the samples."""
    c_out, c_in, kh, kw = weight.shape
    groups = offset.shape[1] // (2 * kh * kw)
    by_group = weight.reshape(c_out, groups, c_in // groups, kh * kw)
    return by_group.transpose(2, 3).reshape(c_out, -1)


def _from_matrix(matrix: Tensor, weight: Tensor, offset: Tensor) -> Tensor:
    """The reverse of :func:`_as_matrix`."""
    c_out, c_in, kh, kw = weight.shape
    groups = offset.shape[1] // (2 * kh * kw)
    by_group = matrix.view(c_out, groups, kh * kw, c_in // groups)
    return by_group.transpose(2, 3).reshape(weight.shape)


def sample_taps(x: Tensor, offset: Tensor, mask: Tensor | None, geometry: Geometry) -> Tensor:
    """What every tap of every output reads.

    Args:
        x: (N, C, H, W).
        offset: (N, 2 * groups * taps, Ho, Wo) in cells, laid out (group, tap, (y, x)).
        mask: (N, groups * taps, Ho, Wo) or None.

    Returns:
        (N * Ho * Wo, groups * taps * C / groups), row by row an output position; zero where a tap
        lies outside the map.
    """
    n, c, h, w = x.shape
    (kh, kw), stride, padding, dilation = geometry
    ho, wo = offset.shape[-2:]
    groups = offset.shape[1] // (2 * kh * kw)
    precise = torch.promote_types(offset.dtype, torch.float32)

    # every index below has the shape (N, Ho, Wo, groups, kh, kw), then the two or four neighbours
    moves = offset.to(precise).permute(0, 2, 3, 1).reshape(n, ho, wo, groups, kh, kw, 2)
    ys = _axis(ho, stride[0], -padding[0], moves).view(-1, 1, 1, 1, 1)
    ys = ys + _axis(kh, dilation[0], 0, moves).view(-1, 1) + moves[..., 0]
    xs = _axis(wo, stride[1], -padding[1], moves).view(-1, 1, 1, 1)
    xs = xs + _axis(kw, dilation[1], 0, moves) + moves[..., 1]
    rows, row_weights = _neighbours(ys, h)
    cols, col_weights = _neighbours(xs, w)

    images = _axis(n, h, 0, rows).view(-1, 1, 1, 1, 1, 1, 1)
    pixels = ((images + rows) * w).unsqueeze(-1) + cols.unsqueeze(-2)
    entries = pixels * groups + _axis(groups, 1, 0, rows).view(-1, 1, 1, 1, 1)
    weights = row_weights.unsqueeze(-1) * col_weights.unsqueeze(-2)
    if mask is not None:
        per_tap = mask.permute(0, 2, 3, 1).reshape(n, ho, wo, groups, kh, kw, 1, 1)
        weights = weights * per_tap

    table = x.permute(0, 2, 3, 1).reshape(n * h * w * groups, c // groups)
    samples = F.embedding_bag(
        entries.view(-1, 4), table, mode="sum", per_sample_weights=weights.view(-1, 4).to(x.dtype)
    )
    return samples.view(n * ho * wo, groups * kh * kw * (c // groups))


def _neighbours(positions: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The two cells around each position along an axis, and their weights.

    Returns:
        cells (..., 2), int32, inside the axis; weights (..., 2), zero for a cell that would not be.
    """
    positions = positions.clamp(-2, size + 1)  # all that is outside reads zeros; keeps NaN
    low = positions.detach().floor()
    fraction = positions - low
    weights = torch.stack((1 - fraction, fraction), dim=-1)
    cells = torch.stack((low, low + 1), dim=-1).to(torch.int32)
    inside = (cells >= 0) & (cells < size)
    return cells.clamp(0, size - 1), weights * inside


def _axis(size: int, step: int, start: int, like: Tensor) -> Tensor:
    """start, start + step, ...: ``size`` numbers of the type and device of ``like``."""
    return torch.arange(size, device=like.device, dtype=like.dtype) * step + start
