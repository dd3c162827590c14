"""Deformable convolution as gather and matrix product, for runtimes that lack the operator."""

import torch
import torchvision  # noqa: F401  # its operators
from torch import Tensor
from torch.export import ExportedProgram

from .check import ExportError


def without_deform_conv(program: ExportedProgram) -> ExportedProgram:
    """The same program with each deformable convolution taken apart.

    Raises:
        ExportError: for one with groups of weights, which pyramid convolution never has.
    """
    operator = torch.ops.torchvision.deform_conv2d.default
    return program.run_decompositions({operator: _by_gather})


def _by_gather(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor,
    bias: Tensor,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    weight_groups: int,
    groups: int,
    use_mask: bool,
) -> Tensor:
    """``torchvision::deform_conv2d`` of (N, C, H, W) by gathering rows of a table of pixels.

    A sample is a weighted sum of the four pixels around it, of which those outside count zero.
    """
    if weight_groups != 1:
        raise ExportError(f"expected deformable convolutions of one group, got {weight_groups}")
    n, c, h, w = x.shape
    c_out, _, kh, kw = weight.shape
    out_h, out_w = offset.shape[-2], offset.shape[-1]
    taps, per_group = kh * kw, c // groups
    # all that follows has the shape (N, out_h, out_w, groups, taps)
    moves = offset.reshape(n, groups, taps, 2, out_h, out_w).permute(0, 4, 5, 1, 2, 3)

    def positions(size: int, stride: int, pad: int) -> Tensor:
        return torch.arange(size, device=x.device, dtype=offset.dtype) * stride - pad

    rows = positions(kh, dilation_h, 0).repeat_interleave(kw)
    columns = positions(kw, dilation_w, 0).repeat(kh)
    ys = moves[..., 0] + positions(out_h, stride_h, pad_h).view(-1, 1, 1, 1) + rows
    xs = moves[..., 1] + positions(out_w, stride_w, pad_w).view(-1, 1, 1) + columns
    top, left = ys.floor(), xs.floor()

    table = x.permute(0, 2, 3, 1).reshape(-1, per_group)
    image = torch.arange(n, device=x.device).view(-1, 1, 1, 1, 1)
    group = torch.arange(groups, device=x.device).view(-1, 1)
    corner = torch.arange(4, device=x.device).view(-1, 1, 1, 1, 1, 1)  # before all other axes
    y, x_ = top + corner // 2, left + corner % 2
    share = (1 - (ys - y).abs()) * (1 - (xs - x_).abs())
    share = (share * ((y >= 0) & (y < h) & (x_ >= 0) & (x_ < w))).reshape(4, -1, 1)
    row, column = y.clamp(0, h - 1).long(), x_.clamp(0, w - 1).long()
    entries = (((image * h + row) * w + column) * groups + group).reshape(4, -1)
    samples = table.index_select(0, entries[0]) * share[0]
    for i in range(1, 4):  # one by one, as all together would take four times the memory
        samples = samples + table.index_select(0, entries[i]) * share[i]
    if use_mask:
        by_tap = mask.reshape(n, groups, taps, out_h, out_w).permute(0, 3, 4, 1, 2)
        samples = samples * by_tap.reshape(-1, 1)
    matrix = weight.reshape(c_out, groups, per_group, taps).transpose(2, 3).reshape(c_out, -1)
    y = samples.reshape(n * out_h * out_w, groups * taps * per_group) @ matrix.t() + bias
    return y.view(n, out_h, out_w, c_out).permute(0, 3, 1, 2)
