"""SEPC for users of Detectron2's YAML configs: keys and registered builders.

    cfg = detectron2.config.get_cfg()
    add_sepc_config(cfg)
    cfg.merge_from_file("configs/yaml/retinanet_R_50_FPN_sepc_1x.yaml")
    trainer = detectron2.engine.DefaultTrainer(cfg)

Models have the parameters' names of the LazyConfig ones, so checkpoints fit both. With
``DETECTRON2_ENV_MODULE=sepc.d2.cfgnode`` in the environment Detectron2 itself imports this module
and adds the keys: its own ``tools/`` then take SEPC's YAML files unchanged.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, META_ARCH_REGISTRY
from detectron2.modeling.backbone.fpn import build_resnet_fpn_backbone
from detectron2.modeling.meta_arch import RetinaNet

from ..layers import build_sepc
from .backbone import PyramidConvBackbone
from .head import SEPCHead

T = TypeVar("T")

_NORM_OF_NECK = {"pconv": None, "pconv_ibn": "BN"}


def add_sepc_config(cfg: CfgNode) -> None:
    """Add the node ``MODEL.SEPC`` with its defaults to Detectron2's config."""
    cfg.MODEL.SEPC = CfgNode()
    cfg.MODEL.SEPC.VARIANT = "sepc"  # of sepc.build_sepc; after FPN: pconv or pconv_ibn
    cfg.MODEL.SEPC.NUM_STAGES = 4
    cfg.MODEL.SEPC.NORM = ""  # over the pyramid, e.g. "SyncBN"; "" is the variant's own


def setup_environment() -> None:
    """Called by Detectron2 for its ``DETECTRON2_ENV_MODULE``: add the keys to its defaults."""
    from detectron2.config.defaults import _C

    add_sepc_config(_C)


@META_ARCH_REGISTRY.register()
class SEPCRetinaNet(RetinaNet):
    """Detectron2's ``RetinaNet``, with the SEPC head when it is built from a CfgNode."""

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Arguments of ``RetinaNet``.

        Raises:
            ValueError: for settings in ``MODEL.SEPC`` that are out of range.
        """
        arguments = super().from_config(cfg)
        shapes = arguments["backbone"].output_shape()
        arguments["head"] = SEPCHead(
            trunk=_from_node(
                build_sepc,
                variant=cfg.MODEL.SEPC.VARIANT,
                in_channels=shapes[cfg.MODEL.RETINANET.IN_FEATURES[0]].channels,
                num_stages=cfg.MODEL.SEPC.NUM_STAGES,
                **({"norm": cfg.MODEL.SEPC.NORM} if cfg.MODEL.SEPC.NORM else {}),
            ),
            num_classes=cfg.MODEL.RETINANET.NUM_CLASSES,
            num_anchors=arguments["anchor_generator"].num_anchors[0],
            prior_prob=cfg.MODEL.RETINANET.PRIOR_PROB,
        )
        return arguments


@BACKBONE_REGISTRY.register()
def build_resnet_fpn_pconv_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> PyramidConvBackbone:
    """Detectron2's ``build_resnet_fpn_backbone`` and pyramid convolutions: for two stages.

    Raises:
        ValueError: for settings in ``MODEL.SEPC`` that are out of range.
    """
    variant = cfg.MODEL.SEPC.VARIANT
    if variant not in _NORM_OF_NECK:
        raise ValueError(
            f"MODEL.SEPC: after FPN expected VARIANT one of {list(_NORM_OF_NECK)}, got {variant!r}"
        )
    return _from_node(
        PyramidConvBackbone,
        fpn=build_resnet_fpn_backbone(cfg, input_shape),
        num_stages=cfg.MODEL.SEPC.NUM_STAGES,
        norm=cfg.MODEL.SEPC.NORM or _NORM_OF_NECK[variant],
    )


def _from_node(build: Callable[..., T], **settings: Any) -> T:
    """Build, and say in an error where its settings came from."""
    try:
        return build(**settings)
    except ValueError as error:
        raise ValueError(f"MODEL.SEPC: {error}") from error
