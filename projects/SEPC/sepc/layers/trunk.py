"""The SEPC trunk: pyramid convolutions shared by both tasks, then one convolution per task.

It takes the place of a one-stage detector's head towers; the predictors sit straight on it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from .norms import NormFactory, make_norm
from .pyramid import check_pyramid
from .pyramid_conv import SharedConv
from .stack import PyramidConvStack, PyramidLayer, standardizes

_VARIANTS: dict[str, dict[str, Any]] = {
    "pconv": dict(norm=None, deform_stages=False, deform_branches=False),
    "pconv_ibn": dict(norm="BN", deform_stages=False, deform_branches=False),
    "sepc_lite": dict(norm="BN", deform_stages=False, deform_branches=True),
    "sepc": dict(norm="BN", deform_stages=True, deform_branches=True),
}


class SEPC(nn.Module):
    """The trunk: ``num_stages`` pyramid convolutions, then a branch per task.

    Source: SEPC, Sec 3 and Fig. 5; the official code for what the paper leaves open.

    Args:
        in_channels: channels C of every level of the pyramid that comes in.
        out_channels: channels of both pyramids that go out; default ``in_channels``.
        num_stages: stages of pyramid convolution, 4 in the paper; 0 leaves the branches alone.
        norm: norm over the pyramid after every convolution: a name or a callable from channels to a
            module (see :func:`make_norm`); None for none.
        deform_stages, deform_branches: let the kernels deform above the finest level.
        modulated, deform_groups: see :class:`DeformConv2d`.
        freeze_norm: "statistics" keeps the norms' running statistics as they are and normalizes by
            them, "all" keeps their scales and shifts too; None: nothing. See :class:`PyramidNorm`.
        weight_standardization: of all kernels; None: with the norm "BCN" alone, see
            :class:`PyramidConvStack`.
        kernel_size: of all convolutions, odd.
        head_padding: "same" pads the branch convolutions. "valid" does not, and every level comes
            out smaller by ``kernel_size - 1``. Unlike the official code, whose missing padding its
            authors call a mistake, the default is "same"; the weights they released need "valid".
        num_levels: number of levels that must come in; None takes any from one up. The norm
            "LevelBN" needs it.
        num_branch_convs: convolutions of each branch, 1 in the paper; only the last one deforms.
        init_std, cross_level, upsampling: see :class:`PyramidConvStack`.

    Raises:
        ValueError: arguments out of range, named with what was expected.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int | None = None,
        num_stages: int = 4,
        norm: str | NormFactory | None = "BN",
        deform_stages: bool = True,
        deform_branches: bool = True,
        modulated: bool = False,
        deform_groups: int = 1,
        kernel_size: int = 3,
        head_padding: str = "same",
        num_levels: int | None = None,
        num_branch_convs: int = 1,
        init_std: float | None = 0.01,
        cross_level: bool = True,
        upsampling: str = "corners",
        freeze_norm: str | None = None,
        weight_standardization: bool | None = None,
    ) -> None:
        super().__init__()
        out_channels = in_channels if out_channels is None else out_channels
        if head_padding not in ("same", "valid"):
            raise ValueError(f"expected head_padding 'same' or 'valid', got {head_padding!r}")
        if num_branch_convs < 1:
            raise ValueError(f"expected num_branch_convs of 1 or more, got {num_branch_convs}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_levels = num_levels
        self.kernel_size = kernel_size
        self.head_padding = head_padding
        kernel: dict[str, Any] = dict(
            kernel_size=kernel_size,
            modulated=modulated,
            deform_groups=deform_groups,
            init_std=init_std,
            weight_standardization=standardizes(norm, weight_standardization),
        )

        self.stages = PyramidConvStack(
            in_channels=in_channels,
            out_channels=out_channels,
            num_stages=num_stages,
            norm=norm,
            deform=deform_stages,
            cross_level=cross_level,
            upsampling=upsampling,
            freeze_norm=freeze_norm,
            num_levels=num_levels,
            **kernel,
        )

        def branch_layer(
            channels: int, *, padding: int | None = None, deform: bool = False
        ) -> PyramidLayer:
            conv = SharedConv(channels, out_channels, padding=padding, deform=deform, **kernel)
            shared = make_norm(norm, out_channels, num_levels=num_levels)
            return PyramidLayer(conv, shared, freeze_norm=freeze_norm)

        def branch() -> nn.Module:
            *inner, last = [self.stages.out_channels, *[out_channels] * (num_branch_convs - 1)]
            padding = None if head_padding == "same" else 0
            layer = branch_layer(last, padding=padding, deform=deform_branches)
            return nn.Sequential(*map(branch_layer, inner), layer) if inner else layer

        self.cls_branch = branch()
        self.box_branch = branch()

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Features for both tasks.

        Args:
            features: L tensors (N, in_channels, Hl, Wl), fine to coarse, each level half the size
                of the finer one, rounded up.

        Returns:
            classification and localization features, each L tensors (N, out_channels, Hl, Wl)
            (with ``head_padding="valid"``: (Hl - 2, Wl - 2) for the kernel size 3).

        Raises:
            ValueError: wrong number of levels, channels or sizes; names the level.
        """
        check_pyramid(features, channels=self.in_channels, num_levels=self.num_levels)
        if self.head_padding == "valid":
            self._check_large_enough(features)
        features = self.stages(features)
        return self.cls_branch(features), self.box_branch(features)

    def _check_large_enough(self, features: Sequence[Tensor]) -> None:
        h, w = features[-1].shape[-2:]
        if min(h, w) < self.kernel_size:
            raise ValueError(
                f"level {len(features) - 1}: without padding in the branches expected at least "
                f"{self.kernel_size} x {self.kernel_size} cells, got {h} x {w}; use larger images, "
                "or head_padding='same'"
            )


def build_sepc(variant: str, in_channels: int, **overrides: Any) -> SEPC:
    """The trunk in one of the paper's four forms (Table 1).

    Args:
        variant: "pconv" (no norm, nothing deforms), "pconv_ibn" (integrated BN), "sepc_lite" (and
            the branch convolutions deform), or "sepc" (and the stages deform).
        in_channels: channels of every level of the pyramid.
        overrides: other arguments of :class:`SEPC`; they win over those of the variant.

    Raises:
        ValueError: unknown variant or override, named beside the known ones.
    """
    if variant not in _VARIANTS:
        raise ValueError(f"unknown variant: expected one of {list(_VARIANTS)}, got {variant!r}")
    known = set(inspect.signature(SEPC).parameters) - {"in_channels"}
    unknown = sorted(set(overrides) - known)
    if unknown:
        raise ValueError(f"unknown override {unknown}: expected some of {sorted(known)}")
    return SEPC(in_channels=in_channels, **{**_VARIANTS[variant], **overrides})
