"""Pyramid convolution: a 3-D convolution over scale and space, with kernels shared by all levels.

    y_l = W_0 * x_l  +  W_-1 *(stride 2) x_{l-1}  +  upsample(W_1 * x_{l+1})        SEPC, Eq. 1

Levels run fine to coarse; terms beyond the ends of the pyramid are absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .deform_conv import DeformConv2d
from .fast.winograd import conv3x3_by_winograd, winograd_pays
from .weight_standardization import standardized

UPSAMPLING = ("corners", "stride")


class SharedKernels(nn.Module):
    """Kernels that all levels share; its children are convolutions whose terms add up."""

    def __init__(self, *, weight_standardization: bool) -> None:
        super().__init__()
        self.weight_standardization = weight_standardization

    def kernels(self) -> list[tuple[nn.Conv2d, Tensor]]:
        """Each convolution with the weights it computes with."""
        convs = [child for child in self.children() if isinstance(child, nn.Conv2d)]
        weights: list[Tensor] = [conv.weight for conv in convs]
        if self.weight_standardization:
            weights = standardized(weights)
        return list(zip(convs, weights, strict=True))


class PyramidConv(SharedKernels):
    """One stage of pyramid convolution, pyramid in, pyramid out.

    Source: SEPC, Sec 3.1, Eq. 1; with ``deform`` the scale-equalizing form of Sec 3.3: the kernels
    deform where the *output* level lies above the finest, and are ordinary with the same weights at
    the finest level.

    Each of the three convolutions has its own bias, so the ends of the pyramid, which have one
    neighbor, add one bias fewer. As in the official code: bilinear upsampling with corners
    aligned, after the convolution; weights start as N(0, 0.01), biases at zero.

    Args:
        in_channels, out_channels: channels of every level before and after.
        kernel_size: odd, so that a level keeps its size.
        deform: use :class:`DeformConv2d` for the three kernels.
        modulated, deform_groups: see :class:`DeformConv2d`.
        init_std: of the weights at the start; None keeps the size of the values (see
            :func:`make_kernel`).
        upsampling: "corners" as in the official code, or "stride" (see :func:`upsample`).
        weight_standardization: compute with standardized kernels, see
            :mod:`.weight_standardization`; offsets are predicted as ever.

    Raises:
        ValueError: arguments out of range, named with what was expected.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 3,
        bias: bool = True,
        deform: bool = False,
        modulated: bool = False,
        deform_groups: int = 1,
        init_std: float | None = 0.01,
        upsampling: str = "corners",
        weight_standardization: bool = False,
    ) -> None:
        super().__init__(weight_standardization=weight_standardization)
        if upsampling not in UPSAMPLING:
            raise ValueError(f"expected upsampling one of {UPSAMPLING}, got {upsampling!r}")
        self.upsampling = upsampling
        kernel = partial(
            make_kernel,
            in_channels,
            out_channels,
            kernel_size=kernel_size,
            padding=kernel_size // 2,
            bias=bias,
            deform=deform,
            modulated=modulated,
            deform_groups=deform_groups,
            init_std=init_std,
            terms=3,
        )
        self.same = kernel()
        self.from_finer = kernel(stride=2)
        self.from_coarser = kernel()

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """L tensors (N, in_channels, Hl, Wl) -> L tensors (N, out_channels, Hl, Wl)."""
        outputs, from_finer, from_coarser = self.terms(features)
        for y, term in zip(outputs[1:], from_finer, strict=True):
            y += term
        for y, term in zip(outputs[:-1], from_coarser, strict=True):
            y += term
        return outputs

    def terms(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """The three terms, each with its own bias.

        Returns:
            of the level itself, L maps; from the finer level, for all but the finest; from the
            coarser level, upsampled, for all but the coarsest.
        """
        same, from_finer, from_coarser = self.kernels()
        finer = [two_wide(x) for x in features[:-1]]
        coarser = convolve(*from_coarser, features[1:], first_level=0)
        return (
            convolve(*same, features, first_level=0),
            convolve(*from_finer, finer, first_level=1),
            [
                upsample(y, size=x.shape[-2:], to=self.upsampling)
                for y, x in zip(coarser, features[:-1], strict=True)
            ],
        )


class SharedConv(SharedKernels):
    """One convolution shared by all levels: pyramid convolution without its cross-level terms.

    The last layer of each SEPC branch. With ``deform`` it deforms above the finest level.

    Args:
        padding: cells added on each side; None keeps the size of the level.

    Other arguments mean the same as in :class:`PyramidConv`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 3,
        padding: int | None = None,
        bias: bool = True,
        deform: bool = False,
        modulated: bool = False,
        deform_groups: int = 1,
        init_std: float | None = 0.01,
        weight_standardization: bool = False,
    ) -> None:
        super().__init__(weight_standardization=weight_standardization)
        self.same = make_kernel(
            in_channels,
            out_channels,
            kernel_size=kernel_size,
            padding=kernel_size // 2 if padding is None else padding,
            bias=bias,
            deform=deform,
            modulated=modulated,
            deform_groups=deform_groups,
            init_std=init_std,
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """L tensors (N, in_channels, Hl, Wl) -> L tensors (N, out_channels, Hl, Wl)."""
        (same,) = self.kernels()
        return convolve(*same, features, first_level=0)


def convolve(
    kernel: nn.Conv2d, weight: Tensor, maps: Sequence[Tensor], *, first_level: int
) -> list[Tensor]:
    """Apply a kernel to maps whose results belong to ``first_level`` and the coarser ones.

    At level 0 it is an ordinary convolution even if it can deform.

    Args:
        weight: what to compute with, the kernel's own or made from it.
    """
    if isinstance(kernel, DeformConv2d):
        undeformed = maps[: 1 - first_level]
        deformed = maps[len(undeformed) :]
        return plain_convolve(kernel, undeformed, weight) + kernel.forward_levels(deformed, weight)
    return plain_convolve(kernel, maps, weight)


def plain_convolve(
    kernel: nn.Conv2d, maps: Sequence[Tensor], weight: Tensor | None = None
) -> list[Tensor]:
    """The ordinary convolution of every map, by the fastest form; ``weight``: None is its own."""
    weight = kernel.weight if weight is None else weight
    if maps and winograd_pays(maps, kernel):
        return conv3x3_by_winograd(maps, weight, kernel.bias)
    return [
        F.conv2d(x, weight, kernel.bias, kernel.stride, kernel.padding, kernel.dilation)
        for x in maps
    ]


def upsample(x: Tensor, size: Sequence[int], to: str = "corners") -> Tensor:
    """Bilinear, to the exact ``size`` (H, W).

    Args:
        x: (N, C, h, w), a level that is half as large, rounded up.
        to: what is laid on what. "corners": the corners of both maps, as in the official code. On a
            map of even size that shifts the coarser one, from nothing at the start to half a cell
            at its end. "stride": cell i of the coarser map on cell 2i of the finer one, from where
            the kernel with stride 2 has it; beyond the last of them its value is repeated.
    """
    if to == "corners":
        return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)
    height, width = (2 * length - 1 for length in x.shape[-2:])
    x = F.interpolate(x, size=(height, width), mode="bilinear", align_corners=True)
    return F.pad(x, (0, size[1] - width, 0, size[0] - height), mode="replicate")


def two_wide(x: Tensor) -> Tensor:
    """A map one cell wide with a column of zeros, as a convolution's padding would add it.

    oneDNN (torch 2.14, CPU) leaves the bfloat16 weight gradient of a strided convolution over a map
    one cell wide uninitialized. The extra column changes nothing else.
    """
    is_affected = x.device.type == "cpu" and torch.is_grad_enabled() and x.shape[-1] == 1
    return F.pad(x, (0, 1)) if is_affected else x


def make_kernel(
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int,
    padding: int,
    stride: int = 1,
    bias: bool,
    deform: bool,
    modulated: bool,
    deform_groups: int,
    init_std: float | None,
    terms: int = 1,
) -> nn.Conv2d:
    """A convolution that can deform or not; weights start as N(0, ``init_std``), biases at zero.

    Officially 0.01, which shrinks the maps, at each stage to about a half with 256 channels and to
    a quarter with 64; a norm makes up for it. With None a map behind ReLU keeps its size through a
    sum of ``terms`` convolutions (https://arxiv.org/abs/1502.01852, Eq. 10).
    """
    if init_std is None:
        init_std = (2 / (terms * in_channels * kernel_size**2)) ** 0.5
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd so that a level keeps its size: {kernel_size}")
    conv: nn.Conv2d
    if deform:
        conv = DeformConv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            bias=bias,
            modulated=modulated,
            deform_groups=deform_groups,
        )
    else:
        conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=bias)
    nn.init.normal_(conv.weight, mean=0.0, std=init_std)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
