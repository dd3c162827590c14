"""Pyramid convolutions one after the other: the stem of the SEPC trunk, and a neck by itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .fast.recompute import remade
from .norms import NormFactory, make_norm
from .pyramid import check_pyramid
from .pyramid_conv import PyramidConv, SharedConv
from .pyramid_norm import PyramidNorm


class PyramidLayer(nn.Module):
    """Convolution, norm over the pyramid (optional), ReLU; pyramid in, pyramid out."""

    def __init__(
        self, conv: nn.Module, norm: nn.Module | None, *, freeze_norm: str | None = None
    ) -> None:
        super().__init__()
        self.conv = conv
        self.norm = PyramidNorm(norm, freeze=freeze_norm) if norm is not None else None

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        with remade(features):
            maps = self.conv(features)
        if self.norm is not None:
            return self.norm(maps, relu=True)
        return [F.relu(x, inplace=not torch.is_grad_enabled()) for x in maps]


def standardizes(norm: str | NormFactory | None, option: bool | None) -> bool:
    """What the option ``weight_standardization`` means beside this norm."""
    return norm == "BCN" if option is None else option


class PyramidConvStack(nn.Sequential):
    """``num_stages`` pyramid convolutions, each with a norm (optional) and ReLU.

    Source: SEPC, Sec 3.1; by itself it is the neck of the paper's two-stage detectors.

    Args:
        in_channels: channels C of every level of the pyramid that comes in.
        out_channels: channels of the pyramid that goes out; default ``in_channels``.
        num_stages: 0 gives the pyramid back as it is.
        norm: after every convolution: a name or a callable from channels to a module (see
            :func:`make_norm`); None for none.
        cross_level: False leaves out the terms from the finer and the coarser level, for
            comparison: each stage is one :class:`SharedConv`.
        upsampling: of the term from the coarser level, see :class:`PyramidConv`.
        deform, modulated, deform_groups, kernel_size, init_std: see :class:`PyramidConv`.
        freeze_norm: "statistics" or "all" of every norm, see :class:`PyramidNorm`; None: nothing.
        weight_standardization: of the kernels, see :class:`PyramidConv`; None: with the norm "BCN",
            which it belongs to, and not with others.
        num_levels: number of levels that must come in; None takes any from one up. The norm
            "LevelBN" needs it.

    Raises:
        ValueError: arguments out of range, named with what was expected.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int | None = None,
        num_stages: int = 4,
        norm: str | NormFactory | None = None,
        deform: bool = False,
        modulated: bool = False,
        deform_groups: int = 1,
        kernel_size: int = 3,
        init_std: float | None = 0.01,
        cross_level: bool = True,
        upsampling: str = "corners",
        freeze_norm: str | None = None,
        weight_standardization: bool | None = None,
        num_levels: int | None = None,
    ) -> None:
        out_channels = in_channels if out_channels is None else out_channels
        if in_channels < 1 or out_channels < 1:
            raise ValueError(f"expected channels of 1 or more, got {in_channels} -> {out_channels}")
        if num_stages < 0:
            raise ValueError(f"expected num_stages of 0 or more, got {num_stages}")

        make_conv = partial(PyramidConv, upsampling=upsampling) if cross_level else SharedConv

        def stage(index: int) -> PyramidLayer:
            conv = make_conv(
                out_channels if index else in_channels,
                out_channels,
                kernel_size=kernel_size,
                deform=deform,
                modulated=modulated,
                deform_groups=deform_groups,
                init_std=init_std,
                weight_standardization=standardizes(norm, weight_standardization),
            )
            shared = make_norm(norm, out_channels, num_levels=num_levels)
            return PyramidLayer(conv, shared, freeze_norm=freeze_norm)

        super().__init__(*(stage(index) for index in range(num_stages)))
        self.in_channels = in_channels
        self.out_channels = out_channels if num_stages else in_channels
        self.num_levels = num_levels

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """L tensors (N, in_channels, Hl, Wl) -> L tensors (N, out_channels, Hl, Wl).

        Raises:
            ValueError: wrong number of levels or channels, or a level that is not half the size of
                the finer one, rounded up; names the level.
        """
        check_pyramid(features, channels=self.in_channels, num_levels=self.num_levels)
        for stage in self:
            features = stage(features)
        return list(features)
