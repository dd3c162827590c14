"""Layer of stages, branches and towers: a convolution, a norm and ReLU."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .fast.recompute import save_recipes
from .level_conv import SharedConv
from .norms import NormFactory, make_norm
from .pyramid_conv import PyramidConv
from .pyramid_norm import PyramidNorm
from .weight_standardization import StandardizedPyramidConv, StandardizedSharedConv


class PyramidLayer(nn.Module):
    """Convolution, norm over the pyramid (optional), ReLU; pyramid in, pyramid out."""

    def __init__(self, conv: PyramidConv | SharedConv, norm: PyramidNorm | None) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Map a pyramid (N, in_channels, Hl, Wl) to one of (N, out_channels, Ho, Wo)."""
        return conv_norm_relu(features, self.conv, self.norm)


def conv_norm_relu(
    features: Sequence[Tensor], conv: nn.Module, norm: nn.Module | None
) -> list[Tensor]:
    """Apply convolution, norm and ReLU in turn.

    Args:
        features: L tensors (N, C, Hl, Wl).
        conv: from a pyramid to a pyramid.
        norm: a :class:`PyramidNorm` goes over all levels together, another over each level alone.
    """
    with save_recipes(features):
        maps = conv(features)
    if isinstance(norm, PyramidNorm):
        return norm(maps, relu=True)
    if norm is not None:
        maps = [norm(x) for x in maps]
    return [F.relu(x, inplace=not torch.is_grad_enabled()) for x in maps]


def make_layer(
    conv: type[PyramidConv] | type[SharedConv],
    in_channels: int,
    out_channels: int,
    *,
    norm: str | NormFactory | None = None,
    freeze_norm: str | None = None,
    num_levels: int | None = None,
    weight_standardization: bool | None = None,
    **kernel: Any,
) -> PyramidLayer:
    """Make a layer with new weights.

    Args:
        conv: class of its convolution.
        in_channels, out_channels: channels of every level before and after.
        norm: a name or a callable from channels to a module (see :func:`make_norm`); None for none.
        freeze_norm: "statistics" or "all", see :class:`PyramidNorm`; None: nothing.
        num_levels: L, which the norm "LevelBN" needs.
        weight_standardization: standardize the kernels (see :mod:`.weight_standardization`); None:
            with the norm "BCN", which it belongs to, and not with others.
        kernel: options of :func:`.make_level_conv`.

    Raises:
        ValueError: arguments out of range, named with what was expected.
    """
    if in_channels < 1 or out_channels < 1:
        raise ValueError(f"expected channels of 1 or more, got {in_channels} -> {out_channels}")
    if norm == "BCN" if weight_standardization is None else weight_standardization:
        conv = StandardizedPyramidConv if conv is PyramidConv else StandardizedSharedConv
    module = make_norm(norm, out_channels, num_levels=num_levels)
    return PyramidLayer(
        conv(in_channels, out_channels, **kernel),
        None if module is None else PyramidNorm(module, freeze=freeze_norm),
    )
