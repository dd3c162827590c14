"""One kernel on many levels, plain or deforming; the only place that chooses a fast form of it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from .deform_conv import DeformConv2d
from .fast.single_column import pad_single_column
from .fast.winograd import conv3x3_by_winograd, winograd_pays

LevelKernel = Callable[[Sequence[Tensor]], list[Tensor]]


class LevelConv(nn.Conv2d):
    """An ordinary convolution of each level, with one kernel for all."""

    def forward(  # type: ignore[override]
        self, features: Sequence[Tensor], weight: Tensor | None = None
    ) -> list[Tensor]:
        """Convolve L maps (N, C, Hl, Wl), to L maps (N, out_channels, Ho, Wo).

        Args:
            weight: what to compute with in place of its own.
        """
        return convolve_levels(features, self, weight)


class DeformLevelConv(DeformConv2d):
    """A convolution of each level, with one kernel for all, that deforms above the finest level.

    Source: SEPC, Sec 3.3. What counts is the level of the *output*: at the finest one it is an
    ordinary convolution with the same weights.

    Args:
        first_level: level that the first output belongs to, 0 (the finest) or 1.
        deform_finest: deform at the finest level as well. Unlike the paper: for diagnosis.

    Other arguments mean the same as in :class:`DeformConv2d`.
    """

    def __init__(
        self, *args: Any, first_level: int, deform_finest: bool = False, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.first_level = first_level
        self.deform_finest = deform_finest

    def forward(  # type: ignore[override]
        self, features: Sequence[Tensor], weight: Tensor | None = None
    ) -> list[Tensor]:
        """Convolve as :meth:`LevelConv.forward` does; ``weight`` is not for predicting offsets."""
        finest = features[: 0 if self.deform_finest else 1 - self.first_level]
        coarser = _guarded(features[len(finest) :], self)
        return convolve_levels(finest, self, weight) + self.forward_levels(coarser, weight)


def make_level_conv(
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    padding: int | None = None,
    bias: bool = True,
    deform: bool = False,
    modulated: bool = False,
    deform_groups: int = 1,
    deform_finest: bool = False,
    first_level: int = 0,
) -> LevelConv | DeformLevelConv:
    """Make a kernel for many levels, initialized as in the official code: N(0, 0.01), biases zero.

    Args:
        in_channels, out_channels: channels of every level before and after.
        kernel_size: odd, so that a level keeps its size.
        padding: cells added on each side; None keeps the size of a level.
        deform: let it deform above the finest level.
        modulated, deform_groups: see :class:`DeformConv2d`; without ``deform`` they have no effect.
        deform_finest: see :class:`DeformLevelConv`; without ``deform`` it has no effect.
        first_level: level that the first output belongs to.

    Raises:
        ValueError: arguments out of range, named with what was expected.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size: expected an odd number of 1 or more, got {kernel_size}")
    options: dict[str, Any] = dict(
        stride=stride, padding=kernel_size // 2 if padding is None else padding, bias=bias
    )
    if deform:
        options |= dict(modulated=modulated, deform_groups=deform_groups)
        options |= dict(deform_finest=deform_finest, first_level=first_level)
    make = DeformLevelConv if deform else LevelConv
    conv = make(in_channels, out_channels, kernel_size, **options)
    nn.init.normal_(conv.weight, std=0.01)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


class SharedConv(nn.Module):
    """One kernel shared by all levels: pyramid convolution without its cross-level terms.

    The last layer of each SEPC branch, and all layers of plain towers.

    Args:
        in_channels, out_channels: channels of every level before and after.
        kernel: options, see :func:`make_level_conv`.
    """

    def __init__(self, in_channels: int, out_channels: int, **kernel: Any) -> None:
        super().__init__()
        self.same = make_level_conv(in_channels, out_channels, **kernel)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Convolve L maps (N, in_channels, Hl, Wl), to L maps (N, out_channels, Ho, Wo)."""
        (same,) = self.kernels()
        return same(features)

    def kernels(self) -> Sequence[LevelKernel]:
        """W_0 alone: from a list of maps to a list of maps."""
        return (self.same,)


def convolve_levels(
    features: Sequence[Tensor], conv: nn.Conv2d, weight: Tensor | None = None
) -> list[Tensor]:
    """Convolve every level ordinarily, by the fastest form.

    Args:
        features: L tensors (N, C, Hl, Wl).
        conv: its bias and geometry are used; a plain module is called, so that its hooks are.
        weight: what to compute with; None is the weight of ``conv``.

    Returns:
        L tensors (N, out_channels, Ho, Wo).
    """
    is_plain = weight is None and type(conv) is nn.Conv2d
    weight = conv.weight if weight is None else weight
    if winograd_pays(features, conv):
        return conv3x3_by_winograd(features, weight, conv.bias)
    if is_plain:
        return [conv(x) for x in _guarded(features, conv)]
    return [
        F.conv2d(x, weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups)
        for x in _guarded(features, conv)
    ]


def _guarded(features: Sequence[Tensor], conv: nn.Conv2d) -> Sequence[Tensor]:
    """Pad the maps of a strided convolution where the backend needs it."""
    return features if conv.stride == (1, 1) else [pad_single_column(x) for x in features]
