"""Convolution towers per task: what SEPC takes the place of."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from .norms import NormFactory, make_norm
from .pyramid import check_pyramid
from .pyramid_conv import SharedConv
from .pyramid_norm import PyramidNorm


class Tower(nn.Module):
    """Convolutions shared by all levels, each with a norm (optional) and ReLU.

    A batch norm takes its statistics over the whole pyramid (iBN): the levels share its running
    statistics, so they have to share those of the batch too. Any other norm sees each level alone.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        num_convs: int,
        norm: str | NormFactory | None,
        kernel_size: int,
    ) -> None:
        super().__init__()
        channels = [in_channels] + [out_channels] * num_convs
        self.convs = nn.ModuleList(
            SharedConv(channels[i], out_channels, kernel_size=kernel_size) for i in range(num_convs)
        )
        norms = (make_norm(norm, out_channels) for _ in range(num_convs))
        self.norms = nn.ModuleList(
            PyramidNorm(n) if isinstance(n, nn.modules.batchnorm._BatchNorm) else n or nn.Identity()
            for n in norms
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """L tensors (N, in_channels, Hl, Wl) -> L tensors (N, out_channels, Hl, Wl)."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            features = conv(features)
            features = (
                norm(features) if isinstance(norm, PyramidNorm) else [norm(x) for x in features]
            )
            features = [F.relu(x) for x in features]
        return list(features)


class Towers(nn.Module):
    """One tower per task, in and out like :class:`SEPC`, so that the two can be exchanged.

    Source: RetinaNet (https://arxiv.org/abs/1708.02002), Sec 4.1; with group norm as in FCOS, ATSS
    and GFL.

    Args:
        in_channels: channels C of every level of the pyramid that comes in.
        out_channels: channels of both pyramids that go out; default ``in_channels``.
        num_convs: convolutions of each tower.
        norm: after every convolution: a name or a callable from channels to a module (see
            :func:`make_norm`), None for none.
        kernel_size: odd.

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
    ) -> None:
        super().__init__()
        out_channels = in_channels if out_channels is None else out_channels
        if in_channels < 1 or out_channels < 1:
            raise ValueError(f"expected channels of 1 or more, got {in_channels} -> {out_channels}")
        if num_convs < 1:
            raise ValueError(f"expected num_convs of 1 or more, got {num_convs}")
        self.in_channels = in_channels
        self.out_channels = out_channels

        def tower() -> Tower:
            return Tower(
                in_channels, out_channels, num_convs=num_convs, norm=norm, kernel_size=kernel_size
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
            ValueError: wrong channels or sizes; names the level.
        """
        check_pyramid(features, channels=self.in_channels)
        return self.cls_tower(features), self.box_tower(features)
