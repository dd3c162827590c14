"""Convolution with a norm behind it, ordinary or deformable."""

from typing import Any

from torch import Tensor, nn

from ..deform_conv import DeformConv2d
from ..norms import NormFactory, make_norm


class _Normed(nn.Module):
    """A convolution among the base classes, and the module ``norm`` applied to what it gives.

    The norm is a child of the convolution, as in Detectron2's ``Conv2d``, so that what folds or
    freezes those of a backbone does so here too.
    """

    norm: nn.Module | None

    def forward(self, input: Tensor) -> Tensor:
        x = super().forward(input)
        return x if self.norm is None else self.norm(x)


class NormedConv2d(_Normed, nn.Conv2d):
    """An ordinary convolution and its norm."""


class NormedDeformConv2d(_Normed, DeformConv2d):
    """A deformable convolution and its norm."""


def pointwise(
    in_channels: int, out_channels: int, norm: str | NormFactory | None = None
) -> NormedConv2d:
    """Make a 1x1 convolution with a norm, or a bias where there is none."""
    return _with_norm(NormedConv2d(in_channels, out_channels, 1, bias=not norm), norm)


def spatial(channels: int, *, norm: str | NormFactory | None, deform_groups: int) -> nn.Conv2d:
    """Make a 3x3 convolution with a norm, or a bias where there is none.

    Args:
        deform_groups: of a modulated :class:`~sepc.layers.DeformConv2d`; 0 for an ordinary
            convolution.
    """
    options: dict[str, Any] = dict(kernel_size=3, padding=1, bias=not norm)
    if deform_groups:
        options |= dict(deform_groups=deform_groups, modulated=True)
        conv: Any = NormedDeformConv2d(channels, channels, **options)
    else:
        conv = NormedConv2d(channels, channels, **options)
    return _with_norm(conv, norm)


def _with_norm(conv: Any, norm: str | NormFactory | None) -> Any:
    """Give the convolution its norm, and the kernel of an ordinary one Glorot's initialization."""
    conv.norm = make_norm(norm, conv.out_channels)
    if not isinstance(conv, DeformConv2d):
        nn.init.xavier_uniform_(conv.weight)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
    return conv
