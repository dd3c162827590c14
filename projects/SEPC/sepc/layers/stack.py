"""Pyramid convolutions one after the other: the stem of the SEPC trunk, and a neck by itself."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from .level_conv import SharedConv
from .pyramid import check_pyramid
from .pyramid_conv import PyramidConv
from .pyramid_layer import make_layer


class PyramidConvStack(nn.Sequential):
    """Stack of ``num_stages`` pyramid convolutions, each with a norm (optional) and ReLU.

    Source: SEPC, Sec 3.1; by itself it is the neck of the paper's two-stage detectors.

    Args:
        in_channels: channels C of every level of the pyramid that comes in.
        out_channels: channels of the pyramid that goes out; default ``in_channels``.
        num_stages: 0 gives the pyramid back as it is.
        num_levels: number of levels that must come in; None takes any from one up. The norm
            "LevelBN" needs it.
        cross_level: False leaves out the terms from the finer and the coarser level, for
            comparison: each stage is one :class:`SharedConv`.
        layer: other options of each stage, see :func:`.make_layer`.

    Raises:
        ValueError: arguments out of range, named with what was expected.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int | None = None,
        num_stages: int = 4,
        num_levels: int | None = None,
        cross_level: bool = True,
        **layer: Any,
    ) -> None:
        out_channels = in_channels if out_channels is None else out_channels
        if num_stages < 0:
            raise ValueError(f"expected num_stages of 0 or more, got {num_stages}")
        conv = PyramidConv if cross_level else SharedConv
        channels = [in_channels] + [out_channels] * num_stages
        super().__init__(
            *(
                make_layer(conv, channels[i], out_channels, num_levels=num_levels, **layer)
                for i in range(num_stages)
            )
        )
        self.in_channels = in_channels
        self.out_channels = channels[-1]
        self.num_levels = num_levels

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Map a pyramid (N, in_channels, Hl, Wl) to one of (N, out_channels, Hl, Wl).

        Raises:
            ValueError: wrong number of levels or channels, or a level that is not half the size of
                the finer one, rounded up; names the level.
        """
        check_pyramid(features, channels=self.in_channels, num_levels=self.num_levels)
        for stage in self:
            features = stage(features)
        return list(features)
