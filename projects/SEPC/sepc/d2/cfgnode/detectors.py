"""The one-stage detectors in Detectron2's registry: each reads a CfgNode into its constructor.

With ``MODEL.SEPC.VARIANT`` "plain" they have the head that they have without SEPC: Detectron2's own
in RetinaNet, FreeAnchor and FCOS, towers of ours in the others.
"""

from typing import Any, TypeVar

from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling import (
    META_ARCH_REGISTRY,
    build_anchor_generator,
    build_backbone,
    meta_arch,
)
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.meta_arch.fcos import FCOSHead

from ...layers import GuidedLosses
from ..detectors.atss import ATSS
from ..detectors.fcos import FCOS
from ..detectors.free_anchor import FreeAnchor
from ..detectors.fsaf import FSAF, FSAFRetinaNet
from ..detectors.gfl import GFL
from ..detectors.heads import CenternessHead, FSAFHead, SEPCHead
from ..detectors.retinanet import RetinaNet
from .keys import arguments_of
from .trunk import build_trunk, is_plain, naming

Head = TypeVar("Head", bound=SEPCHead)
Arguments = dict[str, Any]


class FromCfgNode:
    """In front of a detector among the base classes: builds it from a CfgNode, too."""

    @configurable
    def __init__(self, **arguments: Any) -> None:
        """Arguments of the detector; or a CfgNode, and arguments that win over it."""
        super().__init__(**arguments)


@META_ARCH_REGISTRY.register()
class SEPCRetinaNet(FromCfgNode, RetinaNet):
    """:class:`.retinanet.RetinaNet` from a CfgNode."""

    @classmethod
    def from_config(cls, cfg: CfgNode) -> Arguments:
        arguments = _retinanet(cfg)
        if not is_plain(cfg):
            arguments["head"] = _anchor_based_head(SEPCHead, cfg, arguments)
        return arguments


@META_ARCH_REGISTRY.register()
class SEPCFreeAnchor(FromCfgNode, FreeAnchor):
    """:class:`.free_anchor.FreeAnchor` from a CfgNode."""

    @classmethod
    def from_config(cls, cfg: CfgNode) -> Arguments:
        arguments = SEPCRetinaNet.from_config(cfg)
        del arguments["anchor_matcher"]
        return {**arguments, **arguments_of(cfg.MODEL.SEPC.FREE_ANCHOR)}


@META_ARCH_REGISTRY.register()
class SEPCFSAFRetinaNet(FromCfgNode, FSAFRetinaNet):
    """:class:`.fsaf.FSAFRetinaNet` from a CfgNode."""

    @classmethod
    def from_config(cls, cfg: CfgNode) -> Arguments:
        arguments = _retinanet(cfg)
        arguments["head"] = _anchor_based_head(FSAFHead, cfg, arguments)
        return {**arguments, **arguments_of(cfg.MODEL.SEPC.FSAF_RETINANET)}


@META_ARCH_REGISTRY.register()
class SEPCFSAF(FromCfgNode, FSAF):
    """:class:`.fsaf.FSAF` from a CfgNode."""

    @classmethod
    def from_config(cls, cfg: CfgNode) -> Arguments:
        arguments = {**_dense(cfg), **_focal_loss(cfg)}
        head = _head(SEPCHead, cfg, arguments, num_anchors=1, box_bias=1.0)
        return {**arguments, "head": head, **arguments_of(cfg.MODEL.SEPC.FSAF)}


@META_ARCH_REGISTRY.register()
class SEPCFCOS(FromCfgNode, FCOS):
    """:class:`.fcos.FCOS` from a CfgNode."""

    @classmethod
    def from_config(cls, cfg: CfgNode) -> Arguments:
        arguments = {**_dense(cfg), **_focal_loss(cfg)}
        head: SEPCHead | FCOSHead
        if is_plain(cfg):
            inputs = _shapes(arguments)
            head = FCOSHead(
                input_shape=inputs,
                conv_dims=[inputs[0].channels] * cfg.MODEL.RETINANET.NUM_CONVS,
                num_classes=cfg.MODEL.RETINANET.NUM_CLASSES,
                prior_prob=cfg.MODEL.RETINANET.PRIOR_PROB,
                norm=cfg.MODEL.RETINANET.NORM,
            )
        else:
            head = _head(CenternessHead, cfg, arguments)
        return {**arguments, "head": head, **arguments_of(cfg.MODEL.SEPC.FCOS)}


@META_ARCH_REGISTRY.register()
class SEPCATSS(FromCfgNode, ATSS):
    """:class:`.atss.ATSS` from a CfgNode."""

    @classmethod
    def from_config(cls, cfg: CfgNode) -> Arguments:
        arguments = {**_dense(cfg), **_focal_loss(cfg)}
        arguments["anchor_generator"] = _one_anchor(cfg, arguments)
        levels = len(arguments["head_in_features"])
        arguments["head"] = _head(CenternessHead, cfg, arguments, num_scales=levels)
        arguments["delta_weights"] = cfg.MODEL.RETINANET.BBOX_REG_WEIGHTS
        return {**arguments, **arguments_of(cfg.MODEL.SEPC.ATSS)}


@META_ARCH_REGISTRY.register()
class SEPCGFL(FromCfgNode, GFL):
    """:class:`.gfl.GFL` from a CfgNode."""

    @classmethod
    def from_config(cls, cfg: CfgNode) -> Arguments:
        arguments = _dense(cfg)
        arguments["anchor_generator"] = _one_anchor(cfg, arguments)
        arguments["head"] = _head(
            SEPCHead,
            cfg,
            arguments,
            num_anchors=1,
            box_dim=4 * (cfg.MODEL.SEPC.GFL.NUM_BINS + 1),
            num_scales=len(arguments["head_in_features"]),
        )
        return {**arguments, **arguments_of(cfg.MODEL.SEPC.GFL)}


def _dense(cfg: CfgNode) -> Arguments:
    """Those that every ``DenseDetector`` has, apart from the head; names as in ``RetinaNet``."""
    node = cfg.MODEL.RETINANET
    return dict(
        backbone=build_backbone(cfg),
        head_in_features=node.IN_FEATURES,
        num_classes=node.NUM_CLASSES,
        test_score_thresh=node.SCORE_THRESH_TEST,
        test_topk_candidates=node.TOPK_CANDIDATES_TEST,
        test_nms_thresh=node.NMS_THRESH_TEST,
        max_detections_per_image=cfg.TEST.DETECTIONS_PER_IMAGE,
        guided_losses=_guided_losses(cfg),
        pixel_mean=cfg.MODEL.PIXEL_MEAN,
        pixel_std=cfg.MODEL.PIXEL_STD,
    )


def _retinanet(cfg: CfgNode) -> Arguments:
    arguments = meta_arch.RetinaNet.from_config(cfg)
    return {**arguments, "guided_losses": _guided_losses(cfg)}


def _guided_losses(cfg: CfgNode) -> GuidedLosses | None:
    node = cfg.MODEL.SEPC.GUIDED_LOSSES
    if not node.NAMES:
        return None
    with naming("MODEL.SEPC.GUIDED_LOSSES"):
        return GuidedLosses(**arguments_of(node))


def _focal_loss(cfg: CfgNode) -> Arguments:
    node = cfg.MODEL.RETINANET
    return dict(focal_loss_alpha=node.FOCAL_LOSS_ALPHA, focal_loss_gamma=node.FOCAL_LOSS_GAMMA)


def _shapes(arguments: Arguments) -> list[ShapeSpec]:
    """Of the levels that the head reads."""
    shapes = arguments["backbone"].output_shape()
    return [shapes[name] for name in arguments["head_in_features"]]


def _one_anchor(cfg: CfgNode, arguments: Arguments) -> DefaultAnchorGenerator:
    generator = build_anchor_generator(cfg, _shapes(arguments))
    if set(generator.num_anchors) != {1}:
        raise ValueError(
            "MODEL.ANCHOR_GENERATOR: expected one of SIZES per level and one of ASPECT_RATIOS, "
            f"got {generator.num_anchors} anchors per position by level"
        )
    return generator


def _head(head: type[Head], cfg: CfgNode, arguments: Arguments, **own: Any) -> Head:
    """A head of ours on the trunk that ``MODEL.SEPC`` says; ``own`` are its arguments alone."""
    trunk = build_trunk(cfg, _shapes(arguments)[0].channels)
    with naming("MODEL.RETINANET or MODEL.SEPC"):
        return head(
            trunk=trunk,
            num_classes=cfg.MODEL.RETINANET.NUM_CLASSES,
            prior_prob=cfg.MODEL.RETINANET.PRIOR_PROB,
            **own,
        )


def _anchor_based_head(head: type[Head], cfg: CfgNode, arguments: Arguments) -> Head:
    return _head(head, cfg, arguments, num_anchors=arguments["anchor_generator"].num_anchors[0])
