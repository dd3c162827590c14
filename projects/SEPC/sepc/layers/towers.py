"""Convolution towers per task: what SEPC takes the place of."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from .norms import NormFactory, make_norm
from .pyramid import check_pyramid
from .pyramid_conv import SharedConv
from .pyramid_norm import PyramidNorm
from .stack import standardizes


class Tower(nn.Module):
    """Convolutions shared by all levels, each with a norm (optional) and ReLU.

    A norm with running statistics goes over the whole pyramid (iBN): the levels share them, so they
    have to share those of the batch too. Any other norm sees each level alone.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        num_convs: int,
        norm: str | NormFactory | None,
        kernel_size: int,
        freeze_norm: str | None,
        weight_standardization: bool,
        num_levels: int | None,
    ) -> None:
        super().__init__()
        channels = [in_channels] + [out_channels] * num_convs
        self.convs = nn.ModuleList(
            SharedConv(
                channels[i],
                out_channels,
                kernel_size=kernel_size,
                weight_standardization=weight_standardization,
            )
            for i in range(num_convs)
        )
        norms = (make_norm(norm, out_channels, num_levels=num_levels) for _ in range(num_convs))
        self.norms = nn.ModuleList(_over_levels(n, freeze_norm) for n in norms)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """L tensors (N, in_channels, Hl, Wl) -> L tensors (N, out_channels, Hl, Wl)."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            features = conv(features)
            features = (
                norm(features) if isinstance(norm, PyramidNorm) else [norm(x) for x in features]
            )
            features = [F.relu(x) for x in features]
        return list(features)


def _over_levels(norm: nn.Module | None, freeze: str | None) -> nn.Module:
    if norm is None:
        return nn.Identity()
    over_pyramid = PyramidNorm(norm, freeze=freeze)
    has_running_statistics = any(
        isinstance(m, nn.modules.batchnorm._BatchNorm) for m in norm.modules()
    )
    return over_pyramid if has_running_statistics else norm


class Towers(nn.Module):
    """One tower per task, in and out like :class:`SEPC`, so that the two can be exchanged.

    Source: RetinaNet (https://arxiv.org/abs/1708.02002), Sec 4.1; with group norm as in FCOS, ATSS
    and GFL.

    Args:
        in_channels: channels C of every level of the pyramid that comes in.
        out_channels: channels of both pyramids that go out; default ``in_channels``.
        num_convs: convolutions of each tower.
        norm: after every convolution: a name or a callable from channels to a module (see
            :func:`make_norm`), None for none. One with running statistics goes over the whole
            pyramid, another over each level alone.
        kernel_size: odd.
        freeze_norm, weight_standardization, num_levels: see :class:`SEPC`.

    Raises:
        ValueError: arguments out of range, named with what was expected.
    """

    head_padding = "same"

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int | None = None,
        num_convs: int = 4,
        norm: str | NormFactory | None = "GN",
        kernel_size: int = 3,
        freeze_norm: str | None = None,
        weight_standardization: bool | None = None,
        num_levels: int | None = None,
    ) -> None:
        super().__init__()
        out_channels = in_channels if out_channels is None else out_channels
        if in_channels < 1 or out_channels < 1:
            raise ValueError(f"expected channels of 1 or more, got {in_channels} -> {out_channels}")
        if num_convs < 1:
            raise ValueError(f"expected num_convs of 1 or more, got {num_convs}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_levels = num_levels

        def tower() -> Tower:
            return Tower(
                in_channels,
                out_channels,
                num_convs=num_convs,
                norm=norm,
                kernel_size=kernel_size,
                freeze_norm=freeze_norm,
                weight_standardization=standardizes(norm, weight_standardization),
                num_levels=num_levels,
            )

        self.cls_tower = tower()
        self.box_tower = tower()

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Classification and localization features.

        Args:
            features: L tensors (N, in_channels, Hl, Wl), fine to coarse.

        Returns:
            two lists of L tensors (N, out_channels, Hl, Wl).

        Raises:
            ValueError: wrong number of levels, channels or sizes; names the level.
        """
        check_pyramid(features, channels=self.in_channels, num_levels=self.num_levels)
        return self.cls_tower(features), self.box_tower(features)
