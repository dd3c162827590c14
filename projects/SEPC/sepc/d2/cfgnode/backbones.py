"""Backbones in Detectron2's registry: FPN or RCNet for one stage, and SEPC's neck for two."""

import inspect

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, build_resnet_backbone
from detectron2.modeling.backbone.fpn import (
    FPN,
    LastLevelP6P7,
    build_resnet_fpn_backbone,
    build_retinanet_resnet_fpn_backbone,
)

from ..backbones.denoising_fpn import DenoisingFPN
from ..backbones.pconv_neck import PyramidConvBackbone
from ..backbones.rcnet import RCNetBackbone
from ..norm import EvalBatchNorm2d
from .keys import arguments_of
from .trunk import naming, trunk_options

_NORM_OF_NECK = {"pconv": None, "pconv_ibn": "BN"}


@BACKBONE_REGISTRY.register()
def build_sepc_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """Detectron2's ``build_retinanet_resnet_fpn_backbone`` with three choices more.

    ``MODEL.SEPC.P6_IN_FEATURE`` is what P6 is made from, ``MODEL.RESNETS.NORM`` "EvalBN" is
    :class:`~sepc.d2.norm.EvalBatchNorm2d`, and a ``MODEL.SEPC.DENOISING.WEIGHT`` makes it a
    :class:`~sepc.d2.backbones.denoising_fpn.DenoisingFPN`.

    Raises:
        ValueError: for another ``P6_IN_FEATURE`` than "res5" or "p5".
    """
    source = cfg.MODEL.SEPC.P6_IN_FEATURE
    if source not in ("res5", "p5"):
        raise ValueError(f"MODEL.SEPC.P6_IN_FEATURE: expected 'res5' or 'p5', got {source!r}")
    backbone = build_retinanet_resnet_fpn_backbone(_with_norm_class(cfg), input_shape)
    if source == "p5":
        channels = cfg.MODEL.FPN.OUT_CHANNELS
        backbone.top_block = LastLevelP6P7(channels, channels, in_feature="p5")
    return _denoising(cfg, backbone) if cfg.MODEL.SEPC.DENOISING.WEIGHT else backbone


def _denoising(cfg: CfgNode, fpn: FPN) -> DenoisingFPN:
    with naming("MODEL.SEPC.DENOISING"):
        return DenoisingFPN(
            fpn.bottom_up,
            list(fpn.in_features),
            cfg.MODEL.FPN.OUT_CHANNELS,
            norm=cfg.MODEL.FPN.NORM,
            top_block=fpn.top_block,
            fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
            denoising_weight=cfg.MODEL.SEPC.DENOISING.WEIGHT,
            temperature=cfg.MODEL.SEPC.DENOISING.TEMPERATURE,
        )


@BACKBONE_REGISTRY.register()
def build_resnet_rcnet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> RCNetBackbone:
    """RCNet, by ``MODEL.SEPC.RCNET``, in the place of FPN, of which it reads the first two keys.

    These are ``MODEL.FPN.IN_FEATURES`` and ``MODEL.FPN.OUT_CHANNELS``; ``MODEL.RESNETS.NORM`` may
    be "EvalBN" here, too.

    Raises:
        ValueError: for settings in ``MODEL.SEPC.RCNET`` that are out of range.
    """
    bottom_up = build_resnet_backbone(_with_norm_class(cfg), input_shape)
    with naming("MODEL.FPN or MODEL.SEPC.RCNET"):
        return RCNetBackbone(
            bottom_up=bottom_up,
            in_features=cfg.MODEL.FPN.IN_FEATURES,
            out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
            **arguments_of(cfg.MODEL.SEPC.RCNET),
        )


def _with_norm_class(cfg: CfgNode) -> CfgNode:
    """Put the class in the place of the name "EvalBN", which Detectron2 does not know."""
    if cfg.MODEL.RESNETS.NORM == "EvalBN":
        cfg = cfg.clone()
        # Detectron2's ResNet takes a class as well; an attribute of a CfgNode may not be one
        cfg.MODEL.RESNETS["NORM"] = EvalBatchNorm2d
    return cfg


@BACKBONE_REGISTRY.register()
def build_resnet_fpn_pconv_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> PyramidConvBackbone:
    """Detectron2's ``build_resnet_fpn_backbone`` and pyramid convolutions: for two stages.

    Raises:
        ValueError: for settings in ``MODEL.SEPC`` that are out of range, or not of the neck.
    """
    variant = cfg.MODEL.SEPC.VARIANT
    if variant not in _NORM_OF_NECK:
        raise ValueError(
            f"MODEL.SEPC: after FPN expected VARIANT one of {list(_NORM_OF_NECK)}, got {variant!r}"
        )
    known = inspect.signature(PyramidConvBackbone).parameters
    options = {"norm": _NORM_OF_NECK[variant], **trunk_options(cfg, allowed=known)}
    with naming("MODEL.SEPC"):
        return PyramidConvBackbone(fpn=build_resnet_fpn_backbone(cfg, input_shape), **options)
