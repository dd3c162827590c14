"""Plain towers, one per task, whose place SEPC takes."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from .level_conv import SharedConv
from .norms import NormFactory
from .pyramid import check_pyramid
from .pyramid_layer import PyramidLayer, conv_norm_relu, make_layer


class Tower(nn.Module):
    """Tower of one task: layers whose convolutions are shared by all levels.

    A norm with running statistics goes over the whole pyramid (iBN): the levels share them, so they
    have to share those of the batch too. Any other norm sees each level alone.
    """

    def __init__(self, layers: Sequence[PyramidLayer]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(layer.conv for layer in layers)
        self.norms = nn.ModuleList(_norm_of(layer) for layer in layers)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Map a pyramid (N, in_channels, Hl, Wl) to one of (N, out_channels, Hl, Wl)."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            features = conv_norm_relu(features, conv, norm)
        return list(features)


def _norm_of(layer: PyramidLayer) -> nn.Module:
    if layer.norm is None:
        return nn.Identity()
    norms = (nn.modules.batchnorm._BatchNorm,)
    has_running_statistics = any(isinstance(m, norms) for m in layer.norm.modules())
    return layer.norm if has_running_statistics else layer.norm.shared


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
        num_levels: number of levels that must come in; None takes any from one up. The norm
            "LevelBN" needs it.
        layer: other options of each layer, see :func:`.make_layer`.

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
        num_levels: int | None = None,
        **layer: Any,
    ) -> None:
        super().__init__()
        if num_convs < 1:
            raise ValueError(f"expected num_convs of 1 or more, got {num_convs}")
        self.in_channels = in_channels
        self.out_channels = in_channels if out_channels is None else out_channels
        self.num_levels = num_levels
        options = dict(norm=norm, num_levels=num_levels, **layer)
        channels = [in_channels] + [self.out_channels] * num_convs

        def tower() -> Tower:
            return Tower(
                [
                    make_layer(SharedConv, channels[i], channels[i + 1], **options)
                    for i in range(num_convs)
                ]
            )

        self.cls_tower = tower()
        self.box_tower = tower()

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Compute classification and localization features.

        Args:
            features: L tensors (N, in_channels, Hl, Wl), fine to coarse.

        Returns:
            two lists of L tensors (N, out_channels, Hl, Wl).

        Raises:
            ValueError: wrong number of levels, channels or sizes; names the level.
        """
        check_pyramid(features, channels=self.in_channels, num_levels=self.num_levels)
        return self.cls_tower(features), self.box_tower(features)
