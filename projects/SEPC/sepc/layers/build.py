"""Builder of the SEPC trunk, which spells and explains every option."""

import inspect
from typing import Any

from .level_conv import SharedConv
from .norms import NormFactory
from .pyramid_layer import make_layer
from .stack import PyramidConvStack
from .trunk import SEPC

VARIANTS: dict[str, dict[str, Any]] = {
    "pconv": dict(norm=None, deform_stages=False, deform_branches=False),
    "pconv_ibn": dict(norm="BN", deform_stages=False, deform_branches=False),
    "sepc_lite": dict(norm="BN", deform_stages=False, deform_branches=True),
    "sepc": dict(norm="BN", deform_stages=True, deform_branches=True),
}
# Options of version 0.1 which the ablation found useless (docs/ablation), with the values that are
# the paper's form. Saved configs may spell these values.
REMOVED = {"num_branch_convs": 1, "init_std": 0.01, "upsampling": "corners"}


def build_sepc(variant: str, in_channels: int, **overrides: Any) -> SEPC:
    """Build the trunk in one of the paper's four forms (Table 1).

    Args:
        variant: "pconv" (no norm, nothing deforms), "pconv_ibn" (integrated BN), "sepc_lite" (and
            the branch convolutions deform), or "sepc" (and the stages deform).
        in_channels: channels of every level of the pyramid.
        overrides: other options of :func:`build_trunk`; they win over those of the variant.

    Raises:
        ValueError: unknown variant or override, named beside the known ones, or a value out of
            range.
    """
    if variant not in VARIANTS:
        raise ValueError(f"unknown variant: expected one of {list(VARIANTS)}, got {variant!r}")
    known = set(default_options())
    unknown = sorted(set(overrides) - known - set(REMOVED))
    if unknown:
        raise ValueError(f"unknown override {unknown}: expected some of {sorted(known)}")
    for name in REMOVED.keys() & overrides.keys():
        if overrides[name] != REMOVED[name]:
            raise ValueError(
                f"{name} is an option of version 0.1: expected {REMOVED[name]!r}, which is all "
                f"that there is now, got {overrides[name]!r}"
            )
    options = {name: value for name, value in overrides.items() if name in known}
    return build_trunk(in_channels, **{**VARIANTS[variant], **options})


def build_trunk(
    in_channels: int,
    *,
    norm: str | NormFactory | None,
    deform_stages: bool,
    deform_branches: bool,
    out_channels: int | None = None,
    num_stages: int = 4,
    modulated: bool = False,
    deform_groups: int = 1,
    deform_finest: bool = False,
    kernel_size: int = 3,
    head_padding: str = "same",
    num_levels: int | None = None,
    cross_level: bool = True,
    freeze_norm: str | None = None,
    weight_standardization: bool | None = None,
) -> SEPC:
    """Build the trunk, all options open.

    Args:
        in_channels: channels C of every level of the pyramid that comes in.
        norm: norm over the pyramid after every convolution: a name or a callable from channels to a
            module (see :func:`make_norm`); None for none.
        deform_stages, deform_branches: let the kernels deform above the finest level.
        out_channels: channels of both pyramids that go out; default ``in_channels``.
        num_stages: stages of pyramid convolution, 4 in the paper; 0 leaves the branches alone.
        modulated, deform_groups: see :class:`DeformConv2d`.
        deform_finest: where kernels deform, let them at the finest level as well. Unlike the paper:
            for diagnosis.
        kernel_size: of all convolutions, odd.
        head_padding: "same" pads the branch convolutions. "valid" does not, and every level comes
            out smaller by ``kernel_size - 1``. Unlike the official code, whose missing padding its
            authors call a mistake, the default is "same"; the weights they released need "valid".
        num_levels: number of levels that must come in; None takes any from one up. The norm
            "LevelBN" needs it.
        cross_level: False leaves out the terms from the finer and the coarser level, for
            comparison.
        freeze_norm: "statistics" keeps the norms' running statistics as they are and normalizes by
            them, "all" keeps their scales and shifts too; None: nothing. See :class:`PyramidNorm`.
        weight_standardization: standardize all kernels (see :mod:`.weight_standardization`); None:
            with the norm "BCN", which it belongs to, and not with others.

    Raises:
        ValueError: arguments out of range, named with what was expected.
    """
    if head_padding not in ("same", "valid"):
        raise ValueError(f"expected head_padding 'same' or 'valid', got {head_padding!r}")
    layer: dict[str, Any] = dict(
        norm=norm,
        freeze_norm=freeze_norm,
        num_levels=num_levels,
        weight_standardization=weight_standardization,
        kernel_size=kernel_size,
        modulated=modulated,
        deform_groups=deform_groups,
        deform_finest=deform_finest,
    )
    out_channels = in_channels if out_channels is None else out_channels
    stages = PyramidConvStack(
        in_channels=in_channels,
        out_channels=out_channels,
        num_stages=num_stages,
        cross_level=cross_level,
        deform=deform_stages,
        **layer,
    )
    cls_branch, box_branch = (
        make_layer(
            SharedConv,
            stages.out_channels,
            out_channels,
            padding=None if head_padding == "same" else 0,
            deform=deform_branches,
            **layer,
        )
        for _ in range(2)
    )
    return SEPC(stages=stages, cls_branch=cls_branch, box_branch=box_branch)


def default_options() -> dict[str, Any]:
    """Options of :func:`build_trunk` with their defaults; None where the variant decides."""
    return {
        name: None if name in VARIANTS["sepc"] else parameter.default
        for name, parameter in inspect.signature(build_trunk).parameters.items()
        if name != "in_channels"
    }
